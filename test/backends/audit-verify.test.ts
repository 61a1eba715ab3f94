import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readAnchors } from '../../src/backends/audit-anchors.ts';
import { writeLine } from '../../src/backends/audit-line.ts';
import { openAuditLog } from '../../src/backends/audit-log.ts';
import { auditLines, readAudit } from '../../src/backends/audit-read.ts';
import { verifyAudit } from '../../src/backends/audit-verify.ts';
import { type FixedClock, fixedClock } from '../fakes/fixed-clock.ts';

const day = 24 * 3600_000;
const days = ['2026-11-23', '2026-11-24', '2026-11-25'];
let root: string;
let dir: string;
let clock: FixedClock;

const fileOf = (n: number, writer = 'whitelist') => join(dir, `${days[n]}.${writer}.jsonl`);
const linesOf = (n: number) => readFileSync(fileOf(n), 'utf8').split('\n').slice(0, -1);
const writeLines = (n: number, lines: readonly string[]) =>
  writeFileSync(fileOf(n), lines.map((l) => `${l}\n`).join(''));
const anchors = () => readAnchors(join(root, 'anchors')).anchors;
const whitelist = (options: Parameters<typeof verifyAudit>[1] = {}) =>
  verifyAudit(dir, options).find((c) => c.writer === 'whitelist');

/** Ten lines a day on three days, 1 to 30, by two writers. Anchors every 8 lines, at ends of days and at the stop. */
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'audit-verify-'));
  dir = join(root, 'audit');
  clock = fixedClock();
  const place = { kind: 'file', path: join(root, 'anchors') } as const;
  const anchor = { places: [place], every: 8, required: false };
  const common = { dir, clock, redact: (t: string) => t, anchor };
  const logs = await Promise.all(['whitelist', 'bot'].map((writer) => openAuditLog({ ...common, writer })));
  for (let n = 1; n <= 30; n++) {
    for (const log of logs) await log.record({ kind: 'run.ended', runId: `run-${n}`, data: { n } });
    if (n % 10 === 0 && n < 30) clock.advance(day);
  }
  await Promise.all(logs.map((log) => log.close()));
});
afterEach(() => rmSync(root, { recursive: true }));

describe('an untouched log', () => {
  it('is whole over writers and days, and proven to its end by the anchors', () => {
    const ok = { ok: true, lines: 30, seq: 30, from: 1, anchoredTo: 30 };
    expect(verifyAudit(dir, { anchors: anchors() })).toMatchObject([
      { writer: 'bot', ...ok },
      { writer: 'whitelist', ...ok },
    ]);
    expect(whitelist()).toMatchObject({ ok: true, lines: 30, anchoredTo: 0 });
  });

  it('is read as one story in the order of time, of one moment by writer', () => {
    const all = [...auditLines(dir)].map(
      ({ entry }) => `${entry.at.slice(8, 10)} ${entry.writer} ${entry.seq}`,
    );
    expect(all).toHaveLength(60);
    expect(all.slice(0, 2)).toEqual(['23 bot 1', '23 bot 2']);
    expect(all[10]).toBe('23 whitelist 1');
    expect(all[20]).toBe('24 bot 11');
    expect(readAudit(dir, { runId: 'run-7' }).map((e) => e.writer)).toEqual(['bot', 'whitelist']);
  });
});

describe('what the chain alone shows', () => {
  it.each<[string, (l: string[]) => string[], number, string]>([
    ['a flipped byte', (l) => l.with(3, flipped(l[3] ?? '', 90)), 14, 'does not match its hash'],
    ['a flipped byte of the hash', (l) => l.with(3, flipped(l[3] ?? '', -5)), 14, 'does not match its hash'],
    ['a deleted line', (l) => l.toSpliced(3, 1), 14, 'number 14 is missing; this is 15'],
    ['two swapped lines', (l) => l.with(3, l[4] ?? '').with(4, l[3] ?? ''), 14, 'number 14 is missing'],
    ['a deleted last line of a day', (l) => l.slice(0, -1), 20, 'number 20 is missing; this is 21'],
    ['a line of another writer', (l) => l.with(3, '{}'), 14, 'does not match its hash'],
  ])('%s in the middle, with its number', (_, change, seq, what) => {
    writeLines(1, change(linesOf(1)));
    expect(whitelist()).toMatchObject({ ok: false, seq, what: expect.stringContaining(what) });
    expect(verifyAudit(dir)[0]).toMatchObject({ writer: 'bot', ok: true });
  });

  it('a day that is gone from the middle', () => {
    rmSync(fileOf(1));
    expect(whitelist()).toMatchObject({ ok: false, file: '2026-11-25.whitelist.jsonl', line: 1, seq: 11 });
  });

  it('bytes after the last line of a day that is not the last', () => {
    appendFileSync(fileOf(1), '{"seq":');
    expect(whitelist()).toMatchObject({ ok: false, file: '2026-11-24.whitelist.jsonl' });
  });
});

describe('what only the anchors show', () => {
  it.each<[string, () => void, object]>([
    [
      'the last three lines cut off',
      () => writeLines(2, linesOf(2).slice(0, -3)),
      {
        file: '2026-11-25.whitelist.jsonl',
        line: 8,
        seq: 28,
        what: expect.stringContaining('it ends at #27, and #30 was anchored'),
      },
    ],
    [
      'the last file deleted',
      () => rmSync(fileOf(2)),
      { seq: 21, what: expect.stringContaining('ends at #20') },
    ],
    [
      'every file of the writer deleted',
      () => [0, 1, 2].forEach((n) => void rmSync(fileOf(n))),
      { seq: 1, what: expect.stringContaining('there is nothing of it') },
    ],
    ['the whole folder deleted', () => rmSync(dir, { recursive: true }), { seq: 1 }],
    [
      'the whole chain built anew with our own code',
      rebuild,
      {
        seq: 18,
        what: expect.stringContaining('lines between #10 and #18 were changed and the chain built anew'),
      },
    ],
  ])('%s', (_, change, found) => {
    change();

    const without = whitelist();
    expect(without === undefined || (without.ok && without.anchoredTo === 0)).toBe(true);
    expect(whitelist({ anchors: anchors() })).toMatchObject({ ok: false, ...found });
  });

  it('nothing of what comes after the last anchor', () => {
    const upTo20 = anchors().filter((a) => a.seq <= 20);
    writeLines(2, linesOf(2).slice(0, -3));
    expect(whitelist({ anchors: upTo20 })).toMatchObject({ ok: true, seq: 27, anchoredTo: 20 });
  });

  it('a log begun anew after everything was deleted, before and after it outgrows the old one', async () => {
    for (const lines of [5, 40]) {
      rmSync(dir, { recursive: true });
      const log = await openAuditLog({ dir, writer: 'whitelist', clock, redact: (t) => t });
      for (let n = 1; n <= lines; n++) await log.record({ kind: 'run.ended', data: { n } });
      await log.close();
      expect(whitelist({ anchors: anchors() })).toMatchObject({ ok: false, seq: 1 });
    }
  });

  /** Line 13 tells something else now, and all after it are hashed and numbered as if it always had. */
  function rebuild() {
    let prev = '0'.repeat(64);
    for (const n of [0, 1, 2])
      writeLines(
        n,
        linesOf(n).map((text) => {
          const { hash: _old, ...entry } = JSON.parse(text);
          const data = entry.seq === 13 ? { n: 1300 } : entry.data;
          const { line, hash } = writeLine({ ...entry, data, prev }, (t) => t);
          prev = hash;
          return line;
        }),
      );
  }
});

describe('a last line that is cut short', () => {
  it('is told apart from tampering, unless an anchor knew it whole', () => {
    const text = readFileSync(fileOf(2));
    writeFileSync(fileOf(2), text.subarray(0, text.length - 40));

    expect(whitelist()).toMatchObject({ ok: true, seq: 29, torn: { file: '2026-11-25.whitelist.jsonl' } });
    expect(whitelist({ anchors: anchors() })).toMatchObject({ ok: false, seq: 30 });
  });
});

describe('older days that were taken away on purpose', () => {
  const keep = (n: number) => {
    const away = join(root, 'away');
    cpSync(dir, away, { recursive: true });
    for (const name of readdirSync(dir)) if (name < (days[n] ?? '')) rmSync(join(dir, name));
  };

  it('are a gap, but for who says from when the log is kept', () => {
    keep(1);
    expect(whitelist()).toMatchObject({ ok: false, seq: 1, what: 'number 1 is missing; this is 11' });
    expect(whitelist({ from: '2026-11-24', anchors: anchors() })).toMatchObject({
      ok: true,
      from: 11,
      lines: 20,
      anchoredTo: 30,
    });
  });

  it('do not hide that the first day kept was built anew: the end of the day before is anchored', () => {
    keep(1);
    let prev = 'f'.repeat(64);
    for (const n of [1, 2])
      writeLines(
        n,
        linesOf(n).map((text) => {
          const { hash: _old, ...entry } = JSON.parse(text);
          const { line, hash } = writeLine({ ...entry, prev }, (t) => t);
          prev = hash;
          return line;
        }),
      );

    expect(whitelist({ from: '2026-11-24', anchors: anchors() })).toMatchObject({
      ok: false,
      seq: 11,
      what: 'it does not follow #10 as it was anchored',
    });
  });
});

function flipped(line: string, at: number): string {
  const bytes = Buffer.from(line);
  const i = at < 0 ? bytes.length + at : at;
  bytes[i] = (bytes[i] ?? 0) ^ 1;
  return bytes.toString('latin1');
}
