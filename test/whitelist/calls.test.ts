import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApprovalRequest } from '../../src/core/approval.ts';
import { callIdFor } from '../../src/core/ids.ts';
import { alice, askRestart, call, type Rig, restart, run, spec, startRig, votedBy } from './fixture.ts';

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

describe('stopping', () => {
  it('ends a read and tells how it ended', async () => {
    rig.runner.hold();
    const stop = new AbortController();

    const outcome = call(rig, 'check_disk', {}, { callId: callIdFor(run, 1), signal: stop.signal });
    await rig.runner.begun(1);
    stop.abort();

    expect(await outcome).toMatchObject({
      kind: 'result',
      result: { isError: true, ran: [{ end: { kind: 'cancelled', ended: true } }] },
    });
  });

  it('ends a change that has begun, and that is its result', async () => {
    rig.runner.hold();
    const stop = new AbortController();

    const outcome = approved({ signal: stop.signal });
    await rig.runner.begun(1);
    stop.abort();

    expect(await outcome).toMatchObject({
      kind: 'result',
      result: { ran: [{ end: { kind: 'cancelled' } }] },
    });
    expect(await approved()).toMatchObject({
      kind: 'result',
      result: { ran: [{ end: { kind: 'cancelled' } }] },
    });
    expect(rig.runner.ran).toHaveLength(1);
  });

  it('before it began runs nothing', async () => {
    expect(await approved({ signal: AbortSignal.abort() })).toMatchObject({ kind: 'refused' });
    expect(rig.runner.ran).toHaveLength(0);
  });
});

describe('a connection that drops', () => {
  it('does not cut a change: it runs to its end and its result waits for the next call', async () => {
    const held = rig.runner.hold();
    const tools = rig.connect();

    const outcome = approved({ tools });
    await rig.runner.begun(1);
    await tools.close();

    expect(await outcome).toMatchObject({ kind: 'unavailable' });
    held.release();
    await rig.server.idle();
    expect(await approved()).toMatchObject({
      kind: 'result',
      result: { ran: [{ end: { kind: 'exited', code: 0 } }] },
    });
    expect(rig.runner.ran).toHaveLength(1);
  });

  it('ends a read that nobody waits for any more', async () => {
    rig.runner.hold();
    const tools = rig.connect();

    const outcome = call(rig, 'check_disk', {}, { tools, callId: callIdFor(run, 1) });
    await rig.runner.begun(1);
    await tools.close();

    expect(await outcome).toMatchObject({ kind: 'unavailable' });
    await rig.server.idle();
    expect(rig.audit.events.at(-1)).toMatchObject({ kind: 'command.ended', data: { end: 'cancelled' } });
  });

  it('leaves a read alone that another caller waits for', async () => {
    const held = rig.runner.hold();
    const tools = rig.connect();
    const id = callIdFor(run, 1);

    const leaving = call(rig, 'check_disk', {}, { tools, callId: id });
    await rig.runner.begun(1);
    const staying = call(rig, 'check_disk', {}, { callId: id });
    await call(rig, 'ping', {}, { callId: callIdFor(run, 2) });
    await tools.close();
    await leaving;
    held.release();

    expect(await staying).toMatchObject({ kind: 'result', result: { isError: false } });
    expect(rig.runner.ran).toHaveLength(1);
  });
});

describe('a long read, which its host keeps', () => {
  const long = { command_name: 'long_read' };
  const id = callIdFor(run, 9);
  beforeEach(async () => {
    rig.given.catalogue = [...rig.given.catalogue, spec('long_read', 'du -sh /', { timeoutSeconds: 120 })];
    await rig.restart();
  });

  it('goes on when the connection drops, and who calls again gets its end', async () => {
    const held = rig.runner.hold();
    const first = rig.connect();
    void call(rig, 'execute_command', long, { callId: id, tools: first }).catch(() => {});
    await rig.runner.begun(1);

    await first.close();
    const again = call(rig, 'execute_command', long, { callId: id });
    // Answered after the call before it on the same connection has come.
    await rig.tools.list();
    held.release();

    expect(await again).toMatchObject({
      kind: 'result',
      result: { ran: [{ end: { kind: 'exited', code: 0 } }] },
    });
    expect(rig.runner.ran).toHaveLength(1);
  });

  it('is no reason for the server to stay', async () => {
    rig.runner.hold();
    const first = rig.connect();
    void call(rig, 'execute_command', long, { callId: id, tools: first }).catch(() => {});
    await rig.runner.begun(1);

    await first.close();
    await rig.server.idle();
  });

  it('is kept under an id of its call and what it is; a short one is not', async () => {
    await call(rig, 'execute_command', long, { callId: id });
    await call(rig, 'check_disk', {}, { callId: callIdFor(run, 10) });

    expect(rig.runner.ran.map((r) => r.keepAs)).toEqual([
      expect.stringMatching(`^${id}-[0-9a-f]{12}$`),
      undefined,
    ]);
  });
});
