/**
 * policy.yaml as data, and who an event's person is in it. Default deny; an empty list is nobody. What may be asked
 * is answered in policy-decision.ts, whose vote counts in policy-votes.ts.
 */
import type { CommandSpec, Host, Risk } from './command.ts';
import type { Conversation, User } from './conversation.ts';
import { userKey } from './conversation.ts';

/** `who` entries are a person's name, a group's name, or an account `platform:id`. Never changed once made. */
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
  readonly quotas?: readonly Quota[];
  /** undefined: `defaultBudget`. */
  readonly budget?: Budget;
  /** Who is told, with help and status, that an edit of policy.yaml was not taken. */
  readonly admins?: readonly string[];
  /** Where people are asked about what MCP clients want; undefined: in the console. */
  readonly clientsIn?: Conversation;
}

/** Which commands a rule is about. With neither list: every command; with both: those of either. */
export interface CommandScope {
  readonly commands?: readonly string[];
  readonly categories?: readonly string[];
}

/** A rule that names roles is one of these for each role, all under its name. */
export interface AskRule extends CommandScope {
  readonly name: string;
  readonly role?: string;
  readonly who: readonly string[];
  readonly risk: readonly Risk[];
  /** Host names, `@tag`, or `all`. */
  readonly hosts: readonly string[];
  /** `console`, `slack:C1`, `discord:1`; undefined for everywhere. */
  readonly channels?: readonly string[];
}

export interface ApproveRule extends CommandScope {
  readonly name: string;
  readonly risk: readonly Risk[];
  readonly hosts: readonly string[];
  /** Everybody whose vote counts; with `each`, all of its groups together. */
  readonly who: readonly string[];
  /** How many different people must approve. */
  readonly people: number;
  /** So many of each, every person in one place only. */
  readonly each?: readonly { readonly who: readonly string[]; readonly people: number }[];
  readonly requesterMay: boolean;
  readonly waitSeconds: number;
  /** When those who may decide are reminded, counted from the question. */
  readonly reminderSeconds?: number;
}

/** So many runs a day (UTC) for each person: of each command by itself, or of all it covers together. */
export interface Quota extends CommandScope {
  readonly name: string;
  /** undefined: everybody. */
  readonly who?: readonly string[];
  /** undefined: every risk. */
  readonly risk?: readonly Risk[];
  readonly perDay: number;
  readonly together: boolean;
}

/** What one run may use up before it is stopped. */
export interface Budget {
  /** Turns of the model. */
  readonly turns: number;
  /** Tool calls. */
  readonly calls: number;
  readonly hosts: number;
  /** Time at work; waiting for people does not count. */
  readonly seconds: number;
  /** Tokens in and out, cached ones too. */
  readonly tokens: number;
  /** Questions to people that are open at one time. */
  readonly openApprovals: number;
  /** How often exactly the same call may be made. */
  readonly repeats: number;
}

export const defaultBudget: Budget = {
  turns: 30,
  calls: 100,
  hosts: 200,
  seconds: 7_200,
  tokens: 3_000_000,
  openApprovals: 5,
  repeats: 5,
};

export const noPolicy: Policy = { people: [], groups: [], ask: [], approve: [], incidentChannels: [] };

/** Somebody as one event shows them: `slack:U1`, `mcp`, and the platform's groups at that moment. */
export interface Asker {
  readonly account: string;
  readonly groups: readonly string[];
}

/** What of a command the policy looks at. */
export interface AskedCommand extends Pick<CommandSpec, 'name' | 'category' | 'risk'> {
  /** The approval rule that the catalogue wants for it, by name, whatever its risk. */
  readonly approval?: string;
  /** The read-only command that shows what this one changes. */
  readonly probe?: string;
  /** Where the catalogue lets it run: host names or `@tag`; none means everywhere. */
  readonly hosts?: readonly string[];
  readonly params?: readonly { readonly name: string }[];
}

export type HostName = Pick<Host, 'name' | 'tags'>;

export function askerOf(user: User, groups: readonly string[]): Asker {
  return { account: userKey(user), groups: groups.map((g) => `${user.platform}:${g}`) };
}

/** One word for one human over all their accounts: the person's name, else the account itself. */
export function personOf(policy: Policy, account: string): string {
  return namesIn(policy).person.get(account) ?? account;
}

/** Is this somebody whom the list names, by account, person or group? */
export function isAmong(policy: Policy, who: readonly string[], asker: Asker): boolean {
  const names = namesIn(policy);
  const person = names.person.get(asker.account) ?? asker.account;
  const groups = names.groupsOf.get(person);
  return who.some(
    (entry) =>
      entry === asker.account ||
      (entry === anyClient && asker.account.startsWith(`${anyClient}:`)) ||
      entry === person ||
      groups?.has(entry) ||
      asker.groups.some((id) => names.groupsBy.get(id)?.has(entry)),
  );
}

/** Every MCP client without a signed request; one with a token of its own is `mcp:NAME`. */
const anyClient = 'mcp';

interface Names {
  /** account → person */
  readonly person: ReadonlyMap<string, string>;
  /** person → groups that list them */
  readonly groupsOf: ReadonlyMap<string, ReadonlySet<string>>;
  /** platform group → our groups made of it */
  readonly groupsBy: ReadonlyMap<string, ReadonlySet<string>>;
}

const known = new WeakMap<Policy, Names>();

/** Looked up once for each policy: with hundreds of people a search at every question would be most of its cost. */
function namesIn(policy: Policy): Names {
  const found = known.get(policy);
  if (found) return found;
  const person = new Map<string, string>();
  // The first person who lists an account has it, as in a search from the top.
  for (const p of policy.people.toReversed()) for (const account of p.accounts) person.set(account, p.name);
  const groupsOf = new Map<string, Set<string>>();
  const groupsBy = new Map<string, Set<string>>();
  for (const group of policy.groups) {
    for (const name of group.people) addTo(groupsOf, name, group.name);
    for (const id of group.platformGroups) addTo(groupsBy, id, group.name);
  }
  const names = { person, groupsOf, groupsBy };
  known.set(policy, names);
  return names;
}

function addTo(sets: Map<string, Set<string>>, key: string, value: string): void {
  const set = sets.get(key);
  if (set) set.add(value);
  else sets.set(key, new Set([value]));
}

export function coversHost(hosts: readonly string[], host: HostName): boolean {
  return hosts.some(
    (h) => h === 'all' || h === host.name || (h.startsWith('@') && host.tags.includes(h.slice(1))),
  );
}

export function coversChannel(
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

export function coversCommand(
  { commands, categories }: CommandScope,
  command: { readonly name: string; readonly category: string },
): boolean {
  if (commands === undefined && categories === undefined) return true;
  return Boolean(commands?.includes(command.name) || categories?.includes(command.category));
}

/** May this person ask anything at all in this place? */
export function mayTalk(policy: Policy, asker: Asker, conversation: Conversation | undefined): boolean {
  return policy.ask.some((r) => coversChannel(r.channels, conversation) && isAmong(policy, r.who, asker));
}

export function isAdmin(policy: Policy, asker: Asker): boolean {
  return isAmong(policy, policy.admins ?? [], asker);
}

export function isIncidentChannel(policy: Policy, c: Conversation): boolean {
  return policy.incidentChannels.includes(`${c.platform}:${c.channel}`);
}
