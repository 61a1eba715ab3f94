import { describe, expect, it } from 'vitest';
import type { ModelInput } from '../src/core/ports.ts';
import { allCalls, hasEnded } from '../src/core/run.ts';
import { createMemoryRunStore } from './fakes/memory-run-store.ts';
import { call, type ScriptedFunction, scriptedModel } from './fakes/scripted-model.ts';
import { newTeam, newWorld, type World } from './fakes/team.ts';

/** A model that goes by what it reads, so that a second worker gets the same turns: look, then change, then answer. */
const byHistory: ScriptedFunction = ({ messages }: ModelInput) => {
  const results = messages.filter((m) => m.role === 'results').length;
  if (results === 0) return { text: 'Looking.', calls: [call('check_disk'), call('check_disk')] };
  return results === 1 ? { text: 'It hangs.', calls: [call('execute_command')] } : { text: 'Done.' };
};

/** The life of one change, in a process whose store dies at one of its writes. */
async function live(world: World, dieAt?: { write: number; how: 'before' | 'after' }) {
  const store = createMemoryRunStore(world.runs);
  if (dieAt) store.dieAt(dieAt.write, dieAt.how);
  const team = newTeam(world, scriptedModel(byHistory), store);
  try {
    await team.ask('restart it');
    await team.queue.idle();
    await team.decide('approve');
    await team.queue.idle();
  } catch {
    // The process is dead: what it was doing just ends here.
  }
  return store.writes();
}

/** The next process: the platform delivers again what was not acknowledged, people press what is open. */
async function goOn(world: World) {
  const team = newTeam(world, scriptedModel(byHistory));
  await team.ask('restart it');
  for (let minute = 0; minute < 4; minute++) {
    world.clock.advance(60_000);
    for (const id of await team.store.due(world.clock.now(), 10)) await team.queue.advance(id);
    await team.queue.idle();
    const isOpen = world.room.posts.some((p) => p.view.kind === 'card' && p.view.verdict === 'pending');
    if (isOpen) await team.decide('approve');
    await team.queue.idle();
  }
  return team;
}

const undisturbed = await live(newWorld());

describe('a process that dies at any write of the store', () => {
  it('has many to die at', () => {
    expect(undisturbed).toBeGreaterThan(10);
  });

  const deaths = (['before', 'after'] as const).flatMap((how) =>
    Array.from({ length: undisturbed }, (_, i) => ({ write: i + 1, how })),
  );

  it.each(deaths)(
    'number $write, $how it took hold, is followed by one that ends the run, and the change ran once',
    async (death) => {
      const world = newWorld();

      await live(world, death);
      const next = await goOn(world);

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
