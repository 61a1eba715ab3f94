import { describe, expect, it } from 'vitest';
import { createRedisBoard } from '../../../src/backends/redis/board.ts';
import { connect } from '../../../src/backends/redis/client.ts';
import { boardContract } from '../../contract/board.ts';
import { until } from '../../contract/until.ts';
import { recordingLogger } from '../../fakes/logger.ts';
import { createMemoryBoard } from '../../fakes/memory-board.ts';
import { testRun } from '../../fakes/requests.ts';
import { needs } from '../../needs.ts';
import { testRedis } from '../../twins/redis.ts';

boardContract('the board in memory', async () => ({ board: createMemoryBoard(), close: async () => {} }));

for (const kind of ['real', 'stand-in'] as const) {
  const suite = kind === 'real' ? needs('redis-server') : describe;
  suite(`board on Redis (${kind})`, () => {
    boardContract(`the board on Redis (${kind})`, async () => {
      const redis = await testRedis(kind);
      const logger = recordingLogger();
      const client = connect(redis.address, logger);
      const board = createRedisBoard(redis.address, client, { now: Date.now }, logger);
      const close = async () => {
        await board.close();
        client.disconnect();
        await redis.close();
      };
      return { board, close };
    });
  });
}

needs('redis-server')('a board that somebody else writes to', () => {
  const segment = { kind: 'segment', runId: testRun('e1').id, parts: [], stoppable: false } as const;

  it('leaves out what is no entry and no summary, and goes on', async () => {
    const redis = await testRedis('real');
    const logger = recordingLogger();
    const client = connect(redis.address, logger);
    const board = createRedisBoard(redis.address, client, { now: Date.now }, logger);
    const seen: string[] = [];
    await board.watch((entry) => seen.push(entry.key));

    for (const message of ['garbage{', 'null', '"x"', '[]', JSON.stringify({ thread: 1, key: 'a' })])
      await client.publish('opsagent:board', message);
    const forged = ['garbage', '[1]{}', '[1,1,1]null', '[1,1,1]{"kind":"segment","parts":"all"}'];
    for (const [i, entry] of forged.entries()) {
      await client.hset('opsagent:board:t1', `entry forged-${i}`, entry);
      await client.publish('opsagent:board', JSON.stringify({ thread: 't1', key: `forged-${i}` }));
    }
    await client.zadd('opsagent:board-threads', Date.now(), 't2');
    await client.hset('opsagent:board-summaries', 't2', 'no JSON');
    await board.put('t1', 'mine', segment);
    await until('the entry that we put', () => seen.length > 0);

    expect(seen).toEqual(['mine']);
    expect((await board.read('t1')).map((e) => e.key)).toEqual(['mine']);
    expect((await board.threads(10)).map((t) => t.thread)).toEqual(['t1']);
    await board.close();
    client.disconnect();
    await redis.close();
  });
});
