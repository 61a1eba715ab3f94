/**
 * The worker process's part: takes advances off the queue, listens for nudges, and each minute advances whatever
 * is overdue, so that a job that Redis lost costs a minute and not an answer.
 */
import type { Clock, Logger, RunQueue, RunStore } from '../core/ports.ts';
import type { Advancer } from './advance.ts';

const sweepEveryMs = 60_000;
const sweepLimit = 500;

export interface RunningWorker {
  /** Lets go at once; runs under way are left for the next worker. */
  stop(): Promise<void>;
}

export async function startWorker(parts: {
  readonly store: RunStore;
  readonly queue: RunQueue;
  readonly advancer: Advancer;
  readonly clock: Clock;
  readonly logger: Logger;
}): Promise<RunningWorker> {
  const { store, queue, advancer, clock, logger } = parts;

  const sweep = async () => {
    try {
      for (const id of await store.due(clock.now(), sweepLimit)) await queue.advance(id);
    } catch (err) {
      logger.warn({ err }, 'overdue runs not looked up');
    }
  };

  const stopNudges = await queue.onNudge((id) => advancer.nudged(id));
  const stopConsuming = await queue.consume((id) => advancer.advance(id));
  await sweep();
  const timer = setInterval(() => void sweep(), sweepEveryMs);

  return {
    async stop() {
      clearInterval(timer);
      advancer.abandon();
      await Promise.all([stopConsuming(), stopNudges()]);
    },
  };
}
