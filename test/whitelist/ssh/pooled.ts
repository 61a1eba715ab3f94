/**
 * A pool for tests of the transport, and one command over it without the wrapper that commands usually get.
 */
import { readFile } from 'node:fs/promises';
import type { Host } from '../../../src/core/command.ts';
import { createPool, type Pool, type PoolOptions } from '../../../src/whitelist/ssh/pool.ts';
import { recordingLogger } from '../../fakes/logger.ts';

export function testPool(over: Partial<PoolOptions> = {}): Pool {
  return createPool({
    clock: { now: () => performance.now() },
    logger: recordingLogger(),
    readFile: (path) => readFile(path),
    idleMs: 60_000,
    connectTimeoutMs: 5_000,
    ...over,
  });
}

/** The output of a bare `exec`, or the problem. */
export async function output(pool: Pool, host: Host, line = 'echo here'): Promise<string> {
  const leased = await pool.lease(host);
  if (!leased.ok) return leased.problem;
  const { client, release } = leased.lease;
  const text = await new Promise<string>((resolve, reject) => {
    client.exec(line, (error, channel) => {
      if (error) return reject(error);
      let out = '';
      channel.on('data', (chunk: Buffer) => {
        out += chunk.toString();
      });
      channel.stderr.resume();
      channel.once('close', () => resolve(out));
    });
  });
  release();
  return text;
}

/** Waits for something to become true. */
export async function until(get: () => boolean): Promise<void> {
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    if (get()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('did not happen within 20 s');
}
