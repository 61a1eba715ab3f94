/**
 * The one worker function: brings a run as far as it can go and returns. A pause is this returning; a resume is
 * another call. It may be called late, twice or after a crash at any point, and does the right thing each time.
 */
import { reminderDue } from '../core/approval.ts';
import { type Conversation, conversationKey } from '../core/conversation.ts';
import { OpsError, problemOf, problemText } from '../core/errors.ts';
import type { RunId } from '../core/ids.ts';
import { type AgentTurn, hasEnded, nextForPeople, pendingApprovals, type Run } from '../core/run.ts';
import { claim, expireApprovals, markTold, release, remind, takeUpJoined } from '../core/run-changes.ts';
import { isCallable } from '../core/tool-call.ts';
import type { CardView } from '../core/view.ts';
import { callTools } from './calls.ts';
import { fail, finish } from './finish.ts';
import type { WorkerParts } from './parts.ts';
import { Presenter } from './present.ts';
import { LeaseLost, leaseMs, Session } from './session.ts';
import { directTurn, modelTurn } from './turn.ts';

export interface Advancer {
  advance(id: RunId): Promise<void>;
  /** Something about a run changed; its session here, if any, looks again. */
  nudged(id: RunId): void;
  /** Lets go of everything at once: runs stay as they are and the next worker goes on. */
  abandon(): void;
}

export function createAdvancer(parts: WorkerParts): Advancer {
  const { store, queue, clock, logger } = parts;
  const sessions = new Map<RunId, Session>();
  let count = 0;

  async function advance(id: RunId): Promise<void> {
    // Each call is an owner of its own: two in one process must not share a lease either.
    const owner = `${parts.name}.${++count}`;
    const run = await store.update(id, (r) => claim(r, owner, clock.now(), leaseMs));
    if (!run) return comeBackLater(id);

    const log = logger.child({ runId: id });
    const adapter = parts.adapters.get(run.conversation.platform);
    const save = (change: (r: Run) => Run) => store.update(id, change);
    const presenter = new Presenter({ adapter, clock, logger: log, save, onCard }, run);
    if (hasEnded(run)) return run.told ? undefined : tell(run, presenter);

    const session = new Session({ store, clock, logger: log, owner }, run, presenter);
    sessions.set(id, session);
    try {
      const ended = await drive(session);
      if (ended) await tell(session.run, presenter);
      else await presenter.settle().catch(() => queue.advance(id, { name: 'show', afterMs: leaseMs }));
    } catch (error) {
      if (!(error instanceof LeaseLost)) throw error;
      log.info({}, 'run taken over by another worker');
    } finally {
      session.close();
      sessions.delete(id);
    }
  }

  function onCard(card: CardView, to: Conversation, message: string): Promise<void> {
    const { runId, approvalId, digest } = card;
    const data = { approval: approvalId, digest, in: conversationKey(to), message };
    return parts.audit.record({ kind: 'approval.posted', runId, data });
  }

  /** Somebody else works on it: look again when their lease would have run out. */
  async function comeBackLater(id: RunId): Promise<void> {
    const run = await store.load(id);
    if (run?.state.kind !== 'running') return;
    const { leaseUntil } = run.state;
    await queue.advance(id, { name: `lease-${leaseUntil}`, afterMs: leaseUntil - clock.now() + 50 });
  }

  async function tell(run: Run, presenter: Presenter): Promise<void> {
    presenter.show(run);
    try {
      await presenter.settle();
      await store.update(run.id, markTold);
    } catch (error) {
      logger.warn({ runId: run.id, why: problemText(problemOf(error)) }, 'end of run not shown yet');
      await queue.advance(run.id, { name: `tell-${clock.now()}`, afterMs: leaseMs });
    }
  }

  /** Steps until the run has ended (true) or waits for people (false). */
  async function drive(session: Session): Promise<boolean> {
    try {
      for (;;) {
        const step = await next(parts, session);
        if (step !== 'again') return step === 'ended';
      }
    } catch (error) {
      const storeIsAway = error instanceof OpsError && error.problem.code === 'store-unavailable';
      if (storeIsAway || error instanceof LeaseLost) throw error;
      // A run that cannot go on is told so; left running it would fail the same way for ever.
      logger.error({ runId: session.run.id, err: error }, 'run failed');
      await fail(parts, session, problemOf(error));
      return true;
    }
  }

  return {
    advance,
    nudged: (id) => {
      sessions
        .get(id)
        ?.refresh()
        .catch((err: unknown) => logger.warn({ runId: id, err }, 'run not refreshed'));
    },
    abandon: () => {
      for (const session of sessions.values()) session.close();
    },
  };
}

async function next(parts: WorkerParts, session: Session): Promise<'again' | 'ended' | 'waiting'> {
  const { clock } = parts;
  const now = clock.now();
  const { run } = session;
  if (run.stop) {
    await finish(parts, session, { kind: 'cancelled', by: run.stop.by });
    return 'ended';
  }
  if (pendingApprovals(run).some((a) => a.expiresAt <= now)) {
    for (const a of pendingApprovals(run).filter((p) => p.expiresAt <= now))
      await parts.audit.record({ kind: 'approval.expired', runId: run.id, callId: a.callId });
    await session.apply((r) => expireApprovals(r, now));
    return 'again';
  }
  if (pendingApprovals(run).some((a) => (reminderDue(a) ?? Number.POSITIVE_INFINITY) <= now)) {
    await session.apply((r) => remind(r, now));
    return 'again';
  }

  const last = run.turns.at(-1);
  const calls = last?.kind === 'agent' ? last.calls : [];
  if (calls.some(isCallable)) {
    await callTools(parts, session, calls.filter(isCallable));
    return 'again';
  }
  if (pendingApprovals(run).length > 0) return waitForPeople(parts, session);

  if (last?.kind !== 'agent') return run.direct ? directTurn(parts, session) : modelTurn(parts, session);
  if (run.joined.length > 0) {
    await session.apply(takeUpJoined);
    return 'again';
  }
  if (calls.length > 0 && !run.direct) return modelTurn(parts, session);

  const ended = await finish(parts, session, { kind: 'finished' });
  return ended ? 'ended' : 'again';
}

/** Gives the run back until somebody decides or time runs out. No job and no memory waits meanwhile. */
async function waitForPeople(parts: WorkerParts, session: Session): Promise<'waiting' | 'again'> {
  const { queue, clock } = parts;
  const waiting = await session.apply((r) =>
    pendingApprovals(r).length > 0 && !lastCalls(r).some(isCallable) && !r.stop
      ? release(r, 'waiting', clock.now())
      : undefined,
  );
  if (!waiting) return 'again';
  const next = nextForPeople(pendingApprovals(waiting));
  await queue.advance(waiting.id, { name: `people-${next}`, afterMs: next - clock.now() + 50 });
  return 'waiting';
}

function lastCalls(run: Run): AgentTurn['calls'] {
  const last = run.turns.at(-1);
  return last?.kind === 'agent' ? last.calls : [];
}
