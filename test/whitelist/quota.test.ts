/**
 * Quotas of people and budgets of runs, counted where commands are let through: over restarts, processes and clients.
 */
import { appendFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callIdFor, runIdFor } from '../../src/core/ids.ts';
import { defaultBudget, type Policy, type Quota } from '../../src/core/policy.ts';
import { signedRequest } from '../fakes/requests.ts';
import {
  alice,
  asked,
  askRestart,
  call,
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

const quota = (over: Partial<Quota> = {}): Quota => ({ name: 'few', perDay: 2, together: false, ...over });
const set = (change: Partial<Policy>) => {
  rig.given.policy = { ...policy, ...change };
};
const check = (n: number, over: Parameters<typeof call>[3] = {}) =>
  call(rig, 'check_disk', {}, { callId: callIdFor(run, n), ...over });
const kinds = async (calls: readonly ReturnType<typeof call>[]) =>
  (await Promise.all(calls)).map((o) => o.kind);
const countFile = () => {
  const dir = join(rig.dataDir, 'quota');
  return join(dir, readdirSync(dir)[0] ?? `${new Date(rig.clock.now()).toISOString().slice(0, 10)}.jsonl`);
};

describe('a quota', () => {
  it('lets so many through a day and refuses the next with the rule’s name, on record', async () => {
    set({ quotas: [quota()] });

    expect(await kinds([check(0), check(1)])).toEqual(['result', 'result']);
    expect(await check(2)).toMatchObject({
      kind: 'refused',
      reason:
        "Owner has used up today's quota of disk_usage: 2 of 2 (rule few). It begins anew at midnight UTC.",
    });
    expect(rig.runner.ran).toHaveLength(2);
    expect(rig.audit.events.at(-1)).toMatchObject({ kind: 'call.refused', data: { rule: 'few' } });
  });

  it('lets exactly so many of many at once through', async () => {
    set({ quotas: [quota({ perDay: 4 })], budget: { ...defaultBudget, repeats: 100 } });

    const all = await kinds(Array.from({ length: 12 }, (_, i) => check(i)));

    expect(all.filter((k) => k === 'result')).toHaveLength(4);
    expect(rig.runner.ran).toHaveLength(4);
  });

  it('is not reset by a restart, and begins anew the next day', async () => {
    set({ quotas: [quota({ perDay: 1 })] });
    await check(0);
    await rig.restart();

    expect(await check(1)).toMatchObject({ kind: 'refused' });
    rig.clock.advance(86_400_000);
    expect(await check(2)).toMatchObject({ kind: 'result' });
  });

  it('counts what another process over the same data directory let through', async () => {
    set({ quotas: [quota({ perDay: 1 })] });
    const first = rig.connect();
    await rig.restart();

    await check(0);
    expect(await check(1, { tools: first })).toMatchObject({ kind: 'refused' });
  });

  it('lets exactly so many through two processes at once', async () => {
    set({ quotas: [quota({ perDay: 3 })], budget: { ...defaultBudget, repeats: 100 } });
    const first = rig.connect();
    await rig.restart();

    const all = await kinds(
      Array.from({ length: 12 }, (_, i) => check(i, { tools: i % 2 === 0 ? first : rig.tools })),
    );

    expect(all.filter((k) => k === 'result')).toHaveLength(3);
    expect(rig.runner.ran).toHaveLength(3);
    expect(readdirSync(rig.dataDir)).not.toContain('quota.lock');
  });

  it('counts a call that comes again after a restart once', async () => {
    set({ quotas: [quota({ perDay: 1 })] });
    await check(0);
    await rig.restart();

    expect(await check(0)).toMatchObject({ kind: 'result' });
  });

  it('is one for all accounts of a person, and each person has their own', async () => {
    set({ quotas: [quota({ perDay: 1 })] });
    const as = (platform: 'slack' | 'console', id: string) => {
      const user = { platform, id, name: id } as const;
      const runId = runIdFor(platform, `e-${id}`);
      const conversation = { platform, channel: 'C1', thread: '1' };
      const request = signedRequest(`e-${id}`, { user, runId, conversation, at: rig.clock.now() });
      return call(rig, 'check_disk', {}, { callId: callIdFor(runId, 0), requests: [request] });
    };

    expect((await as('console', 'alice')).kind).toBe('result');
    expect(await as('slack', 'U1')).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('Alice'),
    });
    expect((await as('console', 'bob')).kind).toBe('result');
  });

  it('counts for everybody who joined the run', async () => {
    set({ quotas: [quota({ perDay: 1, who: ['Alice'] })] });
    const both = { requests: [asked(rig.clock), asked(rig.clock, alice)] };

    expect(await kinds([check(0, both)])).toEqual(['result']);
    expect(await check(1, both)).toMatchObject({ kind: 'refused', reason: expect.stringContaining('Alice') });
    expect((await check(2)).kind).toBe('result');
  });

  it('of several commands together counts them together, and no other', async () => {
    set({ quotas: [quota({ categories: ['disk', 'memory'], together: true, perDay: 2 })] });
    const memory = () => call(rig, 'check_memory', {}, { callId: callIdFor(run, 1) });

    expect([(await check(0)).kind, (await memory()).kind, (await check(2)).kind]).toEqual([
      'result',
      'result',
      'refused',
    ]);
    const other = call(rig, 'execute_command', { command_name: 'uptime' }, { callId: callIdFor(run, 3) });
    expect((await other).kind).toBe('result');
  });

  it('of changes counts runs, not questions, and when it is used up nobody is asked', async () => {
    set({ quotas: [quota({ perDay: 1, risk: ['change'] })] });
    const approval = await askRestart(rig);
    const grant = { sealed: approval.sealed, votes: [votedBy(alice, approval, rig.clock)] };

    expect((await call(rig, 'execute_command', restart, { grant })).kind).toBe('result');
    expect(await call(rig, 'execute_command', restart, { callId: callIdFor(run, 1) })).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('quota of restart_service'),
    });
  });

  it('holds for a client without a signed request too', async () => {
    set({ quotas: [quota({ perDay: 1, who: ['mcp'] })] });
    const unsigned = () => call(rig, 'check_disk', {}, { requests: [] });

    expect((await unsigned()).kind).toBe('result');
    await unsigned();
    expect(rig.runner.ran).toHaveLength(1);
  });

  it('that cannot be counted refuses', async () => {
    set({ quotas: [quota()] });
    mkdirSync(countFile());

    expect(await check(0)).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('cannot be counted'),
    });
    expect(rig.runner.ran).toHaveLength(0);
    rmSync(countFile(), { recursive: true });
  });

  it('is not confused by a line that a dying process left half-written', async () => {
    set({ quotas: [quota({ perDay: 2 })] });
    await check(0);
    appendFileSync(countFile(), '{"kind":"run","who":["Own');
    await rig.restart();

    expect(await kinds([check(1)])).toEqual(['result']);
    expect((await check(2)).kind).toBe('refused');
  });
});

describe('the budget of a run', () => {
  const service = (n: number, name: string) =>
    call(rig, 'check_service', { service_name: name }, { callId: callIdFor(run, n) });

  it('holds for calls whatever the worker asks, and another run has its own', async () => {
    set({ budget: { ...defaultBudget, calls: 3 } });

    const all = [];
    for (let i = 0; i < 5; i++) all.push(await service(i, `unit-${i}`));
    expect(all.map((o) => o.kind)).toEqual(['result', 'result', 'result', 'refused', 'refused']);
    expect(all[3]).toMatchObject({ reason: expect.stringMatching(/used up its budget: 3 tool calls/) });

    const other = runIdFor('console', 'e2');
    const request = signedRequest('e2', { user: owner, at: rig.clock.now() });
    expect(
      (await call(rig, 'check_disk', {}, { callId: callIdFor(other, 0), requests: [request] })).kind,
    ).toBe('result');
  });

  it('holds for hosts', async () => {
    const [first] = rig.given.hosts;
    if (!first) throw new Error('no host');
    rig.given.hosts = [first, { ...first, name: 'two' }, { ...first, name: 'three' }];
    await rig.restart();
    set({ budget: { ...defaultBudget, hosts: 2 } });
    const on = (n: number, host: string) => call(rig, 'check_disk', { host }, { callId: callIdFor(run, n) });

    expect([(await on(0, 'local')).kind, (await on(1, 'two')).kind]).toEqual(['result', 'result']);
    expect(await on(2, 'three')).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('2 hosts'),
    });
    expect((await on(3, 'two')).kind).toBe('result');
  });

  it('stops exactly the same call repeated, over a restart', async () => {
    set({ budget: { ...defaultBudget, repeats: 2 } });
    await check(0);
    await rig.restart();
    await check(1);

    expect(await check(2)).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('exactly this disk_usage 2 times'),
    });
    expect((await service(3, 'nginx')).kind).toBe('result');
  });

  it('bounds how many questions a run can put to people', async () => {
    set({ budget: { ...defaultBudget, openApprovals: 1 } });
    const outcomes = [];
    for (let i = 0; i < 6; i++)
      outcomes.push(
        await call(
          rig,
          'execute_command',
          { command_name: 'restart_service', parameters: { service_name: `unit-${i}` } },
          { callId: callIdFor(run, i) },
        ),
      );

    expect(outcomes.map((o) => o.kind)).toEqual([...Array(4).fill('approval'), 'refused', 'refused']);
    expect(rig.audit.events.filter((e) => e.kind === 'approval.asked')).toHaveLength(4);
  });
});
