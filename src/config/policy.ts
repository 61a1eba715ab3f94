/**
 * policy.yaml: who may ask for what, who may approve it, and how much. Default deny: what is not written here nobody
 * may. A name that is defined nowhere is a problem, never a silent nobody.
 */
import {
  type AskRule,
  type Budget,
  type CommandScope,
  defaultBudget,
  noPolicy,
  type Policy,
} from '../core/policy.ts';
import { type KnownNames, policyProblems } from './policy-check.ts';
import { PolicyFile, secondsOf } from './policy-file.ts';
import type { ConfigProblem } from './problem.ts';
import { readYaml } from './yaml.ts';

export interface LoadedPolicy {
  readonly policy: Policy;
  readonly problems: readonly ConfigProblem[];
}

/**
 * Reads the text of a policy.yaml; `known` is what the other files define, where they could be read. With problems
 * the policy is the empty one, which lets nobody do anything.
 */
export function loadPolicy(file: string, text: string, known: KnownNames = {}): LoadedPolicy {
  const yaml = readYaml(file, text, PolicyFile);
  if (yaml.value === undefined) return { policy: noPolicy, problems: yaml.problems };

  const problems = policyProblems(yaml.value, yaml.at, known);
  return { policy: problems.length > 0 ? noPolicy : toPolicy(yaml.value), problems };
}

function toPolicy(file: PolicyFile): Policy {
  return {
    people: Object.entries(file.people ?? {}).map(([name, accounts]) => ({
      name,
      accounts: (['slack', 'discord', 'console'] as const).flatMap((platform) =>
        [accounts[platform] ?? []].flat().map((id) => `${platform}:${id}`),
      ),
    })),
    groups: Object.entries(file.groups ?? {}).map(([name, group]) => ({
      name,
      people: group.people ?? [],
      platformGroups: [
        ...(group.slack_usergroups ?? []).map((id) => `slack:${id}`),
        ...(group.discord_roles ?? []).map((id) => `discord:${id}`),
      ],
    })),
    ask: (file.ask ?? []).flatMap((rule) => askRules(rule, file.roles ?? {})),
    approve: (file.approve ?? []).map((rule) => ({
      name: rule.name,
      risk: rule.risk,
      hosts: rule.hosts,
      ...scopeOf(rule),
      who: rule.each ? [...new Set(rule.each.flatMap((e) => e.who))] : (rule.who ?? []),
      people: Math.max(
        rule.people ?? 1,
        (rule.each ?? []).reduce((n, e) => n + (e.people ?? 1), 0),
      ),
      ...(rule.each ? { each: rule.each.map((e) => ({ who: e.who, people: e.people ?? 1 })) } : {}),
      requesterMay: rule.requester === 'allowed',
      waitSeconds: secondsOf(rule.wait ?? '10m'),
      ...(rule.reminder ? { reminderSeconds: secondsOf(rule.reminder) } : {}),
    })),
    incidentChannels: file.incident_channels ?? [],
    quotas: (file.quotas ?? []).map((quota) => ({
      name: quota.name,
      ...(quota.who ? { who: quota.who } : {}),
      ...(quota.risk ? { risk: quota.risk } : {}),
      ...scopeOf(quota),
      perDay: quota.per_day,
      together: quota.together ?? false,
    })),
    budget: budgetOf(file.budgets ?? {}),
    admins: file.admins ?? [],
    ...(file.mcp_requests ? clientsIn(file.mcp_requests.in) : {}),
  };
}

/** `slack:C0123ABCD/1712345678.000100`, `discord:345678901234567890`; the console has a thread for each client. */
function clientsIn(place: string): Pick<Policy, 'clientsIn'> {
  const [platform, channel = '', thread = channel] = place.split(/[:/]/);
  return platform === 'slack' || platform === 'discord' ? { clientsIn: { platform, channel, thread } } : {};
}

function scopeOf({
  commands,
  categories,
}: {
  readonly commands?: string[] | undefined;
  readonly categories?: string[] | undefined;
}): CommandScope {
  return { ...(commands ? { commands } : {}), ...(categories ? { categories } : {}) };
}

/** One rule for each role it names; channels of role and rule must both be met. */
function askRules(
  rule: NonNullable<PolicyFile['ask']>[number],
  roles: NonNullable<PolicyFile['roles']>,
): AskRule[] {
  const { name, who } = rule;
  if (rule.role === undefined)
    return [
      {
        name,
        who,
        risk: rule.risk ?? [],
        hosts: rule.hosts ?? [],
        ...(rule.channels ? { channels: rule.channels } : {}),
        ...scopeOf(rule),
      },
    ];
  return [rule.role].flat().flatMap((role) => {
    const given = Object.hasOwn(roles, role) ? roles[role] : undefined;
    if (!given) return [];
    const channels =
      given.channels && rule.channels
        ? inBoth(given.channels, rule.channels)
        : (given.channels ?? rule.channels);
    return [
      {
        name,
        role,
        who,
        risk: given.risk,
        hosts: given.hosts,
        ...(channels ? { channels } : {}),
        ...scopeOf(given),
      },
    ];
  });
}

/** The places that both lists cover: a platform covers its channels. */
function inBoth(a: readonly string[], b: readonly string[]): readonly string[] {
  const covered = (one: readonly string[], other: readonly string[]) =>
    one.filter((place) => other.some((o) => place === o || place.startsWith(`${o}:`)));
  return [...new Set([...covered(a, b), ...covered(b, a)])];
}

function budgetOf(given: NonNullable<PolicyFile['budgets']>): Budget {
  return {
    turns: given.turns ?? defaultBudget.turns,
    calls: given.calls ?? defaultBudget.calls,
    hosts: given.hosts ?? defaultBudget.hosts,
    seconds: given.seconds ?? defaultBudget.seconds,
    tokens: given.tokens ?? defaultBudget.tokens,
    openApprovals: given.open_approvals ?? defaultBudget.openApprovals,
    repeats: given.repeats ?? defaultBudget.repeats,
  };
}
