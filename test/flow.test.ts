import { describe, expect, it } from 'vitest';
import { hasEnded } from '../src/core/run.ts';
import { until } from './contract/until.ts';
import { call, scriptedModel } from './fakes/scripted-model.ts';
import { newTeam, newWorld } from './fakes/team.ts';

const restart = () => call('execute_command', { command_name: 'restart_service', reason: 'it hangs' });
const restartThen = (text: string) => [{ text: 'It hangs.', calls: [restart()] }, { text }];

describe('a question', () => {
  it('is answered in its thread with the trace of what ran', async () => {
    const world = newWorld();
    const model = scriptedModel([
      { text: 'Looking.', calls: [call('check_disk'), call('check_disk')] },
      { text: 'All fine.' },
    ]);
    const team = newTeam(world, model);

    await team.ask('disk?');
    await team.queue.idle();

    expect(team.reads()).toEqual(['disk?\nLooking.\ncheck_disk: exit 0\ncheck_disk: exit 0\nAll fine.']);
    expect(team.status()).toBe('finished');
    expect(model.inputs[1]?.messages.at(-1)).toMatchObject({
      role: 'results',
      results: [{ isError: false }, { isError: false }],
    });
    expect(team.audit.events.map((e) => e.kind)).toEqual([
      'request.accepted',
      'model.called',
      'model.called',
      'run.ended',
    ]);
  });

  it('shows the text as it comes and one message in the end', async () => {
    const world = newWorld();
    const team = newTeam(world, scriptedModel([{ text: 'One two three four five six.' }]));

    await team.ask('count');
    await team.queue.idle();

    expect(world.room.posts).toHaveLength(1);
    expect(world.room.posts[0]?.edits).toBeGreaterThan(0);
  });

  it('knows what was said before in the thread', async () => {
    const world = newWorld();
    const model = scriptedModel([{ text: 'sda is full.' }, { text: 'Yes.' }]);
    const team = newTeam(world, model);

    await team.ask('disk?');
    await team.queue.idle();
    await team.ask('really?');
    await team.queue.idle();

    expect(model.inputs[1]?.messages).toEqual([
      { role: 'person', text: 'disk?' },
      { role: 'agent', text: 'sda is full.', calls: [] },
      { role: 'person', text: 'really?' },
    ]);
  });

  it('asked while the run works is taken up at its next turn', async () => {
    const world = newWorld();
    const held = world.tools.hold();
    const model = scriptedModel([{ calls: [call('check_disk')] }, { text: 'Both.' }]);
    const team = newTeam(world, model);

    await team.ask('disk?');
    await world.tools.begun(1);
    expect(await team.ask('and memory?')).toMatchObject({ kind: 'joined' });
    held.release();
    await team.queue.idle();

    expect(model.inputs[1]?.messages.map((m) => m.role)).toEqual(['person', 'agent', 'results', 'person']);
    expect(team.status()).toBe('finished');
  });

  it('that the model cannot answer ends with the reason and what to do', async () => {
    const problem = {
      code: 'model-overloaded',
      message: 'The model is overloaded.',
      remedy: 'Try again.',
    } as const;
    const usage = { requests: 3, inputTokens: 0, cachedTokens: 0, outputTokens: 0 };
    const team = newTeam(newWorld(), scriptedModel([{ kind: 'failed', problem, usage }]));

    await team.ask('disk?');
    await team.queue.idle();

    expect(team.reads()).toEqual(['disk?\nThe model is overloaded. Try again.']);
    expect(team.status()).toBe('failed');
  });

  it('that goes in circles is ended with a word', async () => {
    const team = newTeam(
      newWorld(),
      scriptedModel(() => ({ calls: [call('check_disk')] })),
    );

    await team.ask('disk?');
    await team.queue.idle();

    expect(team.status()).toBe('failed');
    expect(team.reads()[0]).toContain('Ask for a smaller part');
  });

  it('by name runs that command with no model', async () => {
    const world = newWorld();
    world.tools.asks = () => false;
    const model = scriptedModel([]);
    const team = newTeam(world, model);

    await team.ask('run uptime', { direct: { command: 'uptime', params: {}, host: 'local' } });
    await team.queue.idle();

    expect(model.inputs).toEqual([]);
    expect(world.tools.ran.map((r) => r.args)).toEqual([
      { command_name: 'uptime', parameters: {}, host: 'local' },
    ]);
    expect(team.status()).toBe('finished');
  });
});

describe('a change', () => {
  it('waits for people with nothing held, runs once approved, and the agent goes on', async () => {
    const world = newWorld();
    const team = newTeam(world, scriptedModel(restartThen('Restarted.')));

    await team.ask('restart it');
    await team.queue.idle();
    expect(world.tools.ran).toEqual([]);
    expect(team.status()).toBe('waiting');

    expect(await team.decide('approve')).toEqual({ kind: 'counted', text: 'Approved.' });
    await team.queue.idle();

    expect(world.tools.ran).toHaveLength(1);
    expect(world.tools.ran[0]?.grant?.votes).toHaveLength(1);
    expect(team.reads().map((text) => text.split('\n')[0])).toEqual([
      'restart it',
      'Approved owner',
      'Restarted.',
    ]);
    expect(team.reads()[1]).toContain('exit 0');
  });

  it('that is denied is not run, and the agent reads why', async () => {
    const world = newWorld();
    const model = scriptedModel(restartThen('Understood.'));
    const team = newTeam(world, model);

    await team.ask('restart it');
    await team.queue.idle();
    await team.decide('deny', 'not now');
    await team.queue.idle();

    expect(world.tools.ran).toEqual([]);
    expect(model.inputs[1]?.messages.at(-1)).toMatchObject({
      results: [{ text: 'Denied by owner: not now', isError: true }],
    });
    expect(team.status()).toBe('finished');
  });

  it('that nobody decides expires, and the agent is told', async () => {
    const world = newWorld();
    const team = newTeam(world, scriptedModel(restartThen('Nobody answered.')));

    await team.ask('restart it');
    await team.queue.idle();
    world.clock.advance(601_000);
    await team.queue.idle();

    expect(world.tools.ran).toEqual([]);
    expect(team.reads()[1]).toMatch(/^Expired/);
    expect(team.audit.events.map((e) => e.kind)).toContain('approval.expired');
    expect(team.status()).toBe('finished');
  });

  it('beside reads lets them finish before it waits', async () => {
    const world = newWorld();
    const team = newTeam(
      world,
      scriptedModel([{ calls: [call('check_disk'), restart()] }, { text: 'Done.' }]),
    );

    await team.ask('look and restart');
    await team.queue.idle();

    expect(world.tools.ran.map((r) => r.tool)).toEqual(['check_disk']);
    expect(team.status()).toBe('waiting');
  });

  it('among several runs one after another, each on its own word', async () => {
    const world = newWorld();
    const team = newTeam(world, scriptedModel([{ calls: [restart(), restart()] }, { text: 'Done.' }]));

    await team.ask('restart both');
    await team.queue.idle();
    await team.decide('approve');
    await team.queue.idle();
    expect([world.tools.ran.length, team.status()]).toEqual([1, 'waiting']);

    await team.decide('deny');
    await team.queue.idle();
    expect([world.tools.ran.length, team.status()]).toEqual([1, 'finished']);
  });

  it('is told as unknown when the server that ran it died, and is not run again', async () => {
    const world = newWorld();
    world.tools.hold();
    const model = scriptedModel(restartThen('I do not know.'));
    const team = newTeam(world, model);

    await team.ask('restart it');
    await team.queue.idle();
    await team.decide('approve');
    await world.tools.begun(1);
    world.tools.die();
    await team.queue.idle();

    expect(world.tools.ran).toHaveLength(1);
    expect(team.reads()[1]).toContain('outcome unknown');
    expect(model.inputs[1]?.messages.at(-1)).toMatchObject({
      results: [{ text: expect.stringContaining('not run again') }],
    });
  });
});

describe('stop', () => {
  it('ends what runs and says who said it', async () => {
    const world = newWorld();
    world.tools.hold();
    const team = newTeam(world, scriptedModel([{ calls: [call('check_disk')] }, { text: 'never' }]));

    await team.ask('disk?');
    await world.tools.begun(1);
    expect(await team.ask('stop')).toEqual({ kind: 'answered', text: 'Stopping.' });
    await team.queue.idle();

    expect(team.reads()[0]).toContain('check_disk: stopped, ended there');
    expect(team.reads()[0]).toContain('Stopped by owner.');
    expect(team.status()).toBe('cancelled');
  });

  it('ends a model that is thinking', async () => {
    const team = newTeam(
      newWorld(),
      scriptedModel(() => new Promise(() => {})),
    );

    await team.ask('disk?');
    await until('the first sign of life', () => team.status() === 'thinking');
    await team.ask('stop');
    await team.queue.idle();

    expect(team.status()).toBe('cancelled');
  });

  it('withdraws what waits for people', async () => {
    const world = newWorld();
    const team = newTeam(world, scriptedModel(restartThen('never')));

    await team.ask('restart it');
    await team.queue.idle();
    await team.ask('stop');
    await team.queue.idle();

    expect(team.reads()[1]).toMatch(/^Withdrawn/);
    expect(world.tools.ran).toEqual([]);
    expect(team.status()).toBe('cancelled');
  });
});

describe('the thread', () => {
  it('is brought up to date when the chat is back', async () => {
    const world = newWorld();
    const team = newTeam(world, scriptedModel([{ text: 'All fine.' }]));
    team.chat.down = true;

    await team.ask('disk?');
    await team.queue.idle();
    expect(world.room.posts).toEqual([]);

    team.chat.down = false;
    world.clock.advance(10_000);
    await team.queue.idle();
    expect(team.reads()).toEqual(['disk?\nAll fine.']);
  });

  it('is told when the run cannot be audited at its end, and the run does end', async () => {
    const world = newWorld();
    const model = scriptedModel([
      () => {
        team.audit.full = true;
        return { text: 'All fine.' };
      },
    ]);
    const team = newTeam(world, model);

    await team.ask('disk?');
    await team.queue.idle();

    const [run] = await team.store.history({ platform: 'console', channel: 'console', thread: 't1' }, 1);
    expect(run && hasEnded(run)).toBe(true);
  });
});
