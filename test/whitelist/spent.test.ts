import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callIdFor, runIdFor } from '../../src/core/ids.ts';
import { openSpentStore, type SpentStore } from '../../src/whitelist/spent.ts';

const callId = callIdFor(runIdFor('console', 'e'), 0);
let dir: string;
let store: SpentStore<string>;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'spent-'));
  store = await openSpentStore(dir);
});
afterEach(() => rmSync(dir, { recursive: true }));

describe('spent once', () => {
  it('is claimed by exactly one of many at once', async () => {
    const other = await openSpentStore<string>(dir);

    const won = await Promise.all(
      Array.from({ length: 40 }, (_, i) => (i % 2 ? store : other).claim(callId, { fingerprint: 'f' })),
    );

    expect(won.filter(Boolean)).toHaveLength(1);
    expect(readdirSync(join(dir, 'spent'))).toEqual([callId]);
  });

  it('stays claimed over a restart, and can be taken back only before anything ran', async () => {
    expect(await store.state(callId)).toBe('unspent');
    await store.claim(callId, { fingerprint: 'f', digest: 'd' });

    const again = await openSpentStore<string>(dir);
    expect(await again.claim(callId, { fingerprint: 'f' })).toBe(false);
    expect(await again.state(callId)).toBe('running-here');

    await again.release(callId);
    expect(await again.claim(callId, { fingerprint: 'f' })).toBe(true);
  });

  it('is over when its process is gone or its record is cut short', async () => {
    const file = join(dir, 'spent', callId);
    writeFileSync(file, JSON.stringify({ owner: { pid: process.pid, started: '1', machine: 'elsewhere' } }));
    expect(await store.state(callId)).toBe('over');

    writeFileSync(file, '');
    expect(await store.state(callId)).toBe('over');
  });

  it('keeps a result whole and gives it back', async () => {
    expect(await store.kept(callId)).toBeUndefined();

    await store.keep({ callId, fingerprint: 'f', at: 1, reply: 'first' });
    await store.keep({ callId, fingerprint: 'f', at: 2, reply: 'second' });

    expect(await store.kept(callId)).toEqual({ callId, fingerprint: 'f', at: 2, reply: 'second' });
    expect(readdirSync(join(dir, 'results'))).toEqual([`${callId}.json`]);
  });
});

describe('pruning', () => {
  it('removes records and results from before, and nothing newer, living or without a time', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'spent-prune-'));
    const store = await openSpentStore<string>(dir);
    const put = (folder: string, name: string, text: string) => writeFileSync(join(dir, folder, name), text);
    const gone = { pid: 2 ** 22 - 1, started: '1', machine: 'gone' };
    put('spent', 'old', JSON.stringify({ at: 1, owner: gone }));
    put('spent', 'new', JSON.stringify({ at: 100, owner: gone }));
    put('spent', 'cut', '{"at":1');
    put('results', 'old.json', JSON.stringify({ at: 1 }));
    put('results', 'new.json', JSON.stringify({ at: 100 }));
    await store.claim(callIdFor(runIdFor('console', 'e9'), 0), { fingerprint: 'f', at: 1 });

    await store.prune(50);

    expect(readdirSync(join(dir, 'results'))).toEqual(['new.json']);
    expect(readdirSync(join(dir, 'spent')).sort()).toEqual(
      ['cut', 'new', callIdFor(runIdFor('console', 'e9'), 0)].sort(),
    );
    rmSync(dir, { recursive: true });
  });
});
