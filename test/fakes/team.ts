/**
 * Bot and worker over fakes, as the composition root puts them together over the real things.
 */
import { createInbox } from '../../src/bot/inbox.ts';
import type { ApprovalRequest } from '../../src/core/approval.ts';
import type { Decision, Mention } from '../../src/core/conversation.ts';
import type { RunId } from '../../src/core/ids.ts';
import { type Budget, defaultBudget } from '../../src/core/policy.ts';
import type { Model, RunStore } from '../../src/core/ports.ts';
import { createAdvancer } from '../../src/worker/advance.ts';
import { type FixedClock, fixedClock } from './fixed-clock.ts';
import { recordingLogger } from './logger.ts';
import { memoryAudit } from './memory-audit.ts';
import { createMemoryRunQueue, type MemoryRunQueue } from './memory-run-queue.ts';
import { createMemoryRunStore } from './memory-run-store.ts';
import { teamPolicy } from './policy.ts';
import { plainText, type Room, recordingChat } from './recording-chat.ts';
import { owner, testSign, thread } from './requests.ts';
import { type ScriptedTools, scriptedTools } from './scripted-tools.ts';

/** What outlives a process: the store, the thread, the whitelist server, the clock. */
export interface World {
  readonly runs: Map<RunId, string>;
  readonly room: Room;
  readonly tools: ScriptedTools;
  readonly clock: FixedClock;
}

/** `approval` changes parts of each question to people. */
export function newWorld(approval: (now: number) => Partial<ApprovalRequest> = () => ({})): World {
  const clock = fixedClock();
  const tools = scriptedTools({
    now: clock.now,
    approval: () => ({
      rule: { name: 'own-change-here', approvers: ['owner'], people: 1, requesterMay: true },
      ...approval(clock.now()),
    }),
  });
  return { runs: new Map(), room: { posts: [], replies: [] }, tools, clock };
}

let processes = 0;

/** One process of bot and worker on that world. */
export function newTeam(
  world: World,
  model: Model,
  store: RunStore = createMemoryRunStore(world.runs),
  budget: Budget = defaultBudget,
) {
  const { clock, tools, room } = world;
  const queue: MemoryRunQueue = createMemoryRunQueue(clock);
  const audit = memoryAudit();
  const logger = recordingLogger();
  const chat = recordingChat(room);
  const advancer = createAdvancer({
    store,
    queue,
    model,
    tools,
    adapters: new Map([['console', chat]]),
    audit,
    clock,
    logger,
    budget: () => budget,
    name: `w${++processes}`,
  });
  const inbox = createInbox({
    store,
    queue,
    audit,
    clock,
    policy: () => teamPolicy,
    sign: testSign,
    commands: () => [],
    hosts: () => [],
    order: tools.order,
  });
  void queue.consume((id) => advancer.advance(id));
  void queue.onNudge((id) => advancer.nudged(id));

  const mention = (text: string, over: Partial<Mention> = {}): Mention => ({
    eventId: `ev-${text}`,
    conversation: thread,
    user: owner,
    groups: [],
    text,
    at: clock.now(),
    addressed: true,
    opensThread: true,
    ...over,
  });
  return {
    queue,
    audit,
    logger,
    chat,
    inbox,
    store,
    advancer,
    ask: (text: string, over: Partial<Mention> = {}) => inbox.mentioned(mention(text, over)),
    /** Presses the button of the only card that is open. */
    async decide(verdict: Decision['verdict'], reason?: string, over: Partial<Decision> = {}) {
      const card = room.posts.find((p) => p.view.kind === 'card' && p.view.verdict === 'pending');
      if (card?.view.kind !== 'card') throw new Error('no open card');
      return inbox.decided({
        eventId: `click-${verdict}`,
        approvalId: card.view.approvalId,
        verdict,
        digest: card.view.digest,
        ...(reason ? { reason } : {}),
        user: owner,
        groups: [],
        card: { conversation: thread, message: card.ref },
        at: clock.now(),
        ...over,
      });
    },
    /** What a person reads in the thread, a post a line. */
    reads: () => room.posts.map((p) => plainText(p.view)),
    status: () =>
      room.posts.flatMap((p) => (p.view.kind === 'segment' && p.view.status ? [p.view.status] : [])).at(-1),
  };
}
