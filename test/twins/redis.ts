/**
 * A Redis for one test file: the real server on a unix socket in a directory of its own, or the stand-in.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RedisAddress } from '../../src/backends/redis/client.ts';
import { startEmbeddedRedis } from '../../src/backends/redis/embedded.ts';
import { startStandIn } from '../../src/backends/redis/stand-in.ts';
import { recordingLogger } from '../fakes/logger.ts';

export interface TestRedis {
  readonly address: RedisAddress;
  readonly dir: string;
  close(): Promise<void>;
}

export async function testRedis(kind: 'real' | 'stand-in'): Promise<TestRedis> {
  const dir = mkdtempSync(join(tmpdir(), 'opsagent-redis-'));
  const clean = () => rmSync(dir, { recursive: true, force: true });
  if (kind === 'stand-in') {
    const socket = join(dir, 'redis.sock');
    const stop = await startStandIn(socket);
    return { address: { socket }, dir, close: async () => stop().finally(clean) };
  }
  const redis = await startEmbeddedRedis(dir, recordingLogger());
  return { address: { socket: redis.socket }, dir, close: async () => redis.stop().finally(clean) };
}
