/**
 * The parameters of a command: a name and the type that decides which values exist.
 */

/** The type of a parameter decides which values exist; see `checkValue` in params.ts. */
export type ParamType =
  | { readonly kind: 'path'; readonly roots: readonly string[] }
  | { readonly kind: 'unit' }
  | { readonly kind: 'container' }
  /** `unit` is what the number counts (days, MiB), for people; the value is the number alone. */
  | { readonly kind: 'integer'; readonly min: number; readonly max: number; readonly unit?: string }
  | { readonly kind: 'pid'; readonly min: number; readonly max: number }
  | { readonly kind: 'port'; readonly min: number; readonly max: number }
  /** A whole number with s, m, h or d, such as 15m; the limits are in seconds. */
  | { readonly kind: 'duration'; readonly min: number; readonly max: number }
  /** A host name or IP address that the command talks about; not where it runs. */
  | { readonly kind: 'host' }
  | { readonly kind: 'choice'; readonly values: readonly string[] }
  /** Free text of one line; `pattern` (RE2, anchored at both ends) narrows it. */
  | { readonly kind: 'text'; readonly pattern?: string; readonly maxLength: number };

export interface Param {
  readonly name: string;
  readonly description: string;
  readonly type: ParamType;
  readonly optional: boolean;
  readonly default?: string;
  /** At most so many values, each a word of its own; they travel as one text with a newline between them. */
  readonly several?: number;
}
