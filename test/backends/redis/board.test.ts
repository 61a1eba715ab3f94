import { describe } from 'vitest';
import { createRedisBoard } from '../../../src/backends/redis/board.ts';
import { connect } from '../../../src/backends/redis/client.ts';
import { boardContract } from '../../contract/board.ts';
import { recordingLogger } from '../../fakes/logger.ts';
import { createMemoryBoard } from '../../fakes/memory-board.ts';
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
