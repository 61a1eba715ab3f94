import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApprovalRequest } from '../../src/core/approval.ts';
import { type CallId, callIdFor, runIdFor } from '../../src/core/ids.ts';
import type { VoteStatement } from '../../src/core/signed.ts';
import { openFreeze } from '../../src/whitelist/freeze.ts';
import { openWindows } from '../../src/whitelist/windows.ts';
import { signedRequest, testSign, thread } from '../fakes/requests.ts';
import {
  alice,
  askRestart,
  bob,
  call,
  catalogue,
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
});
afterEach(() => rig.close());

const comeBack = (approval: ApprovalRequest, vote: Partial<VoteStatement> = {}) =>
  call(rig, 'execute_command', restart, {
    grant: { sealed: approval.sealed, votes: [votedBy(alice, approval, rig.clock, vote)] },
  });

/** The restart of nginx, approved by Alice with a window of 15 minutes, has run once. */
async function opened(): Promise<ApprovalRequest> {
  const approval = await askRestart(rig);
  expect(await comeBack(approval, { windowMinutes: 15 })).toMatchObject({ kind: 'result' });
  return approval;
}

let calls = 1;
const again = (over: Parameters<typeof call>[3] = {}, args: Parameters<typeof call>[2] = restart) =>
  call(rig, 'execute_command', args, { callId: callIdFor(run, calls++) as CallId, ...over });

describe('a window', () => {
  it('lets the same command run again in the thread, saying whose word that was, on record', async () => {
    const approval = await opened();

    const outcome = await again();

    expect(outcome).toMatchObject({
      kind: 'result',
      result: { ran: [{ command: 'restart_service', allowedBy: expect.stringContaining(approval.id) }] },
    });
    expect(rig.runner.ran).toHaveLength(2);
    expect(rig.audit.events.find((e) => e.kind === 'window.granted')?.data).toMatchObject({
      approvalId: approval.id,
      until: rig.clock.now() + 15 * 60_000,
    });
    expect(rig.audit.events.filter((e) => e.kind === 'command.started').at(-1)?.data).toMatchObject({
      window: approval.id,
      approvers: ['console:alice'],
    });
  });

  it('outlives the process', async () => {
    await opened();
    await rig.restart();

    expect(await again()).toMatchObject({ kind: 'result' });
  });

  it.each<[string, () => unknown]>([
    ['another argument', () => ({ args: { ...restart, parameters: { service_name: 'sshd' } } })],
    ['another command', () => ({ args: { command_name: 'reboot' } })],
    [
      'another thread',
      () => {
        const elsewhere = { ...thread, thread: 't2' };
        const other = runIdFor('console', 'e9');
        const request = signedRequest('e9', { conversation: elsewhere, at: rig.clock.now() });
        return { callId: callIdFor(other, 0), requests: [request] };
      },
    ],
    [
      'a host that moved',
      () => {
        rig.given.hosts = [{ ...host, address: '10.0.0.9' }];
        return rig.restart();
      },
    ],
    [
      'a host with another key',
      () => {
        rig.given.keys.set('local', ['SHA256:second']);
        return {};
      },
    ],
    [
      'a changed text of the command',
      () => {
        rig.given.catalogue = catalogue.map((c) =>
          c.name === 'restart_service' ? { ...c, timeoutSeconds: 9 } : c,
        );
        return rig.restart();
      },
    ],
    [
      'the time when it is over',
      () => {
        rig.clock.advance(15 * 60_000);
        return {};
      },
    ],
    [
      'an approver who was removed',
      () => {
        rig.given.policy = { ...policy, approve: policy.approve.map((r) => ({ ...r, who: ['Bob'] })) };
        return {};
      },
    ],
    [
      'a rule that now wants two',
      () => {
        rig.given.policy = { ...policy, approve: policy.approve.map((r) => ({ ...r, people: 2 })) };
        return {};
      },
    ],
    [
      'the approver asking for it himself',
      () => ({ requests: [signedRequest('e1', { user: alice, runId: run, at: rig.clock.now() })] }),
    ],
  ])('does not cover %s: people are asked', async (_, change) => {
    await opened();
    const over = ((await change()) ?? {}) as { args?: typeof restart } & Parameters<typeof call>[3];
    const { args = restart, ...rest } = over;

    expect(await again(rest, args)).toMatchObject({ kind: 'approval' });
    expect(rig.runner.ran).toHaveLength(1);
  });

  it.each([
    [
      'its votes are not signed by the bot',
      (text: string) => text.replace(/"signature":"[^"]{6}/, '"signature":"AAAAAA'),
    ],
    [
      'its end was put off in the votes',
      (text: string) => text.replace('"windowMinutes":15', '"windowMinutes":60'),
    ],
    ['it is cut short', (text: string) => text.slice(0, 80)],
  ])('covers nothing when %s', async (_, forge) => {
    const approval = await opened();
    const file = join(rig.dataDir, 'windows', `${approval.id}.json`);
    writeFileSync(file, forge(readFileSync(file, 'utf8')));

    expect(await again()).toMatchObject({ kind: 'approval' });
  });

  it('from before a stop covers nothing when that is lifted, also where its file was left', async () => {
    const approval = await opened();
    const freeze = openFreeze(rig.dataDir);
    rig.clock.advance(1000);
    await freeze.obey({ frozen: true, by: 'admin', at: rig.clock.now() });
    rig.clock.advance(1000);
    await freeze.obey({ frozen: false, by: 'admin', at: rig.clock.now() });
    rig.clock.advance(1000);

    expect(await again()).toMatchObject({ kind: 'approval' });
    expect(existsSync(join(rig.dataDir, 'windows', `${approval.id}.json`))).toBe(true);
  });

  it('opened before the clock went back covers nothing, and is over', async () => {
    const approval = await opened();
    rig.clock.advance(-3600_000);

    expect(await again()).toMatchObject({ kind: 'approval' });
    rig.clock.advance(3600_000);
    expect(await again()).toMatchObject({ kind: 'approval' });
    expect(existsSync(join(rig.dataDir, 'windows', `${approval.id}.json`))).toBe(false);
  });

  it.each([
    ['command.started', 'refused', 0],
    ['window.granted', 'result', 1],
  ] as const)('is not opened where %s cannot be recorded', async (kind, outcome, runs) => {
    const approval = await askRestart(rig);
    const { record } = rig.audit;
    rig.audit.record = async (event) => {
      if (event.kind === kind) throw new Error('no space');
      return record(event);
    };

    expect(await comeBack(approval, { windowMinutes: 60 })).toMatchObject({ kind: outcome });
    rig.audit.record = record;
    expect(await again()).toMatchObject({ kind: 'approval' });
    expect(rig.runner.ran).toHaveLength(runs);
  });

  it('is ended by whoever is first of many, and what cannot be ended is told', async () => {
    const approval = await opened();
    const dir = join(rig.dataDir, 'windows');
    const text = readFileSync(join(dir, `${approval.id}.json`), 'utf8');
    for (let i = 0; i < 20; i++) writeFileSync(join(dir, `more-${i}.json`), text);
    const windows = openWindows(rig.dataDir);

    const all = await Promise.all([1, 2, 3].map(() => windows.revoke(undefined)));

    expect(all.map(({ left }) => left)).toEqual([false, false, false]);
    expect(all.reduce((sum, { ended }) => sum + ended, 0)).toBe(21);
    mkdirSync(join(dir, 'no-file.json'));
    expect(await windows.revoke(thread)).toEqual({ ended: 0, left: true });
  });

  it('is not opened when only one of two approvers wants it, and is the shorter of two', async () => {
    rig.given.policy = { ...policy, approve: policy.approve.map((r) => ({ ...r, people: 2 })) };
    const first = await askRestart(rig);
    const votes = [votedBy(alice, first, rig.clock, { windowMinutes: 60 }), votedBy(bob, first, rig.clock)];
    await call(rig, 'execute_command', restart, { grant: { sealed: first.sealed, votes } });
    expect(rig.audit.events.some((e) => e.kind === 'window.granted')).toBe(false);

    const id = callIdFor(run, 70);
    const second = await call(rig, 'execute_command', restart, { callId: id });
    if (second.kind !== 'approval') throw new Error('not asked');
    const both = [
      votedBy(alice, second.request, rig.clock, { windowMinutes: 60 }),
      votedBy(bob, second.request, rig.clock, { windowMinutes: 15 }),
    ];
    await call(rig, 'execute_command', restart, {
      callId: id,
      grant: { sealed: second.request.sealed, votes: both },
    });
    expect(rig.audit.events.find((e) => e.kind === 'window.granted')?.data).toMatchObject({
      until: rig.clock.now() + 15 * 60_000,
    });
  });

  it('is never opened for a critical change', async () => {
    const reboot = { command_name: 'reboot' };
    const id = callIdFor(run, 80);
    const asked = await call(rig, 'execute_command', reboot, { callId: id });
    if (asked.kind !== 'approval') throw new Error('not asked');
    const votes = [alice, bob].map((who) => votedBy(who, asked.request, rig.clock, { windowMinutes: 60 }));

    expect(
      await call(rig, 'execute_command', reboot, {
        callId: id,
        grant: { sealed: asked.request.sealed, votes },
      }),
    ).toMatchObject({ kind: 'result' });
    expect(await again({}, reboot)).toMatchObject({ kind: 'approval' });
  });

  it('is ended by "revoke" in its thread, and by nobody who may not talk there', async () => {
    await opened();
    const order = (user: typeof owner) =>
      rig.tools.order(
        testSign({
          kind: 'order',
          order: 'revoke',
          user,
          groups: [],
          conversation: thread,
          at: rig.clock.now(),
        }),
      );

    expect(await order({ platform: 'slack', id: 'U9', name: 'Stranger' })).toMatchObject({ ok: false });
    expect(readdirSync(join(rig.dataDir, 'windows'))).toHaveLength(1);
    expect(await order(owner)).toMatchObject({ ok: true, text: 'Ended: 1 open here.' });
    expect(await again()).toMatchObject({ kind: 'approval' });
    mkdirSync(join(rig.dataDir, 'windows', 'no-file.json'));
    expect(await order(owner)).toMatchObject({
      ok: false,
      text: expect.stringContaining('could not be removed'),
    });
  });
});
