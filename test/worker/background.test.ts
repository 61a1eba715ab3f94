import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ToolOutcome, Tools } from '../../src/core/ports.ts';
import { call, scriptedModel } from '../fakes/scripted-model.ts';
import { newTeam, newWorld } from '../fakes/team.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
});
afterEach(() => vi.useRealTimers());

/** A call that runs until it is ended, telling how it comes along. */
function longCall() {
  let end: (outcome: ToolOutcome) => void = () => {};
  let tell: (message: string) => void = () => {};
  const running = new Promise<ToolOutcome>((resolve) => {
    end = resolve;
  });
  const calling: Tools['call'] = (_request, _signal, onProgress) => {
    tell = onProgress ?? tell;
    return running;
  };
  return {
    calling,
    end: (text: string) => end({ kind: 'result', result: { text, isError: false, ran: [] } }),
    tell: (m: string) => tell(m),
  };
}

async function started() {
  const world = newWorld();
  const long = longCall();
  const tools = { ...world.tools, call: long.calling };
  const team = newTeam(
    { ...world, tools },
    scriptedModel([{ calls: [call('check_disk')] }, { text: 'Done.' }]),
  );
  await team.ask('disk?');
  const pass = async (seconds: number) => {
    world.clock.advance(seconds * 1000);
    await vi.advanceTimersByTimeAsync(seconds * 1000);
  };
  await pass(1);
  return { world, team, long, pass, reads: () => team.reads().join('\n') };
}

describe('a call that outlasts people', () => {
  it('is said to run in the background, for how long and how it comes along, with the stop button', async () => {
    const { team, long, pass, reads, world } = await started();
    expect(reads()).not.toContain('background');

    await pass(20);
    expect(reads()).toMatch(/check_disk: running in the background for 2\d s/);
    long.tell('25 s, 4096 bytes of output so far');
    await pass(60);

    expect(reads()).toMatch(/in the background for 1 min \d+ s: 25 s, 4096 bytes of output so far/);
    expect(world.room.posts.at(-1)?.view).toMatchObject({ kind: 'segment', stoppable: true });
    long.end('all fine');
    await pass(1);
    await team.queue.idle();
    expect(reads()).not.toContain('background');
    expect(team.status()).toBe('finished');
  });

  it('is not when it ends in time', async () => {
    const { long, pass, reads, team } = await started();
    await pass(10);
    long.end('all fine');
    await pass(60);
    await team.queue.idle();

    expect(reads()).not.toContain('background');
  });
});
