import { describe, expect, it } from 'vitest';
import type { ApprovalRequest } from '../src/core/approval.ts';
import type { RanCommand } from '../src/core/command.ts';
import type { Decision } from '../src/core/conversation.ts';
import type { ModelInput } from '../src/core/ports.ts';
import { allCalls, hasEnded, type Run } from '../src/core/run.ts';
import { until } from './contract/until.ts';
import { createMemoryRunStore } from './fakes/memory-run-store.ts';
import { ann, bob } from './fakes/policy.ts';
import { call, type ScriptedFunction, scriptedModel } from './fakes/scripted-model.ts';
import type { ScriptedTools } from './fakes/scripted-tools.ts';
import { newTeam, newWorld, type World } from './fakes/team.ts';

/** A model that goes by what it reads, so that a second worker gets the same turns: look, then change, then answer. */
const byHistory: ScriptedFunction = ({ messages }: ModelInput) => {
  const results = messages.filter((m) => m.role === 'results').length;
  if (results === 0) return { text: 'Looking.', calls: [call('check_disk'), call('check_disk')] };
  return results === 1 ? { text: 'It hangs.', calls: [call('execute_command')] } : { text: 'Done.' };
};

/** One way in which a change comes about: what is asked of people, who presses what, and what must be so in the end. */
interface Story {
  readonly name: string;
  readonly approval?: (now: number) => Partial<ApprovalRequest>;
  /** Each press of a button that the decision takes. */
  readonly presses: readonly Partial<Decision>[];
  /** People look only after so many ms. */
  readonly lookAfterMs?: number;
  readonly answer?: ScriptedTools['answer'];
  check?(world: World, run: Run): void;
}

const oncall = { name: 'oncall-approves', approvers: ['oncall'], requesterMay: false } as const;
const target = (host: string) => ({ host, address: '127.0.0.1', login: 'ops', hostKey: 'SHA256:test' });
const ranOn = (host: string): RanCommand => ({
  command: 'execute_command',
  host,
  line: 'execute_command',
  end: { kind: 'exited', code: 0 },
  ms: 1,
  output: '',
  truncated: false,
});
const grants = ({ tools }: World) => tools.ran.flatMap((r) => r.grant ?? []);

const stories: readonly Story[] = [
  { name: 'one person approves', presses: [{}] },
  {
    name: 'two people must approve',
    approval: () => ({ rule: { ...oncall, people: 2 } }),
    presses: [{ user: ann }, { user: bob }],
    check: (world) => {
      const voters = grants(world).flatMap((g) => g.votes.map((v) => v.statement.user.name));
      expect(voters.sort()).toEqual(['ann', 'bob']);
    },
  },
  {
    name: 'a window is opened with it',
    approval: () => ({ rule: { ...oncall, people: 1 } }),
    presses: [{ user: ann, windowMinutes: 15 }],
    check: (world) => {
      const minutes = grants(world).flatMap((g) => g.votes.map((v) => v.statement.windowMinutes));
      expect(minutes).toEqual([15]);
    },
  },
  {
    name: 'it is for several hosts',
    approval: () => ({
      subject: {
        command: 'execute_command',
        description: 'Changes something',
        line: 'execute_command',
        targets: ['web-1', 'web-2', 'web-3'].map(target),
        risk: 'change',
      },
    }),
    presses: [{}],
    answer: (request) =>
      request.tool === 'execute_command'
        ? {
            text: 'ran on two of three',
            isError: false,
            ran: ['web-1', 'web-2'].map(ranOn),
            notRun: [{ command: 'execute_command', hosts: ['web-3'], reason: 'stopped after web-2' }],
          }
        : { text: 'read', isError: false, ran: [ranOn('local')] },
    check: (_, run) => {
      const last = allCalls(run).at(-1)?.state;
      expect(last?.kind === 'done' && last.result.ran.map((r) => r.host)).toEqual(['web-1', 'web-2']);
    },
  },
  {
    name: 'people have to be reminded',
    approval: (now) => ({ remindAt: now + 60_000 }),
    presses: [{}],
    lookAfterMs: 61_000,
    check: (world, run) => {
      const reminders = world.room.posts.filter((p) => p.key.endsWith('.r'));
      expect(reminders).toHaveLength(allCalls(run).some((c) => c.approval?.reminded) ? 1 : 0);
    },
  },
];

const newWorldFor = (story: Story): World => {
  const world = newWorld(story.approval);
  if (story.answer) world.tools.answer = story.answer;
  return world;
};

/** The life of one change, in a process whose store dies at one of its writes. */
async function live(world: World, story: Story, dieAt?: { write: number; how: 'before' | 'after' }) {
  const store = createMemoryRunStore(world.runs);
  if (dieAt) store.dieAt(dieAt.write, dieAt.how);
  const team = newTeam(world, scriptedModel(byHistory), store);
  try {
    await team.ask('restart it');
    await team.queue.idle();
    if (story.lookAfterMs) world.clock.advance(story.lookAfterMs);
    await team.queue.idle();
    for (const press of story.presses) await team.decide('approve', undefined, press);
    await team.queue.idle();
  } catch {
    // The process is dead: what it was doing just ends here.
  }
  return store.writes();
}

/** The next process: the platform delivers again what was not acknowledged, people press what is open. */
async function goOn(world: World, story: Story) {
  const team = newTeam(world, scriptedModel(byHistory));
  const isOpen = () => world.room.posts.some((p) => p.view.kind === 'card' && p.view.verdict === 'pending');
  await team.ask('restart it');
  for (let minute = 0; minute < 4; minute++) {
    world.clock.advance(60_000);
    for (const id of await team.store.due(world.clock.now(), 10)) await team.queue.advance(id);
    await team.queue.idle();
    for (const press of story.presses) {
      if (isOpen()) await team.decide('approve', undefined, press);
      await team.queue.idle();
    }
  }
  return team;
}

describe.each(stories)('a process that dies at any write of the store, where $name', async (story) => {
  const undisturbed = await live(newWorldFor(story), story);

  it('has many to die at', () => {
    expect(undisturbed).toBeGreaterThan(10);
  });

  const deaths = (['before', 'after'] as const).flatMap((how) =>
    Array.from({ length: undisturbed }, (_, i) => ({ write: i + 1, how })),
  );

  it.each(deaths)(
    'number $write, $how it took hold, is followed by one that ends the run, and the change ran once',
    async (death) => {
      const world = newWorldFor(story);

      await live(world, story, death);
      const next = await goOn(world, story);

      const [run, ...others] = await next.store.history(
        { platform: 'console', channel: 'console', thread: 't1' },
        10,
      );
      expect(others).toEqual([]);
      expect(run && hasEnded(run) && run.told).toBe(true);
      expect(run?.state.kind).toBe('finished');
      expect(run && allCalls(run).map((c) => c.state.kind)).toEqual(['done', 'done', 'done']);
      expect(world.tools.ran.filter((r) => r.tool === 'execute_command')).toHaveLength(1);
      expect(world.room.posts.map((p) => p.key)).toEqual([...new Set(world.room.posts.map((p) => p.key))]);
      expect(next.status()).toBe('finished');
      if (run) story.check?.(world, run);
    },
  );
});

describe('a worker that is slow', () => {
  it('loses the run when its lease runs out, and what it does afterwards changes nothing', async () => {
    const world = newWorld();
    const held = world.tools.hold();
    const slow = newTeam(
      world,
      scriptedModel([{ calls: [call('check_disk')] }, { text: 'from the slow one' }]),
    );
    await slow.ask('disk?');
    await world.tools.begun(1);

    world.clock.advance(6_000);
    const other = newTeam(world, scriptedModel([{ text: 'from the other' }]));
    for (const id of await other.store.due(world.clock.now(), 10)) await other.queue.advance(id);
    await world.tools.begun(2);
    held.release();
    await Promise.all([slow.queue.idle(), other.queue.idle()]);

    const [run] = await other.store.history({ platform: 'console', channel: 'console', thread: 't1' }, 1);
    expect(run?.turns.at(-1)).toMatchObject({ text: 'from the other' });
    expect(slow.logger.lines.map((l) => l.message)).toContain('run taken over by another worker');
    expect(other.reads().at(-1)).toContain('from the other');
  });
});

describe('a worker that stands still while its change runs', () => {
  it('for longer than its lease: another one gets the result of that run, and it is told once', async () => {
    const world = newWorld();
    const held = world.tools.hold();
    const change = { calls: [call('execute_command')] };
    const slow = newTeam(world, scriptedModel([change, { text: 'from the slow one' }]));
    await slow.ask('restart it');
    await slow.queue.idle();
    await slow.decide('approve');
    await world.tools.begun(1);

    world.clock.advance(12_000);
    const other = newTeam(world, scriptedModel([{ text: 'from the other' }]));
    for (const id of await other.store.due(world.clock.now(), 10)) await other.queue.advance(id);
    await until('the other to call again', () => world.tools.calls.filter((c) => c.grant).length === 2);
    held.release();
    await Promise.all([slow.queue.idle(), other.queue.idle()]);

    expect(world.tools.ran).toHaveLength(1);
    expect(slow.logger.lines.map((l) => l.message)).toContain('run taken over by another worker');
    expect(other.reads().filter((text) => text.includes('from the'))).toEqual([
      expect.stringContaining('from the other'),
    ]);
    expect(other.reads()[1]).toContain('exit 0');
    expect(other.status()).toBe('finished');
  });
});

describe('a queue that delivers badly', () => {
  it('twice, late and after the end does no harm', async () => {
    const world = newWorld();
    const team = newTeam(world, scriptedModel(byHistory));
    const received = await team.ask('restart it');
    if (received.kind !== 'accepted') throw new Error(received.kind);
    const { runId } = received;
    await Promise.all([team.advancer.advance(runId), team.advancer.advance(runId), team.queue.idle()]);
    world.clock.advance(6_000);
    await team.queue.idle();
    await team.decide('approve');
    await Promise.all([team.advancer.advance(runId), team.advancer.advance(runId)]);
    world.clock.advance(6_000);
    await team.queue.idle();

    const before = JSON.stringify(await team.store.load(runId));
    await team.advancer.advance(runId);

    expect(JSON.stringify(await team.store.load(runId))).toBe(before);
    expect(world.tools.ran.filter((r) => r.tool === 'execute_command')).toHaveLength(1);
    expect(team.status()).toBe('finished');
  });
});
