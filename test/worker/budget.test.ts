/**
 * The budget of a run against an obedient model: one that asks for whatever it was told to, without end.
 */
import { describe, expect, it } from 'vitest';
import { callIdFor } from '../../src/core/ids.ts';
import { defaultBudget } from '../../src/core/policy.ts';
import { allCalls, pendingApprovals } from '../../src/core/run.ts';
import { agentSpoke, settleCall } from '../../src/core/run-changes.ts';
import { budgetSpent, refuseOverBudget } from '../../src/worker/budget.ts';
import { waitingRun } from '../fakes/approvals.ts';
import { createMemoryRunStore } from '../fakes/memory-run-store.ts';
import { ann } from '../fakes/policy.ts';
import { testRun } from '../fakes/requests.ts';
import { call, type ScriptedFunction, scriptedModel } from '../fakes/scripted-model.ts';
import { newTeam, newWorld } from '../fakes/team.ts';

const many = (n: number, make: (i: number) => ReturnType<typeof call>) =>
  Array.from({ length: n }, (_, i) => make(i));
const disk = (i: number) => call('check_disk', { path: `/srv/${i}` });

async function obey(model: ScriptedFunction, budget: Partial<typeof defaultBudget> = {}) {
  const world = newWorld();
  const store = createMemoryRunStore(world.runs);
  const team = newTeam(world, scriptedModel(model), store, { ...defaultBudget, ...budget });
  await team.ask('do as the text says');
  await team.queue.idle();
  const [run] = store.all();
  if (!run) throw new Error('no run');
  return { world, team, run, reads: team.reads().join('\n') };
}

describe('an obedient model', () => {
  it('that asks for 500 commands at once gets as many as the budget has, and is stopped with a message', async () => {
    const { world, run, reads } = await obey(() => ({ calls: many(500, disk) }));

    expect(world.tools.ran).toHaveLength(defaultBudget.calls);
    expect(run.state).toMatchObject({ kind: 'failed', problem: { code: 'budget-spent' } });
    expect(reads).toMatch(/400 more were asked for and left out/);
    expect(reads).toMatch(/Stopped after 1 steps and 100 tool calls/);
  });

  it('that asks for one command after another is stopped by its turns', async () => {
    let n = 0;
    const { world, run } = await obey(() => ({ calls: [disk(n++)] }), { turns: 12 });

    expect(world.tools.ran).toHaveLength(12);
    expect(run.state).toMatchObject({ kind: 'failed', problem: { code: 'budget-spent' } });
  });

  it('that asks for 50 changes opens five questions, and is told of the rest that they were not asked', async () => {
    const { world, run } = await obey(() => ({
      calls: many(50, (i) => call('execute_command', { command_name: `c${i}` })),
    }));

    expect(pendingApprovals(run)).toHaveLength(5);
    expect(run.state.kind).toBe('waiting');
    const refused = allCalls(run).flatMap((c) => (c.state.kind === 'refused' ? [c.state.reason] : []));
    expect(refused).toHaveLength(45);
    expect(new Set(refused)).toEqual(
      new Set([expect.stringContaining('5 questions of this run are open already')]),
    );
    expect(world.tools.ran).toEqual([]);
  });

  it('that goes from host to host is held to its hosts', async () => {
    const steps = [{ calls: many(6, (i) => call('check_disk', { host: `web-${i}` })) }, { text: 'Done.' }];
    const { world, run } = await obey((input) => steps[input.messages.length > 1 ? 1 : 0] ?? {}, {
      hosts: 2,
    });

    expect(world.tools.ran.map((r) => r.args.host)).toEqual(['web-0', 'web-1']);
    expect(allCalls(run).filter((c) => c.state.kind === 'refused')).toHaveLength(4);
    expect(run.state.kind).toBe('finished');
  });

  it('that asks groups is held to the hosts that they turned out to have', async () => {
    const ran = (n: number) => ({
      command: 'disk_usage',
      host: 'web-0',
      line: 'df',
      end: { kind: 'exited', code: 0 } as const,
      ms: 1,
      output: '',
      truncated: false,
      sameOn: Array.from({ length: n - 1 }, (_, i) => `web-${i + 1}`),
    });
    const base = testRun('e1');
    const first = agentSpoke(
      base,
      { text: '', calls: [{ modelId: 'a', tool: 'check_disk', args: { host: '@web' } }] },
      {},
      1,
    );
    const done = (n: number) =>
      settleCall(first, callIdFor(base.id, 0), {
        kind: 'done',
        ms: 1,
        result: { text: '', isError: false, ran: [ran(n)] },
      });
    const next = (n: number, host: string) => {
      const calls = [{ modelId: 'b', tool: 'check_memory', args: { host } }];
      const run = refuseOverBudget(agentSpoke(done(n), { text: '', calls }, {}, 2), {
        ...defaultBudget,
        hosts: 50,
      });
      return allCalls(run)[1]?.state;
    };

    expect(next(49, 'db-1')).toEqual({ kind: 'proposed' });
    expect(next(50, 'web-7')).toEqual({ kind: 'proposed' });
    expect(next(50, '@web')).toEqual({ kind: 'proposed' });
    expect(next(50, 'db-1')).toMatchObject({ kind: 'refused', reason: expect.stringContaining('50 hosts') });
    expect(next(49, 'db-1,db-2')).toMatchObject({ kind: 'refused' });
    expect(next(50, '@db')).toMatchObject({ kind: 'refused' });
  });

  it('that repeats exactly the same is stopped, whatever reasons it gives', async () => {
    let n = 0;
    const { world, run, reads } = await obey(() => ({
      calls: [call('check_disk', { reason: `because ${n++}` })],
    }));

    expect(world.tools.ran).toHaveLength(defaultBudget.repeats);
    expect(run.state).toMatchObject({ kind: 'failed', problem: { code: 'budget-spent' } });
    expect(reads).toMatch(/exactly the same again and again/);
  });

  it('is stopped when its tokens are used up', async () => {
    let n = 0;
    const { run, reads } = await obey(() => ({ calls: [disk(n++)] }), { tokens: 500 });

    expect(run.usage.requests).toBe(3);
    expect(reads).toMatch(/after 510 tokens, more than the 500 of a run/);
  });

  it('is stopped when its time is used up', async () => {
    let n = 0;
    const world = newWorld();
    const model = scriptedModel(() => {
      world.clock.advance(100_000);
      return { calls: [disk(n++)] };
    });
    const team = newTeam(world, model, undefined, { ...defaultBudget, seconds: 250 });
    await team.ask('slow');
    await team.queue.idle();

    expect(model.inputs).toHaveLength(3);
    expect(team.reads().join('\n')).toMatch(/after 300 s at work, of 250 s/);
  });
});

it('the time of a run leaves out what people took to decide', () => {
  const { run, request } = waitingRun(ann);
  const budget = { ...defaultBudget, seconds: 60 };
  const waited = request.expiresAt;

  expect(budgetSpent(run, budget, waited)).toBeUndefined();
  expect(budgetSpent(run, budget, waited + 60_000)).toMatchObject({ code: 'budget-spent' });
});
