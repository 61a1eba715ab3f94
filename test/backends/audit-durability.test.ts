import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type NamedAuditLog, openAuditLog } from '../../src/backends/audit-log.ts';
import { readAudit } from '../../src/backends/audit-read.ts';
import { verifyAudit } from '../../src/backends/audit-verify.ts';
import type { AuditEvent } from '../../src/core/event.ts';
import { until } from '../contract/until.ts';
import { type FixedClock, fixedClock } from '../fakes/fixed-clock.ts';
import { type RecordingLogger, recordingLogger } from '../fakes/logger.ts';

const day = 24 * 3600_000;
let root: string;
let dir: string;
let clock: FixedClock;
let logger: RecordingLogger;
let log: NamedAuditLog;

const start = () => openAuditLog({ dir, writer: 'whitelist', clock, redact: (t) => t, logger });
const command = (risk: string, runId: string, line = ''): AuditEvent => ({
  kind: 'command.started',
  runId,
  data: { risk, line },
});
const refusal = (code: string) => ({
  problem: { code: 'audit-unwritable', message: expect.stringContaining(code) },
});
const runs = () => readAudit(dir).map((e) => e.runId);

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'audit-disk-'));
  dir = join(root, 'audit');
  clock = fixedClock();
  logger = recordingLogger();
  log = await start();
});
afterEach(async () => {
  await log.close();
  rmSync(root, { recursive: true, force: true });
});

// Writes to /dev/null succeed and its flush fails, as that of a disk that broke does.
describe('a disk that takes writes and cannot flush them', () => {
  let tomorrow: string;
  beforeEach(async () => {
    await log.record(command('read', 'run-0'));
    clock.advance(day);
    tomorrow = join(dir, '2026-11-24.whitelist.jsonl');
    symlinkSync('/dev/null', tomorrow);
  });
  const failures = () => logger.lines.filter((l) => l.level === 'error');

  it('refuses a change before it starts', async () => {
    await expect(log.record(command('change', 'run-1'))).rejects.toMatchObject(refusal('EINVAL'));
    await expect(log.record({ kind: 'approval.voted' })).rejects.toMatchObject(refusal('EINVAL'));
  });

  it('lets a read go ahead, is found out within 100 ms, and then refuses all until it flushes again', async () => {
    const begun = performance.now();
    await log.record(command('read', 'run-1'));
    expect(failures()).toEqual([]);
    await until('the flush to fail', () => failures().length > 0);
    expect(performance.now() - begun).toBeLessThan(100);
    expect(failures()[0]?.message).toBe('audit lines could not be flushed; nothing is run');

    const refused = await Promise.allSettled([
      log.record(command('read', 'run-2')),
      log.record(command('change', 'run-3')),
    ]);
    rmSync(tomorrow);
    await log.record(command('read', 'run-4'));

    expect(refused).toMatchObject([
      { status: 'rejected', reason: refusal('EINVAL') },
      { status: 'rejected', reason: refusal('EINVAL') },
    ]);
    expect(runs()).toEqual(['run-0', 'run-1', 'run-4']);
    expect(verifyAudit(dir)).toMatchObject([{ ok: true, lines: 3 }]);
  });

  it('writes the line of a read by itself once it can, and says so', async () => {
    await log.record(command('read', 'run-1'));
    await until('the flush to fail', () => failures().length > 0);
    rmSync(tomorrow);

    await until('the flush to work again', () =>
      logger.lines.some((l) => l.message === 'the audit log is on disk again'),
    );
    expect(runs()).toEqual(['run-0', 'run-1']);
    expect(verifyAudit(dir)).toMatchObject([{ ok: true, lines: 2 }]);
  });
});

describe('the lines of a read', () => {
  it('are in the file when their record resolves, and in one chain with those of changes', async () => {
    await log.record(command('read', 'run-1'));
    expect(runs()).toEqual(['run-1']);
    await Promise.all(['run-2', 'run-3'].map((id) => log.record(command('read', id))));
    await log.record(command('change', 'run-4'));

    await log.close();
    expect(verifyAudit(dir)).toMatchObject([{ ok: true, lines: 4 }]);
  });
});

// A limit on this process's files gives a short write first and EFBIG then; SIGXFSZ would end it.
const prlimit = '/usr/bin/prlimit';
describe.runIf(existsSync(prlimit))('a write that stops in the middle of a line', () => {
  const limit = (bytes: number | 'unlimited') =>
    execFileSync(prlimit, ['--pid', `${process.pid}`, `--fsize=${bytes}:unlimited`]);
  const ignore = () => {};
  beforeEach(() => {
    process.on('SIGXFSZ', ignore);
  });
  afterEach(() => {
    limit('unlimited');
    process.off('SIGXFSZ', ignore);
  });

  it('is refused, leaves no half line behind, and the chain goes on when there is room', async () => {
    const file = join(dir, '2026-11-23.whitelist.jsonl');
    await log.record(command('change', 'run-1'));
    const { size } = statSync(file);
    limit(size + 100);

    await expect(log.record(command('change', 'run-2'))).rejects.toMatchObject(refusal('EFBIG'));
    await expect(log.record(command('read', 'run-3'))).rejects.toMatchObject(refusal('EFBIG'));
    expect(statSync(file).size).toBe(size);
    limit('unlimited');
    await log.record(command('change', 'run-4'));

    expect(runs()).toEqual(['run-1', 'run-4']);
    expect(verifyAudit(dir)).toMatchObject([{ ok: true, lines: 2 }]);
  });
});

// 64 KiB that fill up for real, where this process may mount them; elsewhere the suite is shown as left out.
const mount = (at: string) =>
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', at], { stdio: 'ignore' });
describe.runIf(canMount())('a full disk', () => {
  let disk: string;
  let small: NamedAuditLog;
  beforeEach(async () => {
    disk = mkdtempSync(join(tmpdir(), 'audit-small-'));
    mount(disk);
    small = await openAuditLog({
      dir: join(disk, 'audit'),
      writer: 'whitelist',
      clock,
      redact: (t) => t,
      logger,
    });
  });
  afterEach(async () => {
    await small.close();
    execFileSync('umount', [disk]);
    rmSync(disk, { recursive: true });
  });

  it('refuses every command and says why, and the chain is whole when there is room again', async () => {
    const line = 'x'.repeat(1500);
    await small.record(command('change', 'run-0', line));
    writeFileSync(join(disk, 'filler'), '');
    expect(() => writeFileSync(join(disk, 'filler'), Buffer.alloc(1024 * 1024))).toThrow(/ENOSPC/);

    const outcomes: string[] = [];
    for (let n = 1; n <= 6; n++)
      outcomes.push(
        await small.record(command('change', `run-${n}`, line)).then(
          () => 'written',
          (error) => error.problem.message,
        ),
      );
    rmSync(join(disk, 'filler'));
    await small.record(command('change', 'run-7', line));

    const refused = outcomes.filter((o) => o !== 'written');
    expect(refused.length).toBeGreaterThan(2);
    for (const said of refused) expect(said).toMatch(/cannot be written \(ENOSPC\), so nothing is run/);
    const kept = readFileSync(join(disk, 'audit', '2026-11-23.whitelist.jsonl'), 'utf8')
      .split('\n')
      .slice(0, -1);
    expect(kept).toHaveLength(2 + outcomes.length - refused.length);
    expect(verifyAudit(join(disk, 'audit'))).toMatchObject([{ ok: true, lines: kept.length }]);
  });
});

function canMount(): boolean {
  const at = mkdtempSync(join(tmpdir(), 'audit-small-'));
  try {
    mount(at);
    execFileSync('umount', [at]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(at, { recursive: true });
  }
}
