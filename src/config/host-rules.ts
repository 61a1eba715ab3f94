/**
 * What must hold between the keys of one host, and between hosts: ways of logging in that do not go together, jump
 * hosts that lead nowhere.
 */
import type { HostEntry } from './host-entry.ts';
import type { ConfigProblem } from './problem.ts';

/** Problems of all entries; `at` tells the place of a key of the n-th one. */
export function hostProblems(
  entries: readonly HostEntry[],
  at: (index: number, key: string) => string,
): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  entries.forEach((entry, i) => {
    const report = (key: string, rule: string, what: string, remedy: string) =>
      problems.push({ where: at(i, key), rule, what, remedy });
    const { name } = entry;
    if (entries.findIndex((other) => other.name === name) < i)
      report('name', 'duplicate-name', `there is another host named ${name}`, 'rename one of them');
    // `local` is what the shipped policy lets a newcomer approve alone: no other machine may take that name.
    if (name === 'local' || name === 'all')
      report('name', 'reserved-name', `${name} has a meaning of its own`, 'choose another name');
    if (entry.host_key !== undefined && entry.known_hosts !== undefined)
      report('known_hosts', 'two-host-keys', `${name} has host_key and known_hosts`, 'keep one of the two');
    if (entry.passphrase_env !== undefined && entry.key === undefined)
      report(
        'passphrase_env',
        'passphrase-without-key',
        `${name} has a passphrase and no key`,
        'add key, or remove passphrase_env',
      );
    if (entry.auth === 'none' && entry.key !== undefined)
      report('auth', 'two-logins', `${name} has auth: none and a key`, 'keep one of the two');
    if (entry.auth === 'none' && entry.gate)
      report(
        'gate',
        'gate-without-key',
        `${name} has gate: true and auth: none: Tailscale SSH runs no forced command, so there is no gate`,
        'remove gate, or use the host’s own sshd with a key',
      );
    if (entry.jump !== undefined && entry.proxy !== undefined && entry.proxy !== 'none')
      report(
        'proxy',
        'two-ways',
        `${name} has jump and proxy`,
        `keep one of the two; a proxy on the way to ${entry.jump} belongs there`,
      );
    const broken = jumpProblem(entry, entries);
    if (broken !== undefined) report('jump', ...broken);
  });
  return problems;
}

/** Rule, what and remedy. */
function jumpProblem(
  entry: HostEntry,
  entries: readonly HostEntry[],
): [rule: string, what: string, remedy: string] | undefined {
  if (entry.jump === undefined) return undefined;
  const named = (name: string) => entries.find((other) => other.name === name);
  const jump = named(entry.jump);
  if (entry.jump === entry.name)
    return ['jump-cycle', `${entry.name} is its own jump host`, 'name another host, or remove jump'];
  if (jump === undefined)
    return [
      'unknown-jump',
      `the jump host ${entry.jump} is not in this file`,
      `add a host named ${entry.jump}, or correct jump`,
    ];
  if (jump.gate)
    return [
      'jump-through-gate',
      `the login of ${jump.name} runs the gate, which forwards nothing`,
      'name a jump host without gate',
    ];
  const passed = [entry.name];
  for (let next: HostEntry | undefined = jump; next !== undefined; next = named(next.jump ?? '')) {
    passed.push(next.name);
    if (next.name === entry.name)
      return [
        'jump-cycle',
        `the jump hosts lead in a circle: ${passed.join(' → ')}`,
        'remove one jump of it',
      ];
    // A circle further on is told where it is.
    if (passed.indexOf(next.name) < passed.length - 1) break;
  }
  return undefined;
}
