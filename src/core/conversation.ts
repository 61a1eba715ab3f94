/**
 * Where people speak and who they are: the facts that a chat adapter reports and nothing of its payloads.
 */
import type { ApprovalId, RunId } from './ids.ts';

export type Platform = 'slack' | 'discord' | 'console';

/** Where a run speaks. `channel` and `thread` are the platform's own ids; one thread is one session. */
export interface Conversation {
  readonly platform: Platform;
  readonly channel: string;
  readonly thread: string;
}

/** Identity is platform + id; `name` is for people to read and never decides anything. */
export interface User {
  readonly platform: Platform;
  readonly id: string;
  readonly name: string;
}

/** A command asked for by name, with no model in between. Values are as the person typed them. */
export interface DirectCommand {
  readonly command: string;
  readonly params: Readonly<Record<string, string>>;
  readonly host?: string;
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

/** One press of a button, or the same said on the command line. */
export interface Decision {
  readonly eventId: string;
  readonly approvalId: ApprovalId;
  readonly verdict: 'approve' | 'deny';
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

export function conversationKey(c: Conversation): string {
  return [c.platform, c.channel, c.thread].map(encodeURIComponent).join('/');
}

export function sameConversation(a: Conversation, b: Conversation): boolean {
  return a.platform === b.platform && a.channel === b.channel && a.thread === b.thread;
}

/** `slack:U123`, the form that configuration and audit use. */
export function userKey(user: Pick<User, 'platform' | 'id'>): string {
  return `${user.platform}:${user.id}`;
}
