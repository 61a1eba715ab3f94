import { describe, expect, it } from 'vitest';
import { connect } from '../../../src/backends/redis/client.ts';
import { createRedisRunQueue } from '../../../src/backends/redis/run-queue.ts';
import { runIdFor } from '../../../src/core/ids.ts';
import { runQueueContract } from '../../contract/run-queue.ts';
import { until } from '../../contract/until.ts';
import { fixedClock } from '../../fakes/fixed-clock.ts';
import { recordingLogger } from '../../fakes/logger.ts';
import { createMemoryRunQueue } from '../../fakes/memory-run-queue.ts';
import { needs } from '../../needs.ts';
import { testRedis } from '../../twins/redis.ts';

runQueueContract('the run queue in memory', async () => {
  const clock = fixedClock();
  const queue = createMemoryRunQueue(clock);
  return {
    queue,
    async elapse(ms) {
      clock.advance(ms);
      await queue.idle();
    },
    close: async () => {},
  };
});

for (const kind of ['real', 'stand-in'] as const) {
  const suite = kind === 'real' ? needs('redis-server') : describe;
  suite(`run queue on Redis (${kind})`, () => {
    // One Redis a test: the stand-in lets a closed connection's blocked read take the next test's job.
    const open = async () => {
      const redis = await testRedis(kind);
      const logger = recordingLogger();
      const client = connect(redis.address, logger);
      const queue = createRedisRunQueue(redis.address, client, logger);
      const close = async () => {
        await queue.close();
        client.disconnect();
        await redis.close();
      };
      return { queue, logger, close };
    };

    runQueueContract(`the run queue on Redis (${kind})`, async () => {
      const { queue, close } = await open();
      return { queue, elapse: async () => {}, close };
    });

    it('tries again when the handler failed', async () => {
      const { queue, close } = await open();
      const id = runIdFor('console', 'fails once');
      let calls = 0;
      const stop = await queue.consume(async () => {
        calls += 1;
        if (calls === 1) throw new Error('the store was away');
      });

      await queue.advance(id);
      await until('a second try', () => calls === 2);

      await stop();
      await close();
      expect(calls).toBe(2);
    });

    it('ignores queue entries that name no run', async () => {
      const { queue, logger, close } = await open();
      const stop = await queue.consume(async () => {});

      await queue.advance('approved: true' as ReturnType<typeof runIdFor>);
      await until('a log line', () => logger.lines.some((l) => l.message.includes('not a run')));

      await stop();
      await close();
    });
  });
}
