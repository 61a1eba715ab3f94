/**
 * The suite that every chat adapter passes, against the real SDK and an in-process twin of its platform.
 * An adapter that cannot do a case lists it by name with the reason; a listed case that passes fails the run.
 */
import { afterEach, beforeEach, describe, it } from 'vitest';
import type {
  Conversation,
  Decision,
  Mention,
  StopRequest,
  UndoRequest,
} from '../../src/core/conversation.ts';
import type { ChatAdapter, Decided, Inbox, Outsider, Received } from '../../src/core/ports.ts';
import { decidingCases } from './chat-adapter-deciding.ts';
import { hearingCases } from './chat-adapter-hearing.ts';
import { showingCases } from './chat-adapter-showing.ts';
import { runId } from './views.ts';

const cases = { ...hearingCases, ...decidingCases, ...showingCases };
type CaseName = keyof typeof cases;

/** A message as a person reads it on the platform, normalised over platforms. */
export interface SeenMessage {
  /** All visible text, without markup the platform would not show. */
  readonly text: string;
  /** Labels of the buttons that can be pressed. */
  readonly buttons: readonly string[];
  /** The user id when only one person sees it. */
  readonly privateTo?: string;
}

/** What the buttons are for; on a platform "Approve all" says how many, and "Undo" may say where. */
export type ButtonName =
  | 'Approve'
  | 'Deny'
  | 'Approve all'
  | 'Approve + 15 min'
  | 'Approve + 60 min'
  | 'Undo'
  | 'Stop';

/** Inbox double: keeps what arrived and answers as told. `hold()` makes it wait until released. */
export interface RecordingInbox extends Inbox {
  readonly mentions: Mention[];
  readonly decisions: Decision[];
  readonly stops: StopRequest[];
  readonly undos: UndoRequest[];
  readonly outsiders: Outsider[];
  answerMention: (m: Mention) => Promise<Received>;
  answerDecision: (d: Decision) => Promise<Decided>;
  answerStop: (s: StopRequest) => Promise<Received>;
  answerUndo: (u: UndoRequest) => Promise<Received>;
  /** Makes every answer wait until the returned function is called. */
  hold(): () => void;
}

/** What an adapter's own test file provides to the suite. */
export interface AdapterHarness {
  readonly adapter: ChatAdapter;
  readonly inbox: RecordingInbox;
  /** Two members who may speak, in the platform's form of an id; the first is who speaks when nobody is named. */
  readonly people: readonly [string, string];
  /** A thread that is there before the adapter starts, in which the bot may speak. */
  readonly thread: Conversation;
  /** Starts the adapter with the inbox (not done by `create`). */
  start(): Promise<void>;
  /** A second process's adapter on the same platform (a worker: never started). */
  another(): ChatAdapter;
  /**
   * A person addresses the bot in a channel (no thread) or in the given thread. Resolves once the platform has sent
   * it, whether or not anybody listens or answers, with the event id and the conversation to be reported.
   */
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
  /**
   * A person presses the button with this label on the message that shows `key` (rejects when there is none), and
   * goes through what the platform asks next: a form for the reason of a Deny gets "not now".
   */
  click(to: Conversation, key: string, label: ButtonName, by: string): Promise<void>;
  /** A press of the card's Approve as it comes from a card that was posted before buttons carried a digest. */
  pressWithoutDigest(to: Conversation, key: string, by: string): Promise<void>;
  /** A payload that is not well formed, in the platform's envelope. */
  mangled(): Promise<void>;
  /** What everybody (and each private reader) sees in the conversation, in order. */
  seen(where: Conversation): Promise<readonly SeenMessage[]>;
  /** True when the platform got its acknowledgement of the last delivered event. */
  acknowledged(): boolean;
  /** Everyone whom the bot's messages so far have notified by a mention, of any form: people, groups, channels. */
  pinged(): Promise<readonly string[]>;
  /**
   * `rate-limited`: the platform refuses the next write once with its shortest wait, then answers again.
   * `down`: it answers nothing useful until `up`.
   */
  fail(how: 'rate-limited' | 'down' | 'up'): void;
  close(): Promise<void>;
}

export interface ChatAdapterSuite {
  readonly name: string;
  readonly create: () => Promise<AdapterHarness>;
  /** Cases the platform cannot do, each with the reason. */
  readonly cannot?: Partial<Record<CaseName, string>>;
}

/** Declares the suite for one adapter. */
export function chatAdapterContract({ name, create, cannot = {} }: ChatAdapterSuite): void {
  describe(`${name} as a chat adapter`, () => {
    let harness: AdapterHarness;
    beforeEach(async () => {
      harness = await create();
    });
    afterEach(() => harness.close());

    for (const [title, check] of Object.entries(cases)) {
      const reason = cannot[title as CaseName];
      if (reason === undefined) it(title, { timeout: 20_000 }, () => check(harness));
      else it.fails(`${title} (cannot: ${reason})`, { timeout: 20_000 }, () => check(harness));
    }
  });
}

/** An inbox that accepts everything until told otherwise. */
export function recordingInbox(): RecordingInbox {
  let gate = Promise.resolve();
  const inbox: RecordingInbox = {
    mentions: [],
    decisions: [],
    stops: [],
    undos: [],
    outsiders: [],
    answerMention: async () => ({ kind: 'accepted', runId }),
    answerDecision: async () => ({ kind: 'counted', text: 'Approved.' }),
    answerStop: async () => ({ kind: 'answered', text: 'Stopping.' }),
    answerUndo: async () => ({ kind: 'accepted', runId }),
    hold() {
      let release = () => {};
      gate = new Promise((resolve) => {
        release = resolve;
      });
      return () => release();
    },
    async mentioned(mention) {
      inbox.mentions.push(mention);
      await gate;
      return inbox.answerMention(mention);
    },
    async decided(decision) {
      inbox.decisions.push(decision);
      await gate;
      return inbox.answerDecision(decision);
    },
    async stopped(stop) {
      inbox.stops.push(stop);
      await gate;
      return inbox.answerStop(stop);
    },
    async undone(undo) {
      inbox.undos.push(undo);
      await gate;
      return inbox.answerUndo(undo);
    },
    async refused(outsider) {
      inbox.outsiders.push(outsider);
    },
  };
  return inbox;
}
