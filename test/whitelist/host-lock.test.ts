import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LockHolder, openHostLocks } from '../../src/whitelist/host-lock.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'opsagent-locks-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const alice: LockHolder = {
  who: 'alice',
  what: 'restart_service nginx',
  call: 'r1-0',
  run: 'r1',
  conversation: { platform: 'slack', channel: 'C1', thread: '171.5' },
};
const bob: LockHolder = { who: 'bob', what: 'reboot', call: 'r2-0' };
const lockFile = (host: string) => join(dir, 'locks', host);

/** A lock whose holder was another process of this machine and has ended. */
async function leaveDeadLock(host: string, holder = alice): Promise<void> {
  const child = spawn('sleep', ['60']);
  const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
  const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  const owner = { pid: child.pid, started, machine: hostname() };
  writeFileSync(lockFile(host), JSON.stringify({ ...holder, id: 'dead', owner, at: Date.now() }));
}

describe('the lock of a host', () => {
  it('is one holder’s; the second is told who, what, in which thread and since when', async () => {
    const first = await openHostLocks(dir).take(['web-1'], alice);
    const second = await openHostLocks(dir).take(['web-1'], bob);

    expect(first.ok).toBe(true);
    expect(second).toEqual({
      ok: false,
      problem: expect.stringMatching(
        /^web-1 is being changed by alice \(restart_service nginx\) in slack thread 171\.5 of C1 since \d+ s; nothing was run\./,
      ),
    });
  });

  it('is free again after release, and releasing twice takes nothing from the next', async () => {
    const locks = openHostLocks(dir);
    const first = await locks.take(['web-1'], alice);
    if (!first.ok) throw new Error(first.problem);
    await first.release();
    const second = await locks.take(['web-1'], bob);
    await first.release();

    expect(second.ok).toBe(true);
    expect(await locks.take(['web-1'], alice)).toMatchObject({ ok: false });
  });

  it('of several hosts is all or none', async () => {
    const locks = openHostLocks(dir);
    const held = await locks.take(['web-2'], alice);
    const several = await locks.take(['web-3', 'web-2', 'web-1', 'web-1'], bob);

    expect(held.ok).toBe(true);
    expect(several).toMatchObject({ ok: false, problem: expect.stringContaining('web-2') });
    expect(readdirSync(join(dir, 'locks'))).toEqual(['web-2']);
  });

  it('is one holder’s among many that want overlapping hosts at once', async () => {
    let inside = 0;
    let most = 0;
    let got = 0;
    await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const taken = await openHostLocks(dir).take(i % 2 === 0 ? ['a', 'b'] : ['b', 'a'], bob);
        if (!taken.ok) return;
        got += 1;
        inside += 1;
        most = Math.max(most, inside);
        await new Promise((resolve) => setImmediate(resolve));
        inside -= 1;
        await taken.release();
      }),
    );

    expect(got).toBeGreaterThan(0);
    expect(most).toBe(1);
  });

  it('of a dead process is taken over, by one of those who try', async () => {
    const locks = openHostLocks(dir);
    const made = await locks.take(['web-1'], alice);
    if (made.ok) await made.release();
    for (let round = 0; round < 10; round++) {
      await leaveDeadLock('web-1');
      const tries = await Promise.all(Array.from({ length: 8 }, () => locks.take(['web-1'], bob)));
      const winners = tries.filter((t) => t.ok);

      expect(winners).toHaveLength(1);
      for (const lost of tries) if (!lost.ok) expect(lost.problem).toContain('bob (reboot)');
      for (const winner of winners) await winner.release();
      expect(readdirSync(join(dir, 'locks'))).toEqual([]);
    }
  });

  it('is taken over also when the one who took it over died at that', async () => {
    const locks = openHostLocks(dir);
    const made = await locks.take(['web-1'], alice);
    if (made.ok) await made.release();
    await leaveDeadLock('web-1');
    const heir = { ...JSON.parse(readFileSync(lockFile('web-1'), 'utf8')), id: 'heir', who: 'carol' };
    writeFileSync(join(dir, 'locks', '.web-1.dead.heir'), JSON.stringify(heir));

    const taken = await locks.take(['web-1'], bob);

    expect(taken.ok).toBe(true);
    expect(JSON.parse(readFileSync(lockFile('web-1'), 'utf8'))).toMatchObject({ who: 'bob' });
    expect(readdirSync(join(dir, 'locks'))).toEqual(['web-1']);
  });

  it('of another machine counts while it is touched', async () => {
    const locks = openHostLocks(dir);
    const made = await locks.take(['web-1'], alice);
    if (made.ok) await made.release();
    const owner = { pid: 1, started: '1', machine: 'elsewhere' };
    writeFileSync(lockFile('web-1'), JSON.stringify({ ...alice, id: 'far', owner, at: Date.now() }));

    expect(await locks.take(['web-1'], bob)).toMatchObject({ ok: false });
  });

  it('that cannot be read or written lets nothing be changed', async () => {
    const locks = openHostLocks(dir);
    const made = await locks.take(['web-1'], alice);
    if (made.ok) await made.release();
    writeFileSync(lockFile('web-1'), '{');
    writeFileSync(join(dir, 'file'), '');

    expect(await locks.take(['web-1'], bob)).toMatchObject({
      ok: false,
      problem: expect.stringContaining('cannot be read'),
    });
    expect(await openHostLocks(join(dir, 'file')).take(['web-1'], bob)).toMatchObject({
      ok: false,
      problem: expect.stringContaining('could not be recorded'),
    });
    expect(existsSync(lockFile('web-1'))).toBe(true);
  });
});
