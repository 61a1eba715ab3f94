/**
 * What `opsagent policy lint` says of a policy.yaml: its problems, and what its author should look at again although
 * it loads: hosts that no rule can mean, names that nothing uses, rules that are never reached.
 */
import { loadPolicy } from './policy.ts';
import type { KnownNames } from './policy-check.ts';
import { PolicyFile } from './policy-file.ts';
import type { ConfigProblem } from './problem.ts';
import { type Path, readYaml } from './yaml.ts';

export interface PolicyReport {
  readonly problems: readonly ConfigProblem[];
  /** Empty while there are problems. */
  readonly warnings: readonly ConfigProblem[];
  /** Of what it holds, in words. */
  readonly summary: string;
}

/** `hosts` are the inventory's; undefined where it could not be read, then hosts are not looked at. */
export function lintPolicy(
  file: string,
  text: string,
  known: KnownNames,
  hosts: readonly { readonly name: string; readonly tags: readonly string[] }[] | undefined,
): PolicyReport {
  const { policy, problems } = loadPolicy(file, text, known);
  const yaml = readYaml(file, text, PolicyFile);
  if (problems.length > 0 || yaml.value === undefined) return { problems, warnings: [], summary: '' };

  const warnings: ConfigProblem[] = [];
  const warn = (path: Path, rule: string, what: string, remedy: string, of: 'key' | 'value' = 'value') =>
    warnings.push({ where: yaml.at(path, of), rule, what, remedy });
  if (hosts) unknownHosts(yaml.value, hosts, warn);
  unused(yaml.value, warn);
  emptyLists(yaml.value, warn);
  unreached(yaml.value, warn);
  const count = (n: number, one: string) => `${n} ${one}${n === 1 ? '' : 's'}`;
  const summary = [
    count(policy.people.length, 'person').replace('persons', 'people'),
    count(policy.groups.length, 'group'),
    count(yaml.value.ask?.length ?? 0, 'ask rule'),
    count(policy.approve.length, 'approval rule'),
    count(policy.quotas?.length ?? 0, 'quota'),
  ].join(', ');
  return { problems, warnings, summary };
}

type Warn = (path: Path, rule: string, what: string, remedy: string, of?: 'key' | 'value') => void;

/** `local` and `remote` come from the surroundings, not from the inventory. */
const madeHosts = ['all', 'local', 'remote'];

function unknownHosts(
  file: PolicyFile,
  hosts: readonly { readonly name: string; readonly tags: readonly string[] }[],
  warn: Warn,
): void {
  const known = new Set([...madeHosts, ...hosts.flatMap((h) => [h.name, ...h.tags.map((t) => `@${t}`)])]);
  const lists: readonly (readonly [Path, readonly string[] | undefined])[] = [
    ...Object.entries(file.roles ?? {}).map(([name, r]) => [['roles', name, 'hosts'], r.hosts] as const),
    ...(['ask', 'approve'] as const).flatMap((kind) =>
      (file[kind] ?? []).map((r, i) => [[kind, i, 'hosts'], r.hosts] as const),
    ),
  ];
  for (const [path, names] of lists)
    names?.forEach((name, i) => {
      if (!known.has(name))
        warn(
          [...path, i],
          'unknown-host',
          `no host of the inventory is meant by ${name}`,
          'correct the name or tag, or add the host to hosts.yaml',
        );
    });
}

function unused(file: PolicyFile, warn: Warn): void {
  const roles = new Set((file.ask ?? []).flatMap((r) => r.role ?? []));
  for (const name of Object.keys(file.roles ?? {}))
    if (!roles.has(name))
      warn(['roles', name], 'unused', `no rule gives the role ${name}`, 'remove it', 'key');
  const named = new Set([
    ...(file.ask ?? []).flatMap((r) => r.who),
    ...(file.approve ?? []).flatMap((r) => [...(r.who ?? []), ...(r.each ?? []).flatMap((e) => e.who)]),
    ...(file.quotas ?? []).flatMap((q) => q.who ?? []),
    ...(file.admins ?? []),
  ]);
  for (const name of Object.keys(file.groups ?? {}))
    if (!named.has(name))
      warn(['groups', name], 'unused', `no rule names the group ${name}`, 'remove it', 'key');
}

function emptyLists(file: PolicyFile, warn: Warn): void {
  for (const kind of ['ask', 'approve'] as const)
    file[kind]?.forEach((rule, i) => {
      for (const key of ['who', 'risk', 'hosts'] as const)
        if (rule[key]?.length === 0)
          warn(
            [kind, i, key],
            'empty-list',
            `${rule.name} has an empty ${key}: it holds for nobody`,
            'fill it',
          );
    });
}

/** The first approval rule that covers counts; one behind a wider one counts only where a command names it. */
function unreached(file: PolicyFile, warn: Warn): void {
  const rules = file.approve ?? [];
  rules.forEach((rule, i) => {
    const before = rules
      .slice(0, i)
      .find(
        (b) =>
          b.commands === undefined &&
          b.categories === undefined &&
          rule.risk.every((r) => b.risk.includes(r)) &&
          (b.hosts.includes('all') || rule.hosts.every((h) => b.hosts.includes(h))),
      );
    if (before && rule.risk.length > 0)
      warn(
        ['approve', i, 'name'],
        'not-reached',
        `${before.name} stands before ${rule.name} and covers all of it`,
        'put the narrower rule first; only a command that names it reaches it here',
      );
  });
}
