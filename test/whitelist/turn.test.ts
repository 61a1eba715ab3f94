/**
 * Turns at a file: one at a time, whoever waits, and none lost to a process that died in its turn.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { takeTurn } from '../../src/whitelist/turn.ts';

let dir = '';
let lock = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'turn-'));
  lock = join(dir, 'a.lock');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** As a process that is gone would have left it. */
const dead = (id: string) => `${spawnSync('true').pid} 1 ${hostname()} ${id}`;

/** Takes a turn and gives it up; how many had one at once at most. */
async function many(n: number): Promise<number> {
  let at = 0;
  let most = 0;
  const each = Array.from({ length: n }, async () => {
    const release = await takeTurn(lock, 10_000);
    if (!release) throw new Error('no turn');
    most = Math.max(most, ++at);
    await new Promise((resolve) => setImmediate(resolve));
    at -= 1;
    await release();
  });
  await Promise.all(each);
  return most;
}

describe('a turn', () => {
  it('is one at a time, and leaves nothing behind', async () => {
    expect(await many(20)).toBe(1);
    expect(readdirSync(dir)).toEqual([]);
  });

  it.each([
    ['a dead process', ['a.lock']],
    ['a dead process and a dead heir of it', ['a.lock', 'a.lock.heir']],
    ['only a dead heir', ['a.lock.heir']],
  ])('is taken over from %s by one at a time', async (_, left) => {
    for (const name of left) symlinkSync(dead(name), join(dir, name));

    expect(await many(20)).toBe(1);
    expect(readdirSync(dir)).not.toContain('a.lock');
  });

  it('does not come while a living process has it', async () => {
    const release = await takeTurn(lock, 0);
    const holder = readlinkSync(lock);

    expect(await takeTurn(lock, 30)).toBeUndefined();
    expect(readlinkSync(lock)).toBe(holder);
    await release?.();
    expect(await takeTurn(lock, 0)).toBeTypeOf('function');
  });

  it('is not waited for where the folder is gone', async () => {
    rmSync(dir, { recursive: true });

    await expect(takeTurn(lock, 10_000)).rejects.toThrow(/ENOENT/);
  });
});
