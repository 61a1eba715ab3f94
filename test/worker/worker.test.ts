import { describe, expect, it } from 'vitest';
import type { Conversation } from '../../src/core/conversation.ts';
import { claim } from '../../src/core/run-changes.ts';
import { startWorker } from '../../src/worker/worker.ts';
import { recordingLogger } from '../fakes/logger.ts';
import { createMemoryRunQueue } from '../fakes/memory-run-queue.ts';
import { testRun } from '../fakes/requests.ts';
import { scriptedModel } from '../fakes/scripted-model.ts';
import { newTeam, newWorld } from '../fakes/team.ts';

describe('a worker', () => {
  it('takes up at its start the runs whose job the queue has lost', async () => {
    const world = newWorld();
    const before = newTeam(world, scriptedModel([]));
    const stopped = await before.queue.consume(async () => {});
    await stopped();
    await before.ask('disk?');

    const team = newTeam(world, scriptedModel([{ text: 'All fine.' }]));
    const queue = createMemoryRunQueue(world.clock);
    const worker = await startWorker({
      store: team.store,
      queue,
      advancer: team.advancer,
      clock: world.clock,
      logger: recordingLogger(),
    });
    await queue.idle();
    await worker.stop();

    expect(team.status()).toBe('finished');
  });

  it('lets go at a stop: the run is left for the next one, unended', async () => {
    const world = newWorld();
    world.tools.hold();
    const model = scriptedModel([{ calls: [{ modelId: 'a', tool: 'check_disk', args: {} }] }]);
    const team = newTeam(world, model);
    const received = await team.ask('disk?');
    await world.tools.begun(1);

    team.advancer.abandon();

    const run = received.kind === 'accepted' ? await team.store.load(received.runId) : undefined;
    expect(run?.state.kind).toBe('running');
    expect(run && claim(run, 'next', world.clock.now() + 6_000, 5_000)?.state.kind).toBe('running');
  });

  it('brings a run of a platform that is switched off here to its end, with nothing to show it on', async () => {
    const world = newWorld();
    const team = newTeam(world, scriptedModel([{ text: 'All fine.' }]));
    const elsewhere: Conversation = { platform: 'slack', channel: 'C1', thread: '1.1' };
    const run = testRun('1.1', 'disk?', { conversation: elsewhere, at: world.clock.now() });
    await team.store.create(run);

    await team.advancer.advance(run.id);

    expect(await team.store.load(run.id)).toMatchObject({ state: { kind: 'finished' }, told: true });
    expect(world.room.posts).toEqual([]);
  });
});
