import { expect, it } from 'vitest';
import { hasEnded, type Run } from '../../src/core/run.ts';
import { until } from '../contract/until.ts';
import { createMemoryRunStore } from '../fakes/memory-run-store.ts';
import { scriptedModel } from '../fakes/scripted-model.ts';
import { newTeam, newWorld } from '../fakes/team.ts';

it('a message that was about to be posted as the run ended says how it ended, not that it is at work', async () => {
  const world = newWorld();
  const store = createMemoryRunStore(world.runs);
  const ended = () => [...world.runs.values()].every((text) => hasEnded(JSON.parse(text) as Run));
  const announces = (run: Run | undefined) => run?.posts.some((p) => p.key.endsWith('.s1')) ?? false;
  const { update } = store;
  // That this message is about to be posted is saved, by bad luck, only after the end of the run.
  store.update = async (id, change) => {
    const before = await store.load(id);
    if (before && !announces(before) && announces(change(before))) await until('the run to end', ended);
    return update(id, change);
  };
  const team = newTeam(world, scriptedModel([]), store);

  await team.ask('run it', { direct: { command: 'restart', params: {}, host: 'local' } });
  await team.queue.idle();
  await team.decide('approve');
  await team.queue.idle();

  const segments = world.room.posts.flatMap(({ view }) => (view.kind === 'segment' ? [view] : []));
  expect(segments.map((s) => s.status)).toEqual([undefined, 'finished']);
  expect(segments.map((s) => s.stoppable)).toEqual([false, false]);
});

it('a card is on record also when its worker died before it noted where the card went', async () => {
  const world = newWorld();
  const store = createMemoryRunStore(world.runs);
  const { update } = store;
  let dies = true;
  store.update = async (id, change) => {
    const before = await store.load(id);
    const noted = before && change(before)?.posts.find((p) => p.key.endsWith('-a') && p.ref);
    if (dies && noted) throw new Error('died');
    return update(id, change);
  };
  const first = newTeam(world, scriptedModel([]), store);
  const received = await first.ask('run it', { direct: { command: 'restart', params: {}, host: 'local' } });
  await first.queue.idle();
  dies = false;

  const second = newTeam(world, scriptedModel([]), store);
  if (received.kind !== 'accepted') throw new Error('no run');
  await second.advancer.advance(received.runId);

  const posted = [...first.audit.events, ...second.audit.events].filter((e) => e.kind === 'approval.posted');
  const cards = world.room.posts.filter(({ view }) => view.kind === 'card');
  expect(posted.length).toBeGreaterThan(0);
  expect(first.audit.events.some((e) => e.kind === 'approval.posted')).toBe(true);
  expect(cards).toHaveLength(1);
  expect(posted.at(-1)).toMatchObject({ data: { message: cards[0]?.ref } });
});
