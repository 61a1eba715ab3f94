/**
 * Who may ask for what, and who may approve it: pure functions over policy.yaml. Default deny; an empty list is nobody.
 * The bot asks them at the event, the whitelist server asks them again before it runs anything.
 */
import type { Host, Risk } from './command.ts';
import type { Conversation, User } from './conversation.ts';
import { userKey } from './conversation.ts';

/** `who` entries are a person's name, a group's name, or an account `platform:id`. */
export interface Policy {
  readonly people: readonly { readonly name: string; readonly accounts: readonly string[] }[];
  readonly groups: readonly {
    readonly name: string;
    readonly people: readonly string[];
    /** Platform groups as `discord:<role id>` or `slack:<usergroup id>`. */
    readonly platformGroups: readonly string[];
  }[];
  readonly ask: readonly AskRule[];
  readonly approve: readonly ApproveRule[];
  /** `slack:C1`: threads here are answered without a mention once we were called in them. */
  readonly incidentChannels: readonly string[];
}

export interface AskRule {
  readonly name: string;
  readonly who: readonly string[];
  readonly risk: readonly Risk[];
  /** Host names, `@tag`, or `all`. */
  readonly hosts: readonly string[];
  /** `console`, `slack:C1`, `discord:1`; undefined for everywhere. */
  readonly channels?: readonly string[];
}

export interface ApproveRule {
  readonly name: string;
  readonly risk: readonly Risk[];
  readonly hosts: readonly string[];
  readonly who: readonly string[];
  readonly people: number;
  readonly requesterMay: boolean;
  readonly waitSeconds: number;
}

/** Somebody as one event shows them: `slack:U1`, `mcp`, and the platform's groups at that moment. */
export interface Asker {
  readonly account: string;
  readonly groups: readonly string[];
}

export type PolicyDecision =
  | { readonly kind: 'allow'; readonly rule: string }
  | { readonly kind: 'ask'; readonly rule: ApproveRule }
  | { readonly kind: 'refuse'; readonly reason: string };

type HostName = Pick<Host, 'name' | 'tags'>;

export function askerOf(user: User, groups: readonly string[]): Asker {
  return { account: userKey(user), groups: groups.map((g) => `${user.platform}:${g}`) };
}

/** One word for one human over all their accounts: the person's name, else the account itself. */
export function personOf(policy: Policy, account: string): string {
  return policy.people.find((p) => p.accounts.includes(account))?.name ?? account;
}

function matches(policy: Policy, who: readonly string[], asker: Asker): boolean {
  const person = personOf(policy, asker.account);
  return who.some((entry) => {
    if (entry === asker.account || entry === person) return true;
    const group = policy.groups.find((g) => g.name === entry);
    return (
      group !== undefined &&
      (group.people.includes(person) || group.platformGroups.some((id) => asker.groups.includes(id)))
    );
  });
}

function coversHost(hosts: readonly string[], host: HostName): boolean {
  return hosts.some(
    (h) => h === 'all' || h === host.name || (h.startsWith('@') && host.tags.includes(h.slice(1))),
  );
}

function coversChannel(
  channels: readonly string[] | undefined,
  conversation: Conversation | undefined,
): boolean {
  if (channels === undefined) return true;
  if (conversation === undefined) return false;
  return (
    channels.includes(conversation.platform) ||
    channels.includes(`${conversation.platform}:${conversation.channel}`)
  );
}

/** May this person ask anything at all in this place? */
export function mayTalk(policy: Policy, asker: Asker, conversation: Conversation | undefined): boolean {
  return policy.ask.some((r) => matches(policy, r.who, asker) && coversChannel(r.channels, conversation));
}

/** May this be asked for, and must people approve it first? Every asker must have the right. */
export function decide(
  policy: Policy,
  askers: readonly Asker[],
  what: { readonly risk: Risk; readonly host: HostName; readonly conversation: Conversation | undefined },
): PolicyDecision {
  const rules = askers.map((asker) =>
    policy.ask.find(
      (r) =>
        matches(policy, r.who, asker) &&
        r.risk.includes(what.risk) &&
        coversHost(r.hosts, what.host) &&
        coversChannel(r.channels, what.conversation),
    ),
  );
  const without = askers.find((_, i) => rules[i] === undefined);
  const rule = rules[0];
  if (without || !rule) {
    const who = without ? personOf(policy, without.account) : 'nobody';
    return {
      kind: 'refuse',
      reason: `No rule lets ${who} ask for a ${what.risk} on ${what.host.name} here.`,
    };
  }
  if (what.risk === 'read') return { kind: 'allow', rule: rule.name };

  const approve = policy.approve.find((r) => r.risk.includes(what.risk) && coversHost(r.hosts, what.host));
  if (!approve || approve.who.length === 0)
    return {
      kind: 'refuse',
      reason: `A ${what.risk} on ${what.host.name} needs an approval, and policy.yaml names nobody who may give it.`,
    };
  return {
    kind: 'ask',
    rule: what.risk === 'critical' ? { ...approve, people: Math.max(2, approve.people) } : approve,
  };
}

/** May this person vote under this rule? Askers of the run may not, unless the rule says so. */
export function mayVote(
  policy: Policy,
  ruleName: string,
  voter: Asker,
  requesters: readonly string[],
): { readonly ok: true } | { readonly ok: false; readonly reason: string } {
  const rule = policy.approve.find((r) => r.name === ruleName);
  if (!rule) return { ok: false, reason: `The approval rule ${ruleName} is no longer in policy.yaml.` };
  if (!matches(policy, rule.who, voter)) {
    const named = rule.who.length > 0 ? rule.who.join(', ') : 'nobody';
    return { ok: false, reason: `You are not among those who may decide this (${named}).` };
  }
  const person = personOf(policy, voter.account);
  const asked = requesters.some((account) => personOf(policy, account) === person);
  if (asked && !rule.requesterMay)
    return { ok: false, reason: 'You asked for this yourself, so somebody else has to decide.' };
  return { ok: true };
}

export function isIncidentChannel(policy: Policy, c: Conversation): boolean {
  return policy.incidentChannels.includes(`${c.platform}:${c.channel}`);
}
