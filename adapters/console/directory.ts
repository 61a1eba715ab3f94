/**
 * What the console can tell about the rest of the system; the composition root provides it.
 */
import type { Risk } from '../../src/core/command.ts';
import type { Json } from '../../src/core/json.ts';
import type { ParamType } from '../../src/core/param.ts';

/** One command as the picker and the command line list it. Types, when given, shape the form's fields. */
export interface ListedCommand {
  readonly name: string;
  readonly description: string;
  readonly category: string;
  readonly risk: Risk;
  readonly params: readonly {
    readonly name: string;
    readonly description: string;
    readonly optional: boolean;
    readonly type?: ParamType;
    readonly default?: string;
    /** It takes as many values. */
    readonly several?: number;
  }[];
}

export interface ListedHost {
  readonly name: string;
  readonly tier: string;
  readonly tags?: readonly string[];
}

export interface Directory {
  commands(): readonly ListedCommand[];
  hosts(): readonly ListedHost[];
  /** What is up, for /healthz, which anybody on this machine may read. `ready: false` in it makes the answer a 503. */
  status(): Promise<Json>;
}
