/**
 * One thing wrong with the configuration: where, which rule, what, and what to do; and the error that carries all.
 */

export interface ConfigProblem {
  /** A variable's name, or `file:line:column`. */
  readonly where: string;
  /** The rule's name, for files. */
  readonly rule?: string;
  readonly what: string;
  readonly remedy: string;
}

/** "config/hosts.yaml:3:5 — unknown-key: … — …", on one line. */
export function problemLine(problem: ConfigProblem): string {
  const rule = problem.rule === undefined ? '' : `${problem.rule}: `;
  return `${problem.where} — ${rule}${problem.what} — ${problem.remedy}`.replace(/\s*\n\s*/g, ' ');
}

/** Thrown by loadConfig with every problem at once; the message is one line for each. Exit code 2. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(problemLine).join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}
