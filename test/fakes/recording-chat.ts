/**
 * A chat platform in memory: a ChatAdapter for flow tests that keeps every post, and lets tests speak and click as
 * people do. It passes the chat adapter contract; what a message says is its view as plain text.
 */
import type {
  Conversation,
  Decision,
  Mention,
  StopRequest,
  UndoRequest,
} from '../../src/core/conversation.ts';
import { OpsError, problemOf, problemText } from '../../src/core/errors.ts';
import type { ChatAdapter, Decided, Inbox, Received } from '../../src/core/ports.ts';
import type { CallView, View } from '../../src/core/view.ts';

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
  undo(undo: UndoRequest): Promise<boolean>;
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

  function reply(to: Conversation, who: string, received: Received | Decided): void {
    if (!('text' in received) || received.kind === 'counted') return;
    const open = received.kind === 'answered' && !received.privately;
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
    undo: (u) =>
      bring(u.conversation, u.user.id, async (i) => reply(u.conversation, u.user.id, await i.undone(u))),
  };
  return chat;
}

/** A view as a person would read it, one part a line. */
export function plainText(view: View): string {
  if (view.kind === 'segment')
    return view.parts
      .map((part) => {
        if (part.kind === 'text') return part.markdown;
        return part.kind === 'call' ? callText(part.call) : part.text;
      })
      .join('\n');
  const { subject, verdict } = view;
  const { targets, state = [] } = subject;
  const window = view.windowMinutes ? `allowed for ${view.windowMinutes} min, until you say revoke` : '';
  return [
    `${verdict.slice(0, 1).toUpperCase()}${verdict.slice(1)} ${view.decidedBy?.name ?? ''}`,
    `${subject.line} (${subject.risk}) on ${targets.length} hosts`,
    ...targets.map((t) => `${t.host} (${t.address}) as ${t.login}, ${t.hostKey}`),
    ...state.map((s) => `state now, as ${s.host} says, ${s.line}: ${s.text}`),
    `asked by ${view.requestedBy.name}: ${view.agentReason ?? ''}`,
    `approved by ${view.approvals.map((u) => u.name).join(', ')}, needs ${view.missing ?? 'nobody'}`,
    `${view.digestPrefix}, show approval ${view.approvalId}`,
    `${view.denyReason ?? ''} ${window} ${view.outcome ?? ''}`,
  ].join('\n');
}

function callText(call: CallView): string {
  const after = call.ran.flatMap(({ host, probe, allowedBy }) => [
    ...(allowedBy ? [`${host}: allowed by ${allowedBy}`] : []),
    ...(probe?.before === probe?.after ? [] : [`${host} Before: ${probe?.before ?? 'not looked at'}`]),
    ...(probe ? [`${host} After: ${probe.after}${probe.before === probe.after ? ' (unchanged)' : ''}`] : []),
  ]);
  return [`${call.title}: ${call.outcome}`, ...after].join('\n');
}

export function buttonsOn(view: View): readonly string[] {
  if (view.kind === 'card') {
    if (view.verdict !== 'pending') return [];
    const windows = view.mayOpenWindow ? ['Approve + 15 min', 'Approve + 60 min'] : [];
    return ['Approve', 'Deny', ...(view.all ? [`Approve all ${view.all.count}`] : []), ...windows];
  }
  const ran = view.parts.flatMap((p) => (p.kind === 'call' ? p.call.ran : []));
  return [...(ran.some((r) => r.undo) ? ['Undo'] : []), ...(view.stoppable ? ['Stop'] : [])];
}
