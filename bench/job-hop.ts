/**
 * From "this run needs a worker" to the worker's handler, against the least that any queue on Redis can do: LPUSH to a
 * reader that waits in BRPOP, on the same server.
 */
import { connect, connectPatiently } from '../src/backends/redis/client.ts';
import { installedServer, startEmbeddedRedis } from '../src/backends/redis/embedded.ts';
import { createRedisRunQueue } from '../src/backends/redis/run-queue.ts';
import { type RunId, runIdFor } from '../src/core/ids.ts';
import { type Figure, median, percentile } from './figure.ts';
import { inRounds, type Scope, sleep, timed } from './scope.ts';
import { silent } from './silent.ts';

const warmUps = 30;

export function whyNoRedis(): string | undefined {
  return installedServer()
    ? undefined
    : 'no redis-server or valkey-server here (apt-get install redis-server)';
}

export async function jobHop(scope: Scope): Promise<readonly Figure[]> {
  const { socket, stop } = await startEmbeddedRedis(scope.folder(), silent);
  scope.add(stop);
  const address = { socket };
  const redis = connect(address, silent);
  const reader = connectPatiently(address, silent);
  scope.add(() => {
    redis.disconnect();
    reader.disconnect();
  });
  const queue = createRedisRunQueue(address, redis, silent);
  scope.add(() => queue.close());
  let arrived = (_: RunId) => {};
  const stopConsuming = await queue.consume(async (id) => arrived(id));
  scope.add(stopConsuming);

  const ours = (id: RunId) =>
    timed(async () => {
      const handled = new Promise<RunId>((resolve) => {
        arrived = resolve;
      });
      await queue.advance(id);
      if ((await handled) !== id) throw new Error('another job arrived');
    });
  const push = async (id: RunId) => {
    const popped = reader.brpop('bench:list', 5);
    // The reader must be waiting before anything is pushed, as a worker is.
    await sleep(1);
    return timed(async () => {
      await redis.lpush('bench:list', id);
      if ((await popped)?.[1] !== id) throw new Error('another entry arrived');
    });
  };

  const measure = async (n: number) => {
    const id = runIdFor('console', `bench-${n}`);
    const queued = await ours(id);
    // The job's end is written after its handler; it belongs to no hop.
    await sleep(2);
    return { queued, pushed: await push(id) };
  };
  for (let n = 0; n < warmUps; n++) await measure(n);
  const { of, rounds } = await inRounds({ most: 400, withinMs: 6_000 }, (n) => measure(n + warmUps));

  const peer = (value: number) => ({ what: 'LPUSH to BRPOP', value });
  return [
    {
      what: 'advance to handler',
      unit: 'ms',
      ours: median(of('queued')),
      peer: peer(median(of('pushed'))),
      rounds,
    },
    {
      what: 'advance to handler, 99th of 100',
      unit: 'ms',
      ours: percentile(of('queued'), 99),
      peer: peer(percentile(of('pushed'), 99)),
      rounds,
    },
  ];
}
