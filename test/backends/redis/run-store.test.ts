import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../../src/backends/redis/client.ts';
import { createRedisRunStore } from '../../../src/backends/redis/run-store.ts';
import { runStoreContract } from '../../contract/run-store.ts';
import { recordingLogger } from '../../fakes/logger.ts';
import { createMemoryRunStore } from '../../fakes/memory-run-store.ts';
import { testRun } from '../../fakes/requests.ts';
import { needs } from '../../needs.ts';
import { type TestRedis, testRedis } from '../../twins/redis.ts';

runStoreContract('the run store in memory', async () => {
  const shared = new Map();
  return {
    store: createMemoryRunStore(shared),
    other: createMemoryRunStore(shared),
    close: async () => {},
  };
});

for (const kind of ['real', 'stand-in'] as const) {
  const suite = kind === 'real' ? needs('redis-server') : describe;
  suite(`run store on Redis (${kind})`, () => {
    let redis: TestRedis;
    beforeAll(async () => {
      redis = await testRedis(kind);
    });
    afterAll(() => redis.close());

    const create = async () => {
      const logger = recordingLogger();
      const a = connect(redis.address, logger);
      const b = connect(redis.address, logger);
      await a.flushdb();
      return {
        store: createRedisRunStore(a, logger),
        other: createRedisRunStore(b, logger),
        close: async () => {
          a.disconnect();
          b.disconnect();
        },
      };
    };

    runStoreContract(`the run store on Redis (${kind})`, create);

    it('believes nothing that is not a run, and says so', async () => {
      const logger = recordingLogger();
      const client = connect(redis.address, logger);
      const store = createRedisRunStore(client, logger);
      const run = testRun('forged');
      const forgeries = [
        'not json',
        '{"__proto__":{"approved":true}}',
        JSON.stringify({ ...run, approved: true }),
        JSON.stringify({ ...run, state: { kind: 'finished', extra: 1 } }),
        JSON.stringify({ ...run, turns: 'all of them' }),
        JSON.stringify({ ...run, turns: [{ ...run.turns[0], text: 'x'.repeat(2_000_000) }] }),
      ];

      for (const forged of forgeries) {
        await client.hset(`opsagent:run:${run.id}`, 'version', '1', 'run', forged);
        expect(await store.load(run.id)).toBeUndefined();
        expect(await store.update(run.id, (r) => ({ ...r, told: true }))).toBeUndefined();
      }

      expect(logger.lines.filter((l) => l.message === 'stored run ignored')).toHaveLength(
        forgeries.length * 2,
      );
      client.disconnect();
    });
  });
}

needs('redis-server')('the index of events on Redis', () => {
  it('is believed only where the run itself has taken the event in', async () => {
    const redis = await testRedis('real');
    const logger = recordingLogger();
    const client = connect(redis.address, logger);
    const store = createRedisRunStore(client, logger);
    const run = testRun('mine');
    await store.create(run);
    await client.set('opsagent:event:console:absent', 'r00000000000000000000');
    await client.set('opsagent:event:console:another', run.id);

    expect(await store.byEvent('console', 'mine')).toBe(run.id);
    expect(await store.byEvent('console', 'absent')).toBeUndefined();
    expect(await store.byEvent('console', 'another')).toBeUndefined();
    client.disconnect();
    await redis.close();
  });
});

describe('run store without Redis', () => {
  it('says that nothing was kept, within seconds', async () => {
    const logger = recordingLogger();
    const client = connect({ socket: '/nonexistent/redis.sock' }, logger);
    const store = createRedisRunStore(client, logger);

    await expect(store.create(testRun('e1'))).rejects.toMatchObject({
      problem: { code: 'store-unavailable' },
    });
    client.disconnect();
  });
});
