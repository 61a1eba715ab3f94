import { describe, expect, it } from 'vitest';
import type { Conversation } from '../../src/core/conversation.ts';
import { allCalls } from '../../src/core/run.ts';
import { claim } from '../../src/core/run-changes.ts';
import { startWorker } from '../../src/worker/worker.ts';
import { recordingLogger } from '../fakes/logger.ts';
import { createMemoryRunQueue } from '../fakes/memory-run-queue.ts';
import { owner, testRun } from '../fakes/requests.ts';
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

  it.each([
    ['execute_command', 'lost'],
    ['check_disk', 'done'],
  ])('whose whitelist server is gone tells of a call of %s that it is %s', async (tool, kind) => {
    const world = newWorld();
    const model = scriptedModel([{ calls: [{ modelId: 'a', tool, args: {} }] }]);
    const team = newTeam(world, model);
    const received = await team.ask('do it');
    const id = received.kind === 'accepted' ? received.runId : undefined;
    if (!id) throw new Error('no run');
    // Nobody waits for it to come back: a person has said stop by then.
    world.tools.call = async () => {
      await team.inbox.stopped({ runId: id, user: owner, groups: [] });
      return { kind: 'unavailable', problem: { code: 'tools-unavailable', message: 'It is gone.' } };
    };
    await team.queue.idle();

    const run = await team.store.load(id);
    expect(run && allCalls(run).map((c) => c.state.kind)).toEqual([kind]);
  });

  it('refuses a question that would make its run outgrow the store', async () => {
    const targets = Array.from({ length: 400 }, (_, i) => ({
      host: `web-${i}`,
      address: 'a'.repeat(255),
      login: 'ops',
      hostKey: 'k'.repeat(255),
    }));
    const world = newWorld();
    world.tools.asks = () => true;
    const { call } = world.tools;
    world.tools.call = async (request, ...rest) => {
      const outcome = await call(request, ...rest);
      if (outcome.kind !== 'approval') return outcome;
      return {
        ...outcome,
        request: { ...outcome.request, subject: { ...outcome.request.subject, targets } },
      };
    };
    const calls = ['a', 'b', 'c', 'd'].map((modelId) => ({ modelId, tool: 'execute_command', args: {} }));
    const team = newTeam(world, scriptedModel([{ calls }]));

    const received = await team.ask('all of it');
    await team.queue.idle();

    const run = received.kind === 'accepted' ? await team.store.load(received.runId) : undefined;
    const states = run ? allCalls(run).map((c) => c.state) : [];
    expect(states.map((s) => s.kind)).toEqual(['waiting', 'waiting', 'waiting', 'refused']);
    expect(states.at(-1)).toMatchObject({ reason: expect.stringMatching(/^Too many hosts/) });
  });
});
