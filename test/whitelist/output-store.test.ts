/**
 * Kept outputs: for whoever made them, for a day, within a quota; and the pages they are read in.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pageOf } from '../../src/whitelist/output-page.ts';
import { openOutputStore } from '../../src/whitelist/output-store.ts';
import { fixedClock } from '../fakes/fixed-clock.ts';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'outputs-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const output = (text: string, owner = 'me') => ({ owner, host: 'web-1', command: 'uptime', text });
const files = () => readdirSync(join(dataDir, 'outputs'));

describe('a kept output', () => {
  it('is read again by its owner alone, also after a restart', async () => {
    const clock = fixedClock();
    const id = await (await openOutputStore({ dataDir, clock })).keep(output('a\nb\n{"owner":"you"}'));
    const store = await openOutputStore({ dataDir, clock });

    expect(await store.read(id, 'me')).toEqual(output('a\nb\n{"owner":"you"}'));
    expect(await store.read(id, 'you')).toBeUndefined();
    expect(statSync(join(dataDir, 'outputs', id)).mode & 0o777).toBe(0o600);
    expect(statSync(join(dataDir, 'outputs')).mode & 0o777).toBe(0o700);
  });

  it.each(['', '../keys/seal', 'o123456789abc/../x', 'O123456789ABC', 'o12345678'])(
    'is not found under %j',
    async (id) => {
      const store = await openOutputStore({ dataDir, clock: fixedClock() });

      expect(await store.read(id, 'me')).toBeUndefined();
    },
  );

  it('is gone after a day', async () => {
    const clock = fixedClock();
    const store = await openOutputStore({ dataDir, clock });
    const id = await store.keep(output('old'));

    clock.advance(25 * 3600_000);

    expect(await store.read(id, 'me')).toBeUndefined();
    await store.prune();
    expect(files()).toEqual([]);
  });

  it('makes room for newer ones: the oldest go first, and all together stay within the quota', async () => {
    const clock = fixedClock();
    const store = await openOutputStore({ dataDir, clock, quotaBytes: 10_000 });
    const ids: string[] = [];

    for (let i = 0; i < 30; i++) {
      clock.advance(1000);
      ids.push(await store.keep(output('x'.repeat(1000))));
      const total = files().reduce((sum, f) => sum + statSync(join(dataDir, 'outputs', f)).size, 0);
      expect(total).toBeLessThanOrEqual(10_000);
    }

    expect(await store.read(ids[0] ?? '', 'me')).toBeUndefined();
    expect(await store.read(ids.at(-1) ?? '', 'me')).toBeDefined();
    expect(files().sort()).toEqual(ids.slice(-files().length).sort());
  });
});

describe('a page', () => {
  const text = Array.from(
    { length: 100 },
    (_, i) => `line ${i + 1}${i % 10 === 9 ? ' ERROR (a+b)' : ''}`,
  ).join('\n');
  const page = (over: Partial<Parameters<typeof pageOf>[1]>) => {
    const paged = pageOf(text, { fromLine: 1, lines: 10, maxChars: 10_000, ...over });
    if (!paged.ok) throw new Error(paged.reason);
    return paged.page;
  };

  it('gives numbered lines and where to go on', () => {
    const first = page({});

    expect(first.lines[0]).toEqual({ n: 1, text: 'line 1' });
    expect(first).toMatchObject({ total: 100, next: 11 });
    expect(page({ fromLine: 95 }).next).toBeUndefined();
    expect(page({ fromLine: 500 })).toEqual({ lines: [], total: 100 });
  });

  it('reaches every line once, whatever its size', () => {
    const seen: number[] = [];
    for (let from: number | undefined = 1; from !== undefined; ) {
      const { lines, next }: ReturnType<typeof page> = page({ fromLine: from, maxChars: 50, lines: 7 });
      seen.push(...lines.map((l) => l.n));
      from = next;
    }

    expect(seen).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  });

  it('finds a text as it stands, or a pattern between slashes', () => {
    expect(page({ grep: '(a+b)' }).lines.map((l) => l.n)).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
    expect(page({ grep: '/line [12]0 error/i' }).lines.map((l) => l.n)).toEqual([10, 20]);
    expect(page({ grep: '$(id)' }).lines).toEqual([]);
  });

  it('refuses what is no RE2 pattern, and is linear where others explode', () => {
    expect(pageOf(text, { fromLine: 1, lines: 1, maxChars: 100, grep: '/(?=a)/' })).toMatchObject({
      ok: false,
    });

    const begun = performance.now();
    pageOf(`${'a'.repeat(900)}!`, { fromLine: 1, lines: 1, maxChars: 100, grep: '/^(a+)+$/' });
    expect(performance.now() - begun).toBeLessThan(1000);
  });

  it('counts a line without end as several, so that all of it can be read', () => {
    const paged = pageOf('x'.repeat(2500), { fromLine: 3, lines: 1, maxChars: 5000 });

    expect(paged).toEqual({ ok: true, page: { lines: [{ n: 3, text: 'x'.repeat(500) }], total: 3 } });
  });
});
