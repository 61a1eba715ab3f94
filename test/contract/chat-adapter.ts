/**
 * The suite that every chat adapter passes, against the real SDK and an in-process twin of its platform.
 * An adapter that cannot do a case lists it by name with the reason; a listed case that passes fails the run.
 */

import type { Conversation, Decision, Mention, StopRequest } from '../../src/core/conversation.ts';
import type { ChatAdapter, Decided, Inbox, Received } from '../../src/core/ports.ts';

/** A message as a person reads it on the platform, normalised over platforms. */
export interface SeenMessage {
  /** All visible text, without markup the platform would not show. */
  readonly text: string;
  /** Labels of the buttons that can be pressed. */
  readonly buttons: readonly string[];
  /** The user id when only one person sees it. */
  readonly privateTo?: string;
}

/** Inbox double: keeps what arrived and answers as told. `hold()` makes it wait until released. */
export interface RecordingInbox extends Inbox {
  readonly mentions: Mention[];
  readonly decisions: Decision[];
  readonly stops: StopRequest[];
  answerMention: (m: Mention) => Promise<Received>;
  answerDecision: (d: Decision) => Promise<Decided>;
}

/** What an adapter's own test file provides to the suite. */
export interface AdapterHarness {
  readonly adapter: ChatAdapter;
  readonly inbox: RecordingInbox;
  /** Starts the adapter with the inbox (not done by `create`). */
  start(): Promise<void>;
  /** A person addresses the bot in a channel (no thread) or in the given thread; resolves once delivered. Returns the event id and the conversation the adapter should report. */
  mention(
    text: string,
    opts?: { by?: string; inThread?: Conversation },
  ): Promise<{ eventId: string; conversation: Conversation }>;
  /** Plain talk that does not address the bot. */
  say(text: string, opts?: { by?: string; inThread?: Conversation }): Promise<void>;
  /** Delivers the last mention once more with the same platform event id. */
  redeliver(): Promise<void>;
  /** The bot's own message comes back as an event. */
  echoOwn(text: string): Promise<void>;
  /** A person presses the button with this label on the message that shows `key`. */
  click(to: Conversation, key: string, label: 'Approve' | 'Deny' | 'Stop', by: string): Promise<void>;
  /** A payload that is not well formed, in the platform's envelope. */
  mangled(): Promise<void>;
  /** What everybody (and each private reader) sees in the conversation, in order. */
  seen(where: Conversation): Promise<readonly SeenMessage[]>;
  /** True when the platform got its acknowledgement of the last delivered event. */
  acknowledged(): boolean;
  fail(how: 'rate-limited' | 'down' | 'up'): void;
  close(): Promise<void>;
}
