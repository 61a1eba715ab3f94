/**
 * Where people speak and who they are: the facts that a chat adapter reports and nothing of its payloads.
 */
import type { ApprovalId, CallId, RunId } from './ids.ts';

export type Platform = 'slack' | 'discord' | 'console';

/** Where a run speaks. `channel` and `thread` are the platform's own ids; one thread is one session. */
export interface Conversation {
  readonly platform: Platform;
  readonly channel: string;
  readonly thread: string;
}

/**
 * Identity is platform + id; `name` is for people to read and never decides anything. `mcp` is a client of the whitelist
 * server that asked in nobody's name: it may ask where the policy says so, and never decides or orders anything.
 */
export interface User {
  readonly platform: Platform | 'mcp';
  readonly id: string;
  readonly name: string;
}

/** A command asked for by name, with no model in between. Values are as the person typed them. */
export interface DirectCommand {
  readonly command: string;
  readonly params: Readonly<Record<string, string>>;
  readonly host?: string;
  /** Why, in the words of the program that asked. */
  readonly reason?: string;
}

/** One request. `eventId` is the platform's own, so that a redelivery is known. */
export interface Mention {
  readonly eventId: string;
  readonly conversation: Conversation;
  readonly user: User;
  /** Platform groups the person is in now, as the event tells: Discord role ids, Slack usergroup ids. */
  readonly groups: readonly string[];
  readonly text: string;
  readonly at: number;
  /** False for plain talk in a thread: whether it is meant for us is the inbox's to decide. */
  readonly addressed: boolean;
  /** True when this mention starts the thread, which makes the thread ours. */
  readonly opensThread: boolean;
  readonly direct?: DirectCommand;
}

/** How long a window lasts that is opened with an approval. */
export type WindowMinutes = 15 | 60;

/** One press of a button, or the same said on the command line. */
export interface Decision {
  readonly eventId: string;
  readonly approvalId: ApprovalId;
  readonly verdict: 'approve' | 'deny';
  /** What the pressed card showed: the beginning of its digest, for `all` of the digest over all open ones. */
  readonly digest: string;
  /** `all`: every open approval of the run, as the cards showed them. */
  readonly scope?: 'all';
  readonly windowMinutes?: WindowMinutes;
  readonly reason?: string;
  readonly user: User;
  readonly groups: readonly string[];
  /** Where the button stood; undefined on the command line, which shows the card from the store. */
  readonly card?: { readonly conversation: Conversation; readonly message: string };
  readonly at: number;
}

/** A press of the Stop button. */
export interface StopRequest {
  readonly runId: RunId;
  readonly user: User;
  readonly groups: readonly string[];
}

/** A press of the Undo button: asks for the command that reverses what a call did, as a request of its own. */
export interface UndoRequest {
  readonly eventId: string;
  readonly callId: CallId;
  /** Which of the call's results, by host. */
  readonly host: string;
  readonly user: User;
  readonly groups: readonly string[];
  readonly conversation: Conversation;
  readonly at: number;
}

export function conversationKey(c: Conversation): string {
  return [c.platform, c.channel, c.thread].map(encodeURIComponent).join('/');
}

export function sameConversation(a: Conversation, b: Conversation): boolean {
  return a.platform === b.platform && a.channel === b.channel && a.thread === b.thread;
}

/** The id of an MCP client without a name of its own; no name of a token looks like it. */
export const unnamedClient = '-';

/** `slack:U123`, the form that configuration and audit use; `mcp` alone is a client without a name. */
export function userKey({ platform, id }: Pick<User, 'platform' | 'id'>): string {
  return platform === 'mcp' && id === unnamedClient ? platform : `${platform}:${id}`;
}
