/**
 * The parameters of a command: a name and the type that decides which values exist.
 */

/** The type of a parameter decides which values exist; see `checkValue` in params.ts. */
export type ParamType =
  | { readonly kind: 'path'; readonly roots: readonly string[] }
  | { readonly kind: 'unit' }
  | { readonly kind: 'container' }
  | { readonly kind: 'integer'; readonly min: number; readonly max: number }
  | { readonly kind: 'choice'; readonly values: readonly string[] }
  /** Free text of one line; `pattern` (RE2, anchored at both ends) narrows it. */
  | { readonly kind: 'text'; readonly pattern?: string; readonly maxLength: number };

export interface Param {
  readonly name: string;
  readonly description: string;
  readonly type: ParamType;
  readonly optional: boolean;
  readonly default?: string;
}
