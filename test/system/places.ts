/**
 * Where a running system keeps things: all its files, and all its keys in Redis with their values.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from '../../src/backends/redis/client.ts';
import { recordingLogger } from '../fakes/logger.ts';

/** Every file of a folder and the folders in it. */
export function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Every key of Redis whose name or value holds the text. */
export async function keysWith(socket: string, text: string): Promise<readonly string[]> {
  const redis = connect({ socket }, recordingLogger());
  try {
    const found: string[] = [];
    for (const key of await redis.keys('*')) {
      const value = await contentOf(redis, key);
      if (key.includes(text) || JSON.stringify(value).includes(text)) found.push(`redis ${key}`);
    }
    return found;
  } finally {
    redis.disconnect();
  }
}

async function contentOf(redis: ReturnType<typeof connect>, key: string): Promise<unknown> {
  const type = await redis.type(key);
  switch (type) {
    case 'string':
      return redis.get(key);
    case 'hash':
      return redis.hgetall(key);
    case 'list':
      return redis.lrange(key, 0, -1);
    case 'set':
      return redis.smembers(key);
    case 'zset':
      return redis.zrange(key, '0', '-1');
    case 'stream':
      return redis.xrange(key, '-', '+');
    // Gone since it was listed: locks and jobs come and go.
    case 'none':
      return null;
    default:
      throw new Error(`a Redis key of type ${type}: read it here`);
  }
}

/** Is the text in this file? A file that is gone since it was listed holds nothing. */
export function fileHolds(file: string, text: string): boolean {
  try {
    return readFileSync(file).includes(text);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}
