import { describe, expect, it } from 'vitest';
import { call, scriptedModel } from '../fakes/scripted-model.ts';
import { scriptedTools } from '../fakes/scripted-tools.ts';
import { newTeam, newWorld, type World } from '../fakes/team.ts';

const model = () =>
  scriptedModel([{ text: 'It hangs.', calls: [call('execute_command')] }, { text: 'Done.' }]);
const rule = { name: 'own-change-here', approvers: ['owner'], people: 1, requesterMay: true };

/** Questions wait ten minutes and are to be reminded of after two. */
function reminding(): World {
  const world = newWorld();
  const { now } = world.clock;
  const tools = scriptedTools({ now, approval: () => ({ rule, remindAt: now() + 120_000 }) });
  return { ...world, tools };
}

async function asked(world: World) {
  const team = newTeam(world, model());
  await team.ask('restart it');
  await team.queue.idle();
  return team;
}

const reminders = (world: World) =>
  world.room.posts.flatMap(({ view }) =>
    view.kind === 'segment'
      ? view.parts.flatMap((p) => (p.kind === 'notice' && /waiting/i.test(p.text) ? [p.text] : []))
      : [],
  );

describe('a question that nobody answers', () => {
  it('is reminded of once, in a message of its own, saying what waits and for whom', async () => {
    const world = reminding();
    const team = await asked(world);
    expect(reminders(world)).toEqual([]);

    world.clock.advance(121_000);
    await team.queue.idle();
    world.clock.advance(60_000);
    await team.queue.idle();

    expect(reminders(world)).toEqual([
      'Still waiting for approval: execute_command on local. It needs 1 of owner; the card is above.',
    ]);
    await team.decide('approve');
    await team.queue.idle();
    expect(team.status()).toBe('finished');
    expect(reminders(world)).toEqual(['No longer waiting: execute_command on local (approved).']);
  });

  it('is reminded of after a restart too', async () => {
    const world = reminding();
    await asked(world);
    const next = newTeam(world, model());
    world.clock.advance(121_000);

    for (const id of await next.store.due(world.clock.now(), 10)) await next.queue.advance(id);
    await next.queue.idle();

    expect(reminders(world)).toHaveLength(1);
  });

  it('is not reminded of when it was decided before', async () => {
    const world = reminding();
    const team = await asked(world);
    await team.decide('deny', 'not now');
    world.clock.advance(121_000);
    await team.queue.idle();

    expect(reminders(world)).toEqual([]);
  });

  it('expires all the same', async () => {
    const world = reminding();
    const team = await asked(world);
    world.clock.advance(121_000);
    await team.queue.idle();
    world.clock.advance(600_000);
    await team.queue.idle();

    expect(reminders(world)).toEqual(['No longer waiting: execute_command on local (expired).']);
    expect(world.tools.ran).toEqual([]);
  });
});
