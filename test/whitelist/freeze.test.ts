import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApprovalRequest } from '../../src/core/approval.ts';
import type { User } from '../../src/core/conversation.ts';
import { callIdFor } from '../../src/core/ids.ts';
import { type OrderStatement, signer, type VoteStatement } from '../../src/core/signed.ts';
import { thisProcess } from '../../src/system/owner.ts';
import { openFreeze } from '../../src/whitelist/freeze.ts';
import { testSign, thread } from '../fakes/requests.ts';
import {
  alice,
  askRestart,
  call,
  host,
  owner,
  policy,
  type Rig,
  restart,
  run,
  startRig,
  votedBy,
} from './fixture.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await startRig();
  rig.given.policy = { ...policy, admins: ['Owner'] };
});
afterEach(() => rig.close());

const statement = (order: OrderStatement['order'], user: User = owner): OrderStatement => ({
  kind: 'order',
  order,
  user,
  groups: [],
  conversation: thread,
  at: rig.clock.now(),
});
const order = (what: OrderStatement['order'], user?: User) =>
  rig.tools.order(testSign(statement(what, user)));
const comeBack = (approval: ApprovalRequest, vote: Partial<VoteStatement> = {}) =>
  call(rig, 'execute_command', restart, {
    grant: { sealed: approval.sealed, votes: [votedBy(alice, approval, rig.clock, vote)] },
  });
const ask = (n: number) => call(rig, 'execute_command', restart, { callId: callIdFor(run, n) });

describe('freeze', () => {
  it('refuses every change from then on, asked or approved, over a restart, and lets reads go on', async () => {
    const approval = await askRestart(rig);

    expect(await order('freeze')).toMatchObject({ ok: true });
    await rig.restart();

    expect(await comeBack(approval)).toMatchObject({
      kind: 'refused',
      reason: expect.stringMatching(/stopped by owner/),
    });
    expect(await ask(1)).toMatchObject({ kind: 'refused' });
    expect(rig.runner.ran).toHaveLength(0);
    expect(await call(rig, 'check_disk', {}, { callId: callIdFor(run, 2) })).toMatchObject({
      kind: 'result',
    });
    expect(rig.audit.events.map((e) => e.kind)).toContain('changes.frozen');
  });

  it('ends the change that runs within a second, and says how it ended', async () => {
    const approval = await askRestart(rig);
    rig.runner.hold();
    const running = comeBack(approval);
    await rig.runner.begun(1);

    const begun = performance.now();
    await order('freeze');

    expect(await running).toMatchObject({
      kind: 'result',
      result: { ran: [{ end: { kind: 'cancelled', ended: true } }] },
    });
    expect(performance.now() - begun).toBeLessThan(1000);
  });

  /** What happens when this change is on record as started and has not begun. */
  const atTheStart = (then: () => Promise<unknown>) => {
    const { record } = rig.audit;
    rig.audit.record = async (event) => {
      await record(event);
      if (event.kind !== 'command.started') return;
      rig.audit.record = record;
      await then();
    };
  };
  /** Another process over the same data directory: resolves when its order is on disk, not yet answered. */
  const elsewhere = async (frozen: boolean) => {
    const other = openFreeze(rig.dataDir);
    rig.clock.advance(1);
    const answered = other.obey({ frozen, by: 'another process', at: rig.clock.now() });
    await expect.poll(async () => (await other.read()).frozen, { interval: 1 }).toBe(frozen);
    return { answered };
  };

  it.each<[string, () => Promise<unknown>]>([
    ['given here', () => order('freeze')],
    ['given in another process', () => elsewhere(true)],
    [
      'given and lifted in another process',
      async () => {
        await elsewhere(true);
        await elsewhere(false);
      },
    ],
  ])('%s lets nothing begin that was let through before and has not begun', async (_, give) => {
    const approval = await askRestart(rig);
    rig.clock.advance(1000);
    atTheStart(give);

    expect(await comeBack(approval, { windowMinutes: 60 })).toMatchObject({
      kind: 'refused',
      reason: 'It was stopped before it began; nothing has run.',
    });
    expect(rig.runner.ran).toHaveLength(0);
    expect(rig.audit.events.at(-2)).toMatchObject({
      kind: 'command.ended',
      data: { outcome: 'stopped before it began' },
    });
    expect(rig.audit.events.some((e) => e.kind === 'window.granted')).toBe(false);
  });

  it('given while one host ends lets the change begin on no other', async () => {
    rig.given.hosts = ['web-1', 'web-2', 'web-3'].map((name) => ({ ...host, name, tags: ['web'] }));
    for (const { name } of rig.given.hosts) rig.given.keys.set(name, ['SHA256:first']);
    await rig.restart();
    const onWeb = { ...restart, host: '@web' };
    const asked = await call(rig, 'execute_command', onWeb);
    if (asked.kind !== 'approval') throw new Error('not asked');
    rig.clock.advance(1000);
    const { run: original } = rig.runner;
    rig.runner.run = async (...given) => {
      const result = await original(...given);
      await elsewhere(true);
      return result;
    };

    const votes = [votedBy(alice, asked.request, rig.clock)];
    const grant = { sealed: asked.request.sealed, votes };
    expect(await call(rig, 'execute_command', onWeb, { grant })).toMatchObject({
      kind: 'result',
      result: { ran: [{ host: 'web-1' }], notRun: [{ hosts: ['web-2', 'web-3'] }] },
    });
    expect(rig.runner.ran).toHaveLength(1);
  });

  it('ends the change that runs also when another process lifts it at once', async () => {
    const approval = await askRestart(rig);
    rig.runner.hold();
    const running = comeBack(approval);
    await rig.runner.begun(1);

    await elsewhere(true);
    await elsewhere(false);

    expect(await running).toMatchObject({ result: { ran: [{ end: { kind: 'cancelled' } }] } });
  });

  it('is answered only when every process over the data directory has seen it', async () => {
    const here = openFreeze(rig.dataDir);
    const watches = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const other = openFreeze(rig.dataDir);
        return other.watch(await other.read());
      }),
    );

    await here.obey({ frozen: true, by: 'admin', at: rig.clock.now() });

    expect(watches.map(({ signal }) => signal.aborted)).toEqual([true, true, true, true, true]);
    for (const watch of watches) watch.release();
  });

  it('is obeyed also where an order of a clock that was ahead is on disk', async () => {
    rig.clock.advance(240_000);
    await order('freeze');
    rig.clock.advance(1);
    await order('unfreeze');
    rig.clock.advance(-240_000);

    expect(await order('freeze')).toMatchObject({ ok: true });
    expect(await ask(1)).toMatchObject({
      kind: 'refused',
      reason: expect.stringMatching(/stopped by owner/),
    });
  });

  it('stops what was asked before it also when the clock of the bot is behind', async () => {
    const approval = await askRestart(rig);
    const behind = (what: OrderStatement['order'], ms: number) =>
      rig.tools.order(testSign({ ...statement(what), at: rig.clock.now() - ms }));
    expect(await behind('freeze', 200_000)).toMatchObject({ ok: true });
    expect(await behind('unfreeze', 199_000)).toMatchObject({ ok: true });

    expect(await comeBack(approval)).toMatchObject({
      kind: 'refused',
      reason: expect.stringMatching(/nothing from before/),
    });
  });

  it('is not lost to an older unfreeze of another process at the same moment', async () => {
    const all = await Promise.all(
      Array.from({ length: 30 }, async () => {
        const dir = mkdtempSync(join(tmpdir(), 'freeze-'));
        const [one, other] = [openFreeze(dir), openFreeze(dir)];
        await Promise.all([
          one.obey({ frozen: true, by: 'one', at: 2000 }),
          other.obey({ frozen: false, by: 'other', at: 1000 }),
        ]);
        const state = await one.read();
        rmSync(dir, { recursive: true });
        return state;
      }),
    );

    expect(all.filter(({ frozen, frozenAt }) => frozen && frozenAt === 2000)).toHaveLength(30);
  });

  it('is not lifted again by the unfreeze that lifted an earlier one, when it comes late itself', async () => {
    const freeze = openFreeze(rig.dataDir);
    const lift = { frozen: false, by: 'admin', at: 1000 };
    await freeze.obey(lift);
    await freeze.obey({ frozen: true, by: 'admin', at: 500, now: 2000 });

    expect(await freeze.obey(lift)).toBeUndefined();
    expect(await freeze.read()).toMatchObject({ frozen: true, frozenAt: 2000 });
  });

  it('waits for no process that hangs with the file, an unfreeze is refused', async () => {
    const { pid, started, machine } = thisProcess();
    symlinkSync(`${pid} ${started} ${machine} hangs`, join(rig.dataDir, 'freeze.lock'));
    const freeze = openFreeze(rig.dataDir);

    expect(await freeze.obey({ frozen: true, by: 'admin', at: 1 })).toMatchObject({ frozen: true });
    await expect(freeze.obey({ frozen: false, by: 'admin', at: 2 })).rejects.toThrow(/nothing was lifted/);
    expect(await freeze.read()).toMatchObject({ frozen: true });
  });

  it('is in force and on record where a window cannot be removed, and says so', async () => {
    mkdirSync(join(rig.dataDir, 'windows', 'no-file.json'), { recursive: true });

    expect(await order('freeze')).toMatchObject({
      ok: true,
      text: expect.stringMatching(/could not be removed/),
    });
    expect(rig.audit.events.at(-1)).toMatchObject({ kind: 'changes.frozen', data: { left: true } });
    expect(await ask(1)).toMatchObject({ kind: 'refused' });
  });

  it('that comes again after it was lifted, as kept for a worker that was away, stops nothing', async () => {
    const stop = testSign(statement('freeze'));
    await rig.tools.order(stop);
    rig.clock.advance(1000);
    await order('unfreeze');
    await rig.restart();

    expect(await rig.tools.order(stop)).toMatchObject({ ok: false });
    expect(await ask(1)).toMatchObject({ kind: 'approval' });
  });

  it('when lifted resumes nothing: what was asked before stays stopped, what is asked anew runs', async () => {
    const before = await askRestart(rig);
    rig.clock.advance(1000);
    await order('freeze');
    rig.clock.advance(1000);

    expect(await order('unfreeze')).toMatchObject({ ok: true });
    expect(await comeBack(before)).toMatchObject({
      kind: 'refused',
      reason: expect.stringMatching(/nothing from before/),
    });

    const id = callIdFor(run, 5);
    const asked = await call(rig, 'execute_command', restart, { callId: id });
    if (asked.kind !== 'approval') throw new Error('not asked');
    const votes = [votedBy(alice, asked.request, rig.clock)];
    expect(
      await call(rig, 'execute_command', restart, {
        callId: id,
        grant: { sealed: asked.request.sealed, votes },
      }),
    ).toMatchObject({ kind: 'result' });
  });

  it('ends every window', async () => {
    const approval = await askRestart(rig);
    await call(rig, 'execute_command', restart, {
      grant: { sealed: approval.sealed, votes: [votedBy(alice, approval, rig.clock, { windowMinutes: 60 })] },
    });
    rig.clock.advance(1000);
    await order('freeze');
    rig.clock.advance(1000);
    await order('unfreeze');

    expect(await ask(1)).toMatchObject({ kind: 'approval' });
  });

  it.each<[string, () => ReturnType<Rig['tools']['order']>]>([
    ['by somebody who is no admin', () => order('freeze', alice)],
    [
      'with the signature of somebody else',
      () => {
        const { privateKey } = generateKeyPairSync('ed25519');
        const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
        return rig.tools.order(signer(pem)(statement('freeze')));
      },
    ],
    [
      'with another order written over the signed one',
      () => {
        const signed = testSign(statement('revoke'));
        return rig.tools.order({ ...signed, statement: { ...signed.statement, order: 'freeze' } });
      },
    ],
    [
      'from an hour ago',
      () => rig.tools.order(testSign({ ...statement('freeze'), at: rig.clock.now() - 3600_000 })),
    ],
  ])('%s is refused and on record', async (_, give) => {
    expect(await give()).toMatchObject({ ok: false });
    expect(await ask(1)).toMatchObject({ kind: 'approval' });
    expect(rig.audit.events.map((e) => e.kind)).toContain('call.refused');
  });

  it('is not lifted by an unfreeze that was given before it and comes again', async () => {
    await order('freeze');
    rig.clock.advance(1000);
    const old = testSign(statement('unfreeze'));
    await rig.tools.order(old);
    rig.clock.advance(1000);
    await order('freeze');

    expect(await rig.tools.order(old)).toMatchObject({ ok: false });
    expect(await ask(1)).toMatchObject({ kind: 'refused' });
  });

  it('is in force when its file cannot be read', async () => {
    writeFileSync(join(rig.dataDir, 'freeze.json'), '{"fro');

    expect(await ask(1)).toMatchObject({ kind: 'refused', reason: expect.stringMatching(/cannot be read/) });
  });
});
