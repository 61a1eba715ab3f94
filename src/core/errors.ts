/**
 * What can go wrong outside, by the remedy it needs. Messages are for people and never hold a secret.
 */

export type ProblemCode =
  | 'config-invalid'
  | 'store-unavailable'
  | 'chat-unavailable'
  | 'tools-unavailable'
  | 'model-key-refused'
  | 'model-overloaded'
  | 'model-unreachable'
  | 'model-failed'
  | 'audit-unwritable'
  | 'budget-spent'
  | 'internal';

/** A failure as a value: one sentence of what happened and one of what to do. */
export interface Problem {
  readonly code: ProblemCode;
  readonly message: string;
  readonly remedy?: string;
}

export function problemText(problem: Problem): string {
  return problem.remedy ? `${problem.message} ${problem.remedy}` : problem.message;
}

/** A dead outside, thrown. Everything expected is a value instead. */
export class OpsError extends Error {
  readonly problem: Problem;

  constructor(code: ProblemCode, message: string, remedy?: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'OpsError';
    this.problem = remedy ? { code, message, remedy } : { code, message };
  }
}

/** The problem that an unknown throw stands for; an unexpected one says no more than that. */
export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof OpsError) return thrown.problem;
  return {
    code: 'internal',
    message: 'Something went wrong inside opsagent.',
    remedy: 'The log has the details.',
  };
}
