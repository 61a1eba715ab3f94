/**
 * The chat fake keeps the promises that real adapters keep.
 */
import type { Conversation, Decision, Mention, User } from '../../src/core/conversation.ts';
import { type AdapterHarness, chatAdapterContract, recordingInbox } from '../contract/chat-adapter.ts';
import { callId } from '../contract/views.ts';
import { buttonsOn, plainText, recordingChat } from './recording-chat.ts';

chatAdapterContract({
  name: 'the recording chat',
  create,
  cannot: {
    'text over the limit is cut at a line, with a visible note': 'it keeps everything, for tests to read',
    'control, bidi and invisible characters are shown escaped':
      'it shows to tests only, exactly what it was given',
    'what a host said before the question is marked as its words and cannot pass for ours':
      'it shows to tests only, exactly what it was given',
  },
});

async function create(): Promise<AdapterHarness> {
  const adapter = recordingChat();
  const inbox = recordingInbox();
  const thread: Conversation = { platform: 'console', channel: 'room', thread: 't0' };
  const person = (id: string): User => ({ platform: 'console', id, name: id });
  let last: Mention | undefined;
  let acknowledged = false;
  let said = 0;

  /** Delivers without waiting for the inbox, as a platform does. */
  async function deliver(work: Promise<boolean>): Promise<void> {
    acknowledged = false;
    work.then((taken) => {
      acknowledged = taken;
    });
  }

  return {
    adapter,
    inbox,
    thread,
    people: ['ada', 'grace'],
    start: () => adapter.start(inbox),
    another: () => recordingChat(adapter.room),
    async mention(text, { by = 'ada', inThread } = {}) {
      const eventId = `e${++said}`;
      const conversation = inThread ?? { ...thread, thread: eventId };
      const place = { conversation, addressed: true, opensThread: !inThread };
      last = { eventId, ...place, user: person(by), groups: [], text, at: said };
      await deliver(adapter.mention(last));
      return { eventId, conversation };
    },
    async say(text, { by = 'ada', inThread } = {}) {
      if (!inThread) return;
      const place = { conversation: inThread, addressed: false, opensThread: false };
      await deliver(
        adapter.mention({ eventId: `e${++said}`, ...place, user: person(by), groups: [], text, at: said }),
      );
    },
    async redeliver() {
      if (last) await deliver(adapter.mention(last));
    },
    async echoOwn() {},
    async click(to, key, label, by) {
      const post = adapter.room.posts.find((p) => p.key === key && p.to.thread === to.thread);
      if (
        !post ||
        !buttonsOn(post.view).some((b) => b === label || (label === 'Approve all' && b.startsWith(label)))
      )
        throw new Error(`no button ${label}`);
      const who = { user: person(by), groups: [] };
      if (label === 'Stop') return deliver(adapter.stopRun({ ...who, runId: post.view.runId }, to));
      if (label === 'Undo')
        return deliver(
          adapter.undo({ eventId: `e${++said}`, callId, host: 'web-1', ...who, conversation: to, at: said }),
        );
      if (post.view.kind !== 'card') throw new Error(`${key} is no card`);
      const { approvalId, digest, all } = post.view;
      const decision: Decision = {
        eventId: `e${++said}`,
        approvalId,
        verdict: label === 'Deny' ? 'deny' : 'approve',
        ...(label === 'Approve all' && all ? { digest: all.digest, scope: 'all' } : { digest }),
        ...(label === 'Approve + 15 min' ? { windowMinutes: 15 } : {}),
        ...(label === 'Approve + 60 min' ? { windowMinutes: 60 } : {}),
        ...(label === 'Deny' ? { reason: 'not now' } : {}),
        ...who,
        card: { conversation: to, message: post.ref },
        at: said,
      };
      await deliver(adapter.decide(decision));
    },
    async pressWithoutDigest(to, key, by) {
      const post = adapter.room.posts.find((p) => p.key === key && p.to.thread === to.thread);
      if (post?.view.kind !== 'card') throw new Error(`${key} is no card`);
      const { approvalId } = post.view;
      const card = { conversation: to, message: post.ref };
      const who = { user: person(by), groups: [] };
      const decision = {
        eventId: `e${++said}`,
        approvalId,
        verdict: 'approve',
        digest: '',
        ...who,
        card,
        at: said,
      } as const;
      await deliver(adapter.decide(decision));
    },
    async mangled() {},
    async seen(where) {
      const posts = adapter.room.posts
        .filter((p) => p.to.thread === where.thread)
        .map((p) => ({ text: plainText(p.view), buttons: buttonsOn(p.view) }));
      const replies = adapter.room.replies
        .filter((r) => r.to.thread === where.thread)
        .map(({ text, privateTo }) => ({ text, buttons: [], ...(privateTo ? { privateTo } : {}) }));
      return [...posts, ...replies];
    },
    async pinged() {
      return [];
    },
    acknowledged: () => acknowledged,
    fail(how) {
      adapter.down = how === 'down';
    },
    async close() {
      await adapter.stop();
    },
  };
}
