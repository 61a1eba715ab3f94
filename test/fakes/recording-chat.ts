/**
 * A chat platform in memory: a ChatAdapter for flow tests that keeps every post, and lets tests speak and click as
 * people do. It passes the chat adapter contract; what a message says is its view as plain text.
 */
import type { Conversation, Decision, Mention, StopRequest } from '../../src/core/conversation.ts';
import { OpsError, problemOf, problemText } from '../../src/core/errors.ts';
import type { ChatAdapter, Inbox } from '../../src/core/ports.ts';
import type { View } from '../../src/core/view.ts';

/** One message as it stands; `edits` counts how often it was replaced. */
interface RecordedPost {
  readonly to: Conversation;
  readonly key: string;
  readonly ref: string;
  view: View;
  edits: number;
}

/** What was said beside the posts: an answer in the thread, or something to one person alone. */
interface RecordedReply {
  readonly to: Conversation;
  readonly text: string;
  readonly privateTo?: string;
}

/** The room is what several adapters of one platform share. */
export interface Room {
  readonly posts: RecordedPost[];
  readonly replies: RecordedReply[];
}

export interface RecordingChat extends ChatAdapter {
  readonly room: Room;
  /** While true, every post and edit fails with `chat-unavailable`. */
  down: boolean;
  /** A person speaks, clicks or stops; true when the inbox took it, false when nobody listens or it was not kept. */
  mention(mention: Mention): Promise<boolean>;
  decide(decision: Decision): Promise<boolean>;
  stopRun(stop: StopRequest, at: Conversation): Promise<boolean>;
}

export function recordingChat(room: Room = { posts: [], replies: [] }): RecordingChat {
  let inbox: Inbox | undefined;
  const check = () => {
    if (chat.down) throw new OpsError('chat-unavailable', 'The chat cannot be reached.');
  };

  async function bring(
    to: Conversation,
    who: string,
    work: (inbox: Inbox) => Promise<void>,
  ): Promise<boolean> {
    if (!inbox) return false;
    try {
      await work(inbox);
      return true;
    } catch (error) {
      room.replies.push({ to, text: problemText(problemOf(error)), privateTo: who });
      return false;
    }
  }

  function reply(to: Conversation, who: string, received: { kind: string; text?: string }): void {
    if (received.text === undefined || received.kind === 'counted') return;
    const open = received.kind === 'answered';
    room.replies.push({ to, text: received.text, ...(open ? {} : { privateTo: who }) });
  }

  const chat: RecordingChat = {
    platform: 'console',
    editEveryMs: 0,
    room,
    down: false,
    async start(given) {
      inbox = given;
    },
    async stop() {
      inbox = undefined;
    },
    async post(to, key, view) {
      check();
      const known = room.posts.find((p) => p.key === key && p.to.thread === to.thread);
      if (known) {
        Object.assign(known, { view, edits: known.edits + 1 });
        return known.ref;
      }
      const ref = `m${room.posts.length + 1}`;
      room.posts.push({ to, key, ref, view, edits: 0 });
      return ref;
    },
    async edit(to, _key, ref, view) {
      check();
      const post = room.posts.find((p) => p.ref === ref && p.to.thread === to.thread);
      if (!post) throw new OpsError('chat-unavailable', `There is no message ${ref}.`);
      Object.assign(post, { view, edits: post.edits + 1 });
    },
    mention: (m) =>
      bring(m.conversation, m.user.id, async (i) => reply(m.conversation, m.user.id, await i.mentioned(m))),
    decide: (d) => {
      if (!d.card) throw new TypeError('a click needs its card');
      const at = d.card.conversation;
      return bring(at, d.user.id, async (i) => reply(at, d.user.id, await i.decided(d)));
    },
    stopRun: (s, at) => bring(at, s.user.id, async (i) => reply(at, s.user.id, await i.stopped(s))),
  };
  return chat;
}

/** A view as a person would read it, one part a line. */
export function plainText(view: View): string {
  if (view.kind === 'segment')
    return view.parts
      .map((part) => {
        if (part.kind === 'text') return part.markdown;
        return part.kind === 'call' ? `${part.call.title}: ${part.call.outcome}` : part.text;
      })
      .join('\n');
  const { subject, verdict } = view;
  return [
    `${verdict.slice(0, 1).toUpperCase()}${verdict.slice(1)} ${view.decidedBy?.name ?? ''}`,
    `${subject.line} on ${subject.host} (${subject.address}) as ${subject.login}`,
    `asked by ${view.requestedBy.name}: ${view.agentReason ?? ''}`,
    `${view.digestPrefix} ${view.denyReason ?? ''} ${view.outcome ?? ''}`,
  ].join('\n');
}

export function buttonsOn(view: View): readonly string[] {
  if (view.kind === 'card') return view.verdict === 'pending' ? ['Approve', 'Deny'] : [];
  return view.stoppable ? ['Stop'] : [];
}
