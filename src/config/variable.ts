/**
 * One environment variable: what it is for, who may read it and what holds without it.
 */

export interface Variable {
  readonly name: string;
  /** Roles that read it; `all` (bot and worker in one process) reads what either of them does. */
  readonly roles: readonly ('bot' | 'worker' | 'whitelist' | 'cli' | 'compose')[];
  /** '' when there is none. */
  readonly default: string;
  /** One line, for .env.example. */
  readonly description: string;
  /** Never shown, always redacted; NAME_FILE may name a file that holds it. */
  readonly secret?: true;
}
