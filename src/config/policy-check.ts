/**
 * What can be wrong with a policy.yaml of the right shape: names that nothing defines, accounts of two people, rules
 * that can never hold. Each problem has its place and its rule's name.
 */

import { didYouMean } from '../core/nearest-name.ts';
import { isAccount, type PolicyFile, secondsOf } from './policy-file.ts';
import type { ConfigProblem } from './problem.ts';
import type { Path } from './yaml.ts';

/** What the other files define; undefined where they could not be read. */
export interface KnownNames {
  readonly commands?: readonly string[];
  readonly categories?: readonly string[];
  /** Approval rules that the catalogue names, with the place where it does. */
  readonly approvals?: readonly { readonly rule: string; readonly command: string; readonly where: string }[];
}

type At = (path: Path, what?: 'key' | 'value') => string;
/** A list of `who` entries, and whether `mcp` may stand in it. */
type WhoList = readonly [Path, readonly string[] | undefined, boolean];
type ScopeAt = readonly [Path, Pick<NonNullable<PolicyFile['ask']>[number], 'commands' | 'categories'>];
type Report = (where: string, rule: string, what: string, remedy: string) => void;

export function policyProblems(file: PolicyFile, at: At, known: KnownNames): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const report: Report = (where, rule, what, remedy) => problems.push({ where, rule, what, remedy });
  checkPeople(file, at, report);
  checkGroups(file, at, report);
  checkAsk(file, at, report);
  checkApprove(file, at, report);
  for (const kind of ['ask', 'approve', 'quotas'] as const) checkNamedOnce(file, kind, at, report);
  checkWho(file, at, report);
  checkCommands(file, at, known, report);
  for (const { rule, command, where } of known.approvals ?? [])
    if (!file.approve?.some((r) => r.name === rule))
      report(
        where,
        'missing-rule',
        `${command} wants the approval rule ${rule}, which policy.yaml does not have`,
        remedyFor(
          rule,
          (file.approve ?? []).map((r) => r.name),
          'add it under approve, or remove approval from the command',
        ),
      );
  return problems;
}

const reserved = ['mcp', 'all', 'default-deny'];

function checkPeople({ people, groups }: PolicyFile, at: At, report: Report): void {
  const owners = new Map<string, string>();
  for (const [name, accounts] of Object.entries(people ?? {})) {
    const path = ['people', name];
    if (reserved.includes(name))
      report(at(path, 'key'), 'reserved-name', `${name} has a meaning of its own`, 'choose another name');
    if (Object.hasOwn(groups ?? {}, name))
      report(at(path, 'key'), 'duplicate-name', `${name} is a person and a group`, 'rename one of them');
    for (const platform of ['slack', 'discord', 'console'] as const)
      for (const id of [accounts[platform] ?? []].flat()) {
        const account = `${platform}:${id}`;
        const owner = owners.get(account);
        if (owner !== undefined)
          report(
            at(path),
            'duplicate-account',
            `${account} belongs to ${owner} already`,
            'an account is one person’s: remove it from one of them',
          );
        owners.set(account, name);
      }
  }
}

function checkGroups({ people, groups }: PolicyFile, at: At, report: Report): void {
  const names = Object.keys(people ?? {});
  for (const [name, group] of Object.entries(groups ?? {})) {
    if (reserved.includes(name))
      report(
        at(['groups', name], 'key'),
        'reserved-name',
        `${name} has a meaning of its own`,
        'choose another name',
      );
    group.people?.forEach((person, i) => {
      if (!names.includes(person)) undefinedName(at(['groups', name, 'people', i]), person, names, report);
    });
  }
}

function checkAsk({ ask, roles }: PolicyFile, at: At, report: Report): void {
  const known = Object.keys(roles ?? {});
  ask?.forEach((rule, i) => {
    const path: Path = ['ask', i];
    if (rule.role === undefined) {
      for (const key of ['risk', 'hosts'] as const)
        if (rule[key] === undefined)
          report(
            at(path),
            'missing-key',
            `ask[${i + 1}].${key} is missing`,
            `add ${key}, or name a role that has it`,
          );
      return;
    }
    for (const key of ['risk', 'hosts', 'commands', 'categories'] as const)
      if (rule[key] !== undefined)
        report(
          at([...path, key], 'key'),
          'role-and-rights',
          `ask[${i + 1}] names a role and has ${key} of its own`,
          'put it into the role; a rule adds only channels to one',
        );
    for (const role of [rule.role].flat())
      if (!known.includes(role))
        report(
          at([...path, 'role']),
          'undefined-name',
          `there is no role ${role}`,
          remedyFor(role, known, 'define it under roles'),
        );
  });
}

function checkApprove({ approve }: PolicyFile, at: At, report: Report): void {
  approve?.forEach((rule, i) => {
    const path: Path = ['approve', i];
    if (rule.who === undefined && rule.each === undefined)
      report(
        at(path),
        'missing-key',
        `approve[${i + 1}].who is missing`,
        'add who, or each with several groups',
      );
    if (rule.who !== undefined && rule.each !== undefined)
      report(
        at([...path, 'each'], 'key'),
        'who-and-each',
        `approve[${i + 1}] has who and each`,
        'keep one of the two',
      );
    if (rule.requester === 'allowed' && rule.risk.some((r) => r !== 'change'))
      report(
        at([...path, 'requester']),
        'requester-approves',
        'a requester may approve their own change only, never a critical command',
        'use "requester: excluded", or split the rule',
      );
    const wait = secondsOf(rule.wait ?? '10m');
    if (wait < 30 || wait > 86_400)
      report(at([...path, 'wait']), 'bad-value', 'wait is out of range', 'use 30s to 24h');
    if (rule.reminder !== undefined && (secondsOf(rule.reminder) < 10 || secondsOf(rule.reminder) >= wait))
      report(
        at([...path, 'reminder']),
        'bad-value',
        'reminder is out of range',
        'use 10s or more, and less than wait',
      );
  });
}

function checkNamedOnce(file: PolicyFile, kind: 'ask' | 'approve' | 'quotas', at: At, report: Report): void {
  const names = (file[kind] ?? []).map((r) => r.name);
  const what = kind === 'quotas' ? 'quota' : `${kind} rule`;
  names.forEach((name, i) => {
    if (names.indexOf(name) < i)
      report(
        at([kind, i, 'name']),
        'duplicate-name',
        `there is another ${what} named ${name}`,
        'rename one of them',
      );
  });
}

function checkWho(file: PolicyFile, at: At, report: Report): void {
  const names = [...Object.keys(file.people ?? {}), ...Object.keys(file.groups ?? {})];
  const lists: readonly WhoList[] = [
    ...(file.ask ?? []).map((r, i): WhoList => [['ask', i, 'who'], r.who, true]),
    ...(file.approve ?? []).map((r, i): WhoList => [['approve', i, 'who'], r.who, false]),
    ...(file.approve ?? []).flatMap((r, i) =>
      (r.each ?? []).map((e, n): WhoList => [['approve', i, 'each', n, 'who'], e.who, false]),
    ),
    ...(file.quotas ?? []).map((q, i): WhoList => [['quotas', i, 'who'], q.who, true]),
    [['admins'], file.admins ?? undefined, false],
  ];
  for (const [path, who, mcpToo] of lists)
    who?.forEach((entry, n) => {
      const where = at([...path, n]);
      const isClient = /^mcp(:[a-z0-9][a-z0-9._-]*)?$/.test(entry);
      if (isClient && !mcpToo)
        report(where, 'mcp-approves', 'an MCP client cannot approve', 'name a person or a group');
      else if (!isClient && !names.includes(entry) && !isAccount(entry))
        undefinedName(where, entry, names, report);
    });
}

/** A misspelt command in a rule would silently be no command. */
function checkCommands(file: PolicyFile, at: At, known: KnownNames, report: Report): void {
  const scopes: readonly ScopeAt[] = [
    ...Object.entries(file.roles ?? {}).map(([role, r]): ScopeAt => [['roles', role], r]),
    ...(['ask', 'approve', 'quotas'] as const).flatMap((kind) =>
      (file[kind] ?? []).map((r, i): ScopeAt => [[kind, i], r]),
    ),
  ];
  for (const [path, scope] of scopes)
    for (const kind of ['commands', 'categories'] as const) {
      const names = known[kind];
      if (names === undefined) continue;
      scope[kind]?.forEach((name, i) => {
        if (!names.includes(name))
          report(
            at([...path, kind, i]),
            'undefined-name',
            `commands.yaml has no ${kind === 'commands' ? 'command' : 'category'} ${name}`,
            remedyFor(name, names, 'correct the name, or remove it'),
          );
      });
    }
}

function undefinedName(where: string, name: string, names: readonly string[], report: Report): void {
  report(
    where,
    'undefined-name',
    `"${name}" is neither a person, a group nor an account`,
    remedyFor(name, names, 'define it under people or groups, or write an account such as slack:U0123ABCD'),
  );
}

function remedyFor(name: string, names: readonly string[], otherwise: string): string {
  const meant = didYouMean(name, names);
  return meant ? `did you mean ${meant}?` : otherwise;
}
