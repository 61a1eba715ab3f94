/**
 * The nudge that a run needs a worker: one kind of BullMQ job, deduplicated by run, redelivered as often as it likes.
 * `advance` is a reconcile, so a job that comes late, twice or after a stall does no harm (docs/architecture.md).
 */
import { Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { RunId } from '../../core/ids.ts';
import { isRunId } from '../../core/ids.ts';
import type { Logger, RunQueue } from '../../core/ports.ts';
import { connectPatiently, keyPrefix, type RedisAddress, reaching } from './client.ts';
import type { OnIgnored } from './run-store.ts';

const queueName = 'advance';
const prefix = `${keyPrefix}bull`;
const nudgeChannel = `${keyPrefix}nudge`;
const concurrency = 64;
const retryAfterMs = 2_000;

export interface RedisRunQueue extends RunQueue {
  close(): Promise<void>;
}

export function createRedisRunQueue(
  address: RedisAddress,
  publisher: Redis,
  logger: Logger,
  onIgnored: OnIgnored = () => {},
): RedisRunQueue {
  const connections: Redis[] = [];
  const open = () => {
    const connection = connectPatiently(address, logger);
    connections.push(connection);
    return connection;
  };
  const queue = new Queue<{ run: string }>(queueName, {
    connection: open(),
    prefix,
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
  });
  queue.on('error', () => {});

  const advance: RunQueue['advance'] = (id, timer) =>
    reaching(async () => {
      await queue.add(
        'advance',
        { run: id },
        timer
          ? // A timer has an id of its own: a delayed job under the run's id would swallow an immediate one.
            { jobId: `${id}-${timer.name}`, delay: Math.max(0, timer.afterMs) }
          : { deduplication: { id, keepLastIfActive: true } },
      );
    });

  return {
    advance,

    async consume(handler) {
      const worker = new Worker<{ run: string }>(
        queueName,
        async (job) => {
          // Whoever writes Redis can put anything there.
          const run: unknown = (job.data as { run?: unknown } | null | undefined)?.run;
          if (typeof run !== 'string' || !isRunId(run)) {
            logger.error({}, 'queue entry ignored: not a run');
            return onIgnored({ why: 'a queue entry that names no run' });
          }
          try {
            await handler(run);
          } catch (error) {
            logger.warn({ runId: run, err: error }, 'advance failed, trying again');
            await advance(run, { name: `retry-${Date.now()}`, afterMs: retryAfterMs }).catch(() => {});
          }
        },
        {
          connection: open(),
          prefix,
          concurrency,
          // A killed worker's job is found within seconds; how often it is found again does not matter.
          lockDuration: 5_000,
          stalledInterval: 1_000,
          maxStalledCount: Number.MAX_SAFE_INTEGER,
        },
      );
      worker.on('error', () => {});
      await worker.waitUntilReady();
      return () => worker.close(true);
    },

    nudge: (id) =>
      reaching(async () => {
        await publisher.publish(nudgeChannel, id);
      }),

    async onNudge(listener) {
      const subscriber = open();
      subscriber.on('message', (_channel: string, id: string) => {
        if (isRunId(id)) listener(id satisfies RunId);
      });
      await subscriber.subscribe(nudgeChannel);
      return async () => {
        subscriber.disconnect();
      };
    },

    async close() {
      await queue.close().catch(() => {});
      for (const connection of connections) connection.disconnect();
    },
  };
}
