import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApprovalRequest } from '../../src/core/approval.ts';
import { callIdFor, runIdFor } from '../../src/core/ids.ts';
import { signedRequest } from '../fakes/requests.ts';
import {
  alice,
  asked,
  askRestart,
  call,
  callId,
  owner,
  type Rig,
  restart,
  run,
  startRig,
  votedBy,
} from './fixture.ts';

let rig: Rig;
let approval: ApprovalRequest;
beforeEach(async () => {
  rig = await startRig();
  approval = await askRestart(rig);
});
afterEach(() => rig.close());

const approved = (over: Parameters<typeof call>[3] = {}) =>
  call(rig, 'execute_command', restart, {
    grant: { sealed: approval.sealed, votes: [votedBy(alice, approval, rig.clock)] },
    ...over,
  });
const spentFile = () => join(rig.dataDir, 'spent', callId);
const resultFile = () => join(rig.dataDir, 'results', `${callId}.json`);

describe('an approved change runs once', () => {
  it('when it is called twice at once: both get the same result', async () => {
    const held = rig.runner.hold();

    const both = [approved(), approved({ tools: rig.connect() })];
    await rig.runner.begun(1);
    held.release();
    const [first, second] = await Promise.all(both);

    expect(rig.runner.ran).toHaveLength(1);
    expect(first).toMatchObject({ kind: 'result', result: { isError: false } });
    expect(second).toEqual(first);
  });

  it('when two servers over one data directory are called at once', async () => {
    const before = rig.tools;
    await rig.restart();

    const outcomes = await Promise.all([approved({ tools: before }), approved()]);

    expect(rig.runner.ran).toHaveLength(1);
    expect(outcomes.filter((o) => o.kind === 'result')).not.toHaveLength(0);
  });

  it('when it is called again after a restart: the kept result comes back, without votes too', async () => {
    const first = await approved();
    await rig.restart();

    const again = await approved();
    const without = await call(rig, 'execute_command', restart);

    expect(rig.runner.ran).toHaveLength(1);
    expect(again).toMatchObject({ kind: 'result', result: { isError: false, ran: [{ end: { code: 0 } }] } });
    expect(without).toMatchObject({ kind: 'result' });
    expect(first.kind).toBe('result');
  });

  it('and its result is kept for nobody else', async () => {
    await approved();
    const other = signedRequest('e2', { user: alice, at: rig.clock.now() });

    const outcome = await call(rig, 'execute_command', restart, { requests: [other] });

    expect(outcome).toMatchObject({ kind: 'refused', reason: expect.stringContaining('another run') });
  });

  it('and its id stands for no other command', async () => {
    await approved();

    const outcome = await call(rig, 'execute_command', { command_name: 'reboot' });

    expect(outcome).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('under the id of this call'),
    });
    expect(rig.runner.ran).toHaveLength(1);
  });

  it('with record and result readable by its owner alone', async () => {
    await approved();

    expect(statSync(spentFile()).mode & 0o777).toBe(0o600);
    expect(statSync(resultFile()).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(rig.dataDir, 'spent'))).toEqual([callId]);
    expect(JSON.parse(readFileSync(spentFile(), 'utf8'))).toMatchObject({
      callId,
      owner: { pid: process.pid },
      fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it('and is spent on disk before the runner is called', async () => {
    const held = rig.runner.hold();

    const outcome = approved();
    await rig.runner.begun(1);

    expect(existsSync(spentFile())).toBe(true);
    held.release();
    await outcome;
  });
});

describe('a change whose process died', () => {
  const gone = { pid: 2 ** 22 - 1, started: '1', machine: 'gone' };

  it('is lost when it was spent and left no result: told, never run again, and on record', async () => {
    writeFileSync(spentFile(), JSON.stringify({ callId, owner: gone }));

    const outcome = await approved();
    const again = await approved();

    expect(outcome).toMatchObject({ kind: 'lost' });
    expect(again).toEqual(outcome);
    expect(rig.runner.ran).toHaveLength(0);
    expect(rig.audit.events.filter((e) => e.kind === 'command.ended')).toMatchObject([
      { data: { end: 'lost' } },
    ]);
  });

  it('is lost when its record was cut short', async () => {
    writeFileSync(spentFile(), '{"call');

    expect(await approved()).toMatchObject({ kind: 'lost' });
    expect(rig.runner.ran).toHaveLength(0);
  });

  it('that still runs elsewhere is waited for', async () => {
    await approved();
    const kept = readFileSync(resultFile());
    rmSync(resultFile());
    // As another living process would have left it: ours, seen from outside.
    writeFileSync(spentFile(), JSON.stringify({ callId, owner: ownerOfParent() }));
    await rig.restart();

    let settled = false;
    const outcome = approved().finally(() => {
      settled = true;
    });
    await call(rig, 'check_disk', {}, { callId: callIdFor(run, 5) });
    expect(settled).toBe(false);
    writeFileSync(resultFile(), kept);

    expect(await outcome).toMatchObject({
      kind: 'result',
      result: { ran: [{ command: 'restart_service' }] },
    });
    expect(rig.runner.ran.filter((r) => r.command.command === 'restart_service')).toHaveLength(1);
  });

  it('is lost when the runner says so, and stays lost', async () => {
    rig.runner.answer = () => ({
      end: { kind: 'lost', problem: 'the connection broke' },
      stdout: 'half',
      stderr: '',
      truncated: false,
      ms: 5,
    });

    const outcome = await approved();
    await rig.restart();

    expect(outcome).toMatchObject({ kind: 'lost', reason: expect.stringContaining('the connection broke') });
    expect(await approved()).toEqual(outcome);
    expect(rig.runner.ran).toHaveLength(1);
  });
});

describe('the audit log that cannot be written', () => {
  it('keeps a change from running, and the approval stays good', async () => {
    rig.audit.full = true;

    expect(await approved()).toMatchObject({ kind: 'refused', reason: expect.stringContaining('audit log') });
    expect(rig.runner.ran).toHaveLength(0);
    expect(existsSync(spentFile())).toBe(false);

    rig.audit.full = false;
    expect(await approved()).toMatchObject({ kind: 'result' });
  });

  it('keeps a read from running', async () => {
    rig.audit.full = true;

    expect(await call(rig, 'check_disk', {}, { callId: callIdFor(run, 1) })).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('audit log'),
    });
    expect(rig.runner.ran).toHaveLength(0);
  });
});

describe('a record that cannot be written', () => {
  it('keeps a change from running', async () => {
    rmSync(join(rig.dataDir, 'spent'), { recursive: true });
    writeFileSync(join(rig.dataDir, 'spent'), 'not a folder');

    const outcome = await approved();

    expect(outcome).toMatchObject({ kind: 'refused' });
    expect(rig.runner.ran).toHaveLength(0);
  });
});

describe('reads', () => {
  it('are not spent: the same id runs again', async () => {
    const id = callIdFor(run, 1);

    await call(rig, 'check_disk', {}, { callId: id });
    await call(rig, 'check_disk', {}, { callId: id });

    expect(rig.runner.ran).toHaveLength(2);
    expect(readdirSync(join(rig.dataDir, 'spent'))).toHaveLength(0);
  });

  it('audit the output by size and hash, never its text', async () => {
    rig.runner.answer = () => ({
      end: { kind: 'exited', code: 3 },
      stdout: 'hunter2',
      stderr: '',
      truncated: false,
      ms: 5,
    });

    const outcome = await call(rig, 'check_disk', {}, { callId: callIdFor(run, 1) });

    expect(outcome).toMatchObject({
      kind: 'result',
      result: { isError: false, text: expect.stringContaining('exit 3') },
    });
    expect(JSON.stringify(rig.audit.events)).not.toContain('hunter2');
    expect(rig.audit.events.at(-1)?.data).toMatchObject({
      bytes: 7,
      sha256: expect.stringMatching(/^f52fbd32/),
    });
  });

  it('of one run are refused under the id of another', async () => {
    const outcome = await call(
      rig,
      'check_disk',
      {},
      {
        callId: callIdFor(runIdFor('console', 'e2'), 0),
        requests: [asked(rig.clock, owner)],
      },
    );

    expect(outcome).toMatchObject({ kind: 'refused' });
  });
});

/** A process that surely lives and is not this one. */
function ownerOfParent() {
  const stat = readFileSync(`/proc/${process.ppid}/stat`, 'utf8');
  const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  const mine = JSON.parse(readFileSync(spentFile(), 'utf8')) as { owner: { machine: string } };
  return { pid: process.ppid, started, machine: mine.owner.machine };
}
