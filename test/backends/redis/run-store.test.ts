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
      const heard: object[] = [];
      const store = createRedisRunStore(client, logger, (what) => heard.push(what));
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
      // For the audit log once each, not once a look.
      expect(heard).toEqual([
        { runId: run.id, why: 'not a run' },
        { runId: run.id, why: 'too large' },
      ]);
      client.disconnect();
    });

    it('says what is wrong where a key is of another kind, and reads the others', async () => {
      const logger = recordingLogger();
      const client = connect(redis.address, logger);
      await client.flushdb();
      const store = createRedisRunStore(client, logger);
      const [run, other] = [testRun('mine'), testRun('theirs')];
      await store.create(run);
      await store.create(other);
      await client.del(`opsagent:run:${other.id}`);
      await client.rpush(`opsagent:run:${other.id}`, 'a list');

      expect((await store.history(run.conversation, 10)).map((r) => r.id)).toEqual([run.id]);
      expect(await store.load(other.id)).toBeUndefined();

      await client.del('opsagent:due');
      await client.rpush('opsagent:due', 'a list');
      const refused = store.create(testRun('third'));
      await expect(refused).rejects.toMatchObject({
        problem: { code: 'store-unavailable', message: expect.stringContaining('of another kind') },
      });
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
