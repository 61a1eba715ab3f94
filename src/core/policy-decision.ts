/**
 * The one answer to "may they?": allow, ask people first, or refuse, with the rule that decided, who could instead,
 * and the nearest command that would be allowed. Pure; asked at the event and again before anything runs.
 */
import type { Conversation } from './conversation.ts';
import {
  type ApproveRule,
  type AskedCommand,
  type Asker,
  type AskRule,
  coversChannel,
  coversCommand,
  coversHost,
  type HostName,
  isAmong,
  type Policy,
  personOf,
} from './policy.ts';
import { nearestRead } from './policy-nearest.ts';

export interface Asked {
  readonly command: AskedCommand;
  readonly host: HostName;
  readonly conversation: Conversation | undefined;
}

export type PolicyDecision =
  | { readonly kind: 'allow'; readonly rule: string }
  /** `asked` let them ask for it; `rule` says who must approve. */
  | {
      readonly kind: 'ask';
      readonly asked: string;
      readonly rule: ApproveRule;
      readonly whoCould: readonly string[];
    }
  | Refusal;

export interface Refusal {
  readonly kind: 'refuse';
  /** The rule that came nearest and did not reach, or `default-deny` where none is about them. */
  readonly rule: string;
  /** For people: what is missing, who has it, and what may be run instead. */
  readonly reason: string;
  /** Names from policy.yaml of those who could ask for it here, or would have to approve it. */
  readonly whoCould: readonly string[];
  /** A read-only command that shows the same and is allowed to them here. */
  readonly nearest?: string;
}

const defaultDeny = 'default-deny';

/** Every asker must have the right. `catalogue` is where the nearest allowed command is looked for. */
export function decide(
  policy: Policy,
  askers: readonly Asker[],
  asked: Asked,
  catalogue: readonly AskedCommand[] = [],
): PolicyDecision {
  const { command, host } = asked;
  let rule: AskRule | undefined;
  for (const asker of askers) {
    const found = policy.ask.find((r) => reaches(r, asked) && isAmong(policy, r.who, asker));
    if (!found) return refuseAsker(policy, askers, asker, asked, catalogue);
    rule ??= found;
  }
  if (!rule) return { kind: 'refuse', rule: defaultDeny, reason: 'Nobody asks for this.', whoCould: [] };
  if (command.risk === 'read' && command.approval === undefined) return { kind: 'allow', rule: rule.name };

  const approve = approveRuleFor(policy, asked);
  if (approve && approve.who.length > 0)
    return { kind: 'ask', asked: rule.name, rule: approve, whoCould: approve.who };
  const why =
    command.approval === undefined || approve
      ? `A ${command.risk} on ${host.name} needs an approval, and policy.yaml names nobody who may give it.`
      : `${command.name} needs an approval under the rule ${command.approval}, which does not cover ${host.name}.`;
  return refusal(policy, askers, asked, catalogue, {
    rule: approve?.name ?? command.approval ?? defaultDeny,
    why: [why],
    whoCould: [],
  });
}

/** The commands that this is not refused for, on at least one of the hosts. */
export function commandsFor<Command extends AskedCommand>(
  policy: Policy,
  askers: readonly Asker[],
  conversation: Conversation | undefined,
  catalogue: readonly Command[],
  hosts: readonly HostName[],
): readonly Command[] {
  const rules = rulesOf(policy, askers);
  return catalogue.filter((command) =>
    hosts.some(
      (host) => inScope(command, host) && mayAsk(policy, rules, { command, host, conversation }) !== 'refuse',
    ),
  );
}

/** Host names or `@tag` in the command; none means every host. */
export function inScope({ hosts }: { readonly hosts?: readonly string[] }, host: HostName): boolean {
  return hosts === undefined || hosts.length === 0 || coversHost(hosts, host);
}

/** The verdict without its reasons, by the rules that each asker has. */
function mayAsk(
  policy: Policy,
  rules: readonly (readonly AskRule[])[],
  asked: Asked,
): PolicyDecision['kind'] {
  if (rules.length === 0 || !rules.every((own) => own.some((r) => reaches(r, asked)))) return 'refuse';
  if (asked.command.risk === 'read' && asked.command.approval === undefined) return 'allow';
  const approve = approveRuleFor(policy, asked);
  return approve && approve.who.length > 0 ? 'ask' : 'refuse';
}

/** The rules that are about each asker, whatever they let them do. */
function rulesOf(policy: Policy, askers: readonly Asker[]): readonly (readonly AskRule[])[] {
  return askers.map((asker) => policy.ask.filter((r) => isAmong(policy, r.who, asker)));
}

/** The rule that the command names, else the first that covers risk, host and command; as strict as the risk wants. */
function approveRuleFor(policy: Policy, { command, host }: Asked): ApproveRule | undefined {
  const { approval, risk } = command;
  const named = approval === undefined ? undefined : policy.approve.find((r) => r.name === approval);
  const covers = (r: ApproveRule) =>
    (r.risk.includes(risk) || (r === named && risk === 'read')) &&
    coversHost(r.hosts, host) &&
    coversCommand(r, command);
  const rule = approval === undefined ? policy.approve.find(covers) : named;
  if (!rule || !covers(rule)) return undefined;
  const seats = rule.each?.reduce((sum, e) => sum + e.people, 0) ?? 0;
  const people = Math.max(rule.people, seats, risk === 'critical' ? 2 : 1);
  return {
    ...rule,
    people,
    // Whoever asks for something critical never decides on it, whatever a rule says.
    requesterMay: rule.requesterMay && risk !== 'critical',
  };
}

type Dimension = 'risk' | 'host' | 'channel' | 'command';

/** Is this rule about it, whoever asks? */
function reaches(rule: AskRule, { command, host, conversation }: Asked): boolean {
  return (
    rule.risk.includes(command.risk) &&
    coversCommand(rule, command) &&
    coversChannel(rule.channels, conversation) &&
    coversHost(rule.hosts, host)
  );
}

function misses(rule: AskRule, { command, host, conversation }: Asked): readonly Dimension[] {
  const found: Dimension[] = [];
  if (!rule.risk.includes(command.risk)) found.push('risk');
  if (!coversCommand(rule, command)) found.push('command');
  if (!coversHost(rule.hosts, host)) found.push('host');
  if (!coversChannel(rule.channels, conversation)) found.push('channel');
  return found;
}

function refuseAsker(
  policy: Policy,
  askers: readonly Asker[],
  without: Asker,
  asked: Asked,
  catalogue: readonly AskedCommand[],
): Refusal {
  const { command, host } = asked;
  const [near] = policy.ask
    .filter((r) => isAmong(policy, r.who, without))
    .map((rule) => ({ rule, by: misses(rule, asked) }))
    .sort((a, b) => farness(a.by) - farness(b.by));
  const who = personOf(policy, without.account);
  const why = [
    `No rule lets ${who} ask for a ${command.risk} on ${host.name} here.`,
    ...(near ? [`${near.rule.name} ${near.by.map((d) => limitOf(near.rule, d, asked)).join(', ')}.`] : []),
  ];
  const others = policy.ask.filter((r) => reaches(r, asked)).flatMap((r) => r.who);
  return refusal(policy, askers, asked, catalogue, {
    rule: near?.rule.name ?? defaultDeny,
    why,
    whoCould: [...new Set(others)],
  });
}

/** Another host or channel is nearer than another kind of command. */
function farness(by: readonly Dimension[]): number {
  return by.reduce((sum, d) => sum + (d === 'host' || d === 'channel' ? 1 : 2), 0);
}

function limitOf(rule: AskRule, dimension: Dimension, { command, host }: Asked): string {
  switch (dimension) {
    case 'risk':
      return `is for ${listOf(rule.risk)}, not ${command.risk}`;
    case 'host':
      return `is for the hosts ${listOf(rule.hosts)}, not ${host.name}`;
    case 'channel':
      return `holds in ${listOf(rule.channels ?? [])}, not here`;
    case 'command':
      return `does not name ${command.name}`;
    default:
      return dimension satisfies never;
  }
}

const listOf = (words: readonly string[]) => (words.length > 0 ? words.join(', ') : 'nothing');

function refusal(
  policy: Policy,
  askers: readonly Asker[],
  asked: Asked,
  catalogue: readonly AskedCommand[],
  found: { readonly rule: string; readonly why: readonly string[]; readonly whoCould: readonly string[] },
): Refusal {
  const rules = rulesOf(policy, askers);
  const nearest = nearestRead(
    asked.command,
    catalogue,
    (command) => inScope(command, asked.host) && mayAsk(policy, rules, { ...asked, command }) === 'allow',
  );
  const reason = [
    ...found.why,
    ...(found.whoCould.length > 0 ? [`Could ask for it: ${found.whoCould.join(', ')}.`] : []),
    ...(nearest ? [`Allowed here: ${nearest}.`] : []),
  ].join(' ');
  return {
    kind: 'refuse',
    rule: found.rule,
    reason,
    whoCould: found.whoCould,
    ...(nearest ? { nearest } : {}),
  };
}
