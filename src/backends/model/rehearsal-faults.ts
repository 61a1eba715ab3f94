/**
 * Outputs that say why there is nothing to report: no systemd, no docker, no such service, path or program.
 */

/** The output of one command as it stands in a result. */
export interface Section {
  readonly command: string;
  /** Empty where the result names none. */
  readonly host: string;
  readonly body: string;
  /** How it ended, in the server's words: "exit 0". Empty where it says nothing. */
  readonly end: string;
}

/** The fault in one sentence, or undefined when the output has none that we know. */
export function faultIn({ command, host, body, end }: Section): string | undefined {
  // A long output, or a log, tells of faults of others; only a short one is the fault itself.
  const short = body.trim().split('\n').length <= 3;
  if (end === 'exit 0' && !short) return undefined;
  const possible = /log|dmesg/.test(command) && end === 'exit 0' ? faultsOfLogs : faults;
  for (const [pattern, say] of possible) {
    const match = pattern.exec(body);
    if (match) return say(host || 'this machine', match[1] ?? '', command);
  }
  return undefined;
}

type Say = (where: string, found: string, command: string) => string;

type Fault = readonly [pattern: RegExp, say: Say];

const noSystemd: Say = (where, _, command) =>
  `${where} does not run systemd, so \`${command}\` had nothing to work with.`;

const faultsOfLogs: readonly Fault[] = [
  [
    /journalctl: (?:command )?not found|^No journal files were (?:found|opened)|no systemd journal/im,
    (where, _, command) => `${where} has no systemd journal, so \`${command}\` had nothing to work with.`,
  ],
  [
    /docker: (?:command )?not found|docker: No such file|docker is not installed/i,
    (where, _, command) => `Docker is not installed on ${where}, so \`${command}\` had nothing to work with.`,
  ],
  [
    /Cannot connect to the Docker daemon/i,
    (where, _, command) =>
      `The Docker daemon does not run on ${where}, so \`${command}\` had nothing to work with.`,
  ],
];

const faults: readonly Fault[] = [
  ...faultsOfLogs,
  [/not been booted with systemd|Failed to connect to (?:the )?(?:system )?bus|no systemd/i, noSystemd],
  [/systemctl: (?:command )?not found|systemctl: No such file/, noSystemd],
  [
    /permission denied while trying to connect to the docker/i,
    (where) => `The login on ${where} may not use Docker.`,
  ],
  [
    /Unit ([\w@.:-]+?)(?:\.service)? (?:could not be found|not found|not loaded)/,
    (where, unit) => `There is no service \`${unit}\` on ${where}.`,
  ],
  [/No such container: ([\w.-]+)/, (where, name) => `There is no container \`${name}\` on ${where}.`],
  [
    /(?:cannot access|cannot read|cannot stat)[^\n]*?(\/[^\s:'’]*)['’]?: No such file or directory/,
    (where, path) => `There is no \`${path}\` on ${where}.`,
  ],
  [
    /^(?!\s*[\d.,]+[KMGTP]?\s+\/)[^\n]*?([\w.-]+): (?:command )?not found\s*$/m,
    (where, program, command) =>
      `\`${program}\` is not installed on ${where}, so \`${command}\` had nothing to work with.`,
  ],
];
