import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { noHash } from '../../src/backends/audit-line.ts';
import { type NamedAuditLog, openAuditLog } from '../../src/backends/audit-log.ts';
import { readAudit } from '../../src/backends/audit-read.ts';
import { verifyAudit } from '../../src/backends/audit-verify.ts';
import { type FixedClock, fixedClock } from '../fakes/fixed-clock.ts';
import { recordingLogger } from '../fakes/logger.ts';

const day = 24 * 3600_000;
const today = '2026-11-23.whitelist.jsonl';
let dir: string;
let clock: FixedClock;
let open: NamedAuditLog[];

const start = async (writer = 'whitelist', redact = (t: string) => t) => {
  const log = await openAuditLog({ dir, writer, clock, redact, logger: recordingLogger() });
  open.push(log);
  return log;
};
const note = (n: number) => ({ kind: 'run.ended', runId: `run-${n}`, data: { n } }) as const;
const linesOf = (name = today) => readFileSync(join(dir, name), 'utf8').split('\n').slice(0, -1);

beforeEach(() => {
  dir = join(mkdtempSync(join(tmpdir(), 'audit-')), 'audit');
  clock = fixedClock();
  open = [];
});
afterEach(async () => {
  await Promise.all(open.map((log) => log.close()));
  rmSync(join(dir, '..'), { recursive: true });
});

describe('the audit log', () => {
  it('numbers lines from 1 and chains each to the one before', async () => {
    const log = await start();
    await log.record(note(1));
    await log.record({ kind: 'call.refused', who: 'mcp' });

    const [first, second] = linesOf().map((l) => JSON.parse(l));
    expect(first).toMatchObject({
      seq: 1,
      prev: noHash,
      writer: 'whitelist',
      kind: 'run.ended',
      at: '2026-11-23T03:00:00.000Z',
    });
    expect(second).toMatchObject({ seq: 2, prev: first.hash, who: 'mcp' });
    expect(verifyAudit(dir)).toMatchObject([{ writer: 'whitelist', ok: true, lines: 2, hash: second.hash }]);
  });

  it('writes many at once in order, each on disk when its promise resolves', async () => {
    const log = await start();

    await Promise.all(
      Array.from({ length: 200 }, async (_, n) => {
        await log.record(note(n));
        expect(linesOf().length).toBeGreaterThan(n);
      }),
    );

    expect(linesOf().map((l) => JSON.parse(l).data.n)).toEqual(Array.from({ length: 200 }, (_, n) => n));
    expect(verifyAudit(dir)).toMatchObject([{ ok: true, lines: 200 }]);
  });

  it('goes on over days and restarts in one chain', async () => {
    const log = await start();
    await log.record(note(1));
    await log.close();
    clock.advance(day);
    const next = await start();
    await next.record(note(2));
    clock.advance(day);
    await next.record(note(3));

    expect(readdirSync(dir).filter((f) => f.endsWith('.jsonl'))).toHaveLength(3);
    expect(readAudit(dir).map((e) => e.seq)).toEqual([1, 2, 3]);
    expect(verifyAudit(dir)).toMatchObject([{ ok: true, lines: 3 }]);
  });

  it('gives a second process of the same role a chain of its own, and the name back when it ends', async () => {
    const first = await start();
    const second = await start();
    const other = await start('bot');
    await Promise.all([first.record(note(1)), second.record(note(2)), other.record(note(3))]);

    expect([first.writer, second.writer, other.writer]).toEqual(['whitelist', 'whitelist-2', 'bot']);
    expect(verifyAudit(dir)).toMatchObject([
      { writer: 'bot' },
      { writer: 'whitelist' },
      { writer: 'whitelist-2' },
    ]);
    await first.close();
    expect((await start()).writer).toBe('whitelist');
  });

  it('takes over the name of a process that died', async () => {
    await (await start()).close();
    writeFileSync(join(dir, '.whitelist.lock'), `${process.pid} 1 ${readHost()}\n`);

    expect((await start()).writer).toBe('whitelist');
  });

  it('redacts every string and hides no character', async () => {
    const log = await start('whitelist', (t) => t.replaceAll('hunter2', '[secret]'));
    await log.record({
      kind: 'command.started',
      data: { args: ['x hunter2'], deep: { line: 'a\u202eb\u200b\x1b' } },
    });

    const [line] = linesOf();
    expect(line).not.toMatch(/hunter2|[\u202e\u200b\x1b]/);
    expect(readAudit(dir)[0]?.data).toEqual({ args: ['x [secret]'], deep: { line: 'a\u202eb\u200b\x1b' } });
    expect(verifyAudit(dir)).toMatchObject([{ ok: true }]);
  });

  it('keeps a line that a crash cut short aside, says so and goes on', async () => {
    const log = await start();
    await log.record(note(1));
    await log.close();
    appendFileSync(join(dir, today), '{"seq":2,"prev":"');
    expect(verifyAudit(dir)).toMatchObject([{ ok: true, lines: 1, torn: { file: today, bytes: 17 } }]);

    await start();

    const [, said] = readAudit(dir);
    expect(said).toMatchObject({
      seq: 2,
      kind: 'process.started',
      data: { tornLine: { file: today, bytes: 17 } },
    });
    const aside = readdirSync(dir).filter((f) => f.startsWith(`${today}.torn`));
    expect(aside).toHaveLength(1);
    expect(readFileSync(join(dir, aside[0] ?? ''), 'utf8')).toBe('{"seq":2,"prev":"');
    expect(verifyAudit(dir)).toMatchObject([{ ok: true, lines: 2 }]);
  });

  it('keeps the files of its days in the order of the chain when the clock is set back', async () => {
    const log = await start();
    clock.advance(day);
    await log.record(note(1));
    clock.advance(-day);
    await log.record(note(2));
    await log.close();
    await (await start()).record(note(3));

    expect(readdirSync(dir).filter((f) => f.endsWith('.jsonl'))).toEqual(['2026-11-24.whitelist.jsonl']);
    expect(verifyAudit(dir)).toMatchObject([{ ok: true, lines: 3 }]);
  });

  it('does not go on after a last line that somebody else wrote', async () => {
    const log = await start();
    await log.record(note(1));
    await log.close();
    appendFileSync(join(dir, today), '{"seq":2}\n');

    await expect(start()).rejects.toMatchObject({ problem: { code: 'audit-unwritable' } });
  });
});

describe('an audit log that cannot be written', () => {
  it('refuses the event when the disk is full, and goes on in one chain when there is room again', async () => {
    const log = await start();
    await log.record(note(1));
    clock.advance(day);
    const tomorrow = join(dir, '2026-11-24.whitelist.jsonl');
    symlinkSync('/dev/full', tomorrow);

    const refused = await Promise.allSettled([log.record(note(2)), log.record(note(3))]);
    rmSync(tomorrow);
    await log.record(note(4));

    expect(refused).toMatchObject([
      {
        status: 'rejected',
        reason: { problem: { code: 'audit-unwritable', message: expect.stringContaining('ENOSPC') } },
      },
      { status: 'rejected' },
    ]);
    expect(readAudit(dir).map((e) => e.runId)).toEqual(['run-1', 'run-4']);
    expect(verifyAudit(dir)).toMatchObject([{ ok: true, lines: 2 }]);
  });

  it('refuses when its folder has gone', async () => {
    const log = await start();
    renameSync(dir, `${dir}-away`);
    writeFileSync(dir, 'a file');

    await expect(log.record(note(1))).rejects.toMatchObject({ problem: { code: 'audit-unwritable' } });

    rmSync(dir);
    renameSync(`${dir}-away`, dir);
  });

  it('refuses when its file was deleted under it, and what goes on after that shows the gap', async () => {
    const log = await start();
    await log.record(note(1));
    rmSync(join(dir, today));

    await expect(log.record(note(2))).rejects.toMatchObject({ problem: { code: 'audit-unwritable' } });
    await log.record(note(3));

    expect(readAudit(dir).map((e) => e.runId)).toEqual(['run-3']);
    expect(verifyAudit(dir)).toMatchObject([{ ok: false, what: 'number 1 is missing; this is 2' }]);
  });

  it('is not opened where a device stands in place of its file', async () => {
    await (await start()).close();
    symlinkSync('/dev/full', join(dir, today));

    await expect(start()).rejects.toMatchObject({ problem: { code: 'audit-unwritable' } });
    rmSync(join(dir, today));
  });

  it('is not opened where a folder cannot be made', async () => {
    writeFileSync(dir, 'a file');

    await expect(start()).rejects.toMatchObject({ problem: { code: 'audit-unwritable' } });
  });

  it('refuses after it was closed', async () => {
    const log = await start();
    await log.close();

    await expect(log.record(note(1))).rejects.toMatchObject({ problem: { code: 'audit-unwritable' } });
    expect(existsSync(join(dir, '.whitelist.lock'))).toBe(false);
  });
});

describe('verify', () => {
  beforeEach(async () => {
    const log = await start();
    for (let n = 1; n <= 6; n++) await log.record(note(n));
    await log.close();
  });
  const edit = (change: (lines: string[]) => string[]) =>
    writeFileSync(
      join(dir, today),
      change(linesOf())
        .map((l) => `${l}\n`)
        .join(''),
    );

  it.each<[string, (lines: string[]) => string[], number]>([
    ['a changed byte', (l) => l.map((x, i) => (i === 2 ? x.replace('run-3', 'run-9') : x)), 3],
    [
      'a space that parses the same',
      (l) => l.map((x, i) => (i === 2 ? x.replace('"seq":3,', '"seq":3, ') : x)),
      3,
    ],
    ['a line taken out', (l) => l.filter((_, i) => i !== 3), 4],
    ['two lines swapped', (l) => [l[0], l[2], l[1], ...l.slice(3)] as string[], 2],
    ['a line twice', (l) => [...l.slice(0, 2), l[1] ?? '', ...l.slice(2)], 3],
    ['no first line', (l) => l.slice(1), 1],
  ])('names the first bad number: %s', (_, change, seq) => {
    edit(change);

    expect(verifyAudit(dir)).toMatchObject([{ ok: false, file: today, seq, what: expect.any(String) }]);
  });

  it('of an absent folder has nothing to report', () => {
    expect(verifyAudit(join(dir, 'none'))).toEqual([]);
    expect(readAudit(join(dir, 'none'))).toEqual([]);
  });

  it('reading filters by run, kind and time', () => {
    expect(readAudit(dir, { runId: 'run-2' })).toHaveLength(1);
    expect(readAudit(dir, { kind: 'call.refused' })).toHaveLength(0);
    expect(readAudit(dir, { since: '2026-11-24' })).toHaveLength(0);
    expect(readAudit(dir, { until: '2026-11-24' })).toHaveLength(6);
  });
});

function readHost(): string {
  return readFileSync('/proc/sys/kernel/hostname', 'utf8').trim();
}
