/**
 * `opsagent bot` and `opsagent worker` as processes of their own, with nothing but Redis between them: an admin's order
 * in the console reaches the worker's whitelist server.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Received } from '../../src/core/ports.ts';
import { until } from '../contract/until.ts';
import { needs } from '../needs.ts';
import { testRedis } from '../twins/redis.ts';
import { newProgram, type Program, patienceMs } from './program.ts';

const limit = 90_000;

needs('redis-server')('bot and worker apart', () => {
  let redis: Awaited<ReturnType<typeof testRedis>>;
  let program: Program;
  const isUp = async () => {
    const health = await fetch(`http://127.0.0.1:${program.port}/healthz`).catch(() => undefined);
    return health?.ok === true;
  };
  const say = async (text: string, id: string) =>
    (await program.api<{ result: Received }>('/api/ask', { text, id })).result;
  const frozen = () => {
    const file = join(program.dataDir, 'freeze.json');
    return existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { frozen: boolean }).frozen;
  };
  beforeAll(async () => {
    redis = await testRedis('real');
    program = await newProgram();
    program.env.REDIS_URL = 'socket' in redis.address ? redis.address.socket : redis.address.url;
    void program.run('bot');
    await until('the bot to listen', isUp, patienceMs);
  }, limit);
  afterAll(async () => {
    await program.close();
    await redis.close();
  });

  it(
    'says that no worker is there, and one that starts then obeys all the same',
    async () => {
      const alone = await say('freeze: moving the database', 'freeze-alone');
      void program.run('worker');
      await until('the worker to obey', frozen, patienceMs);

      const thawed = await say('unfreeze', 'unfreeze-together');

      expect(alone).toMatchObject({ kind: 'refused', text: expect.stringContaining('No worker is there') });
      expect(thawed).toMatchObject({
        kind: 'answered',
        text: expect.stringContaining('Changes may be asked for again'),
      });
      expect(frozen()).toBe(false);
    },
    limit,
  );
});
