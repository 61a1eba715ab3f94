/**
 * The suite of the RunQueue port: a nudge may come late or twice, but one that was asked for is never lost.
 */
import { describe, expect, it } from 'vitest';
import { type RunId, runIdFor } from '../../src/core/ids.ts';
import type { RunQueue } from '../../src/core/ports.ts';
import { until } from './until.ts';

export function runQueueContract(
  name: string,
  create: () => Promise<{ queue: RunQueue; elapse(ms: number): Promise<void>; close(): Promise<void> }>,
): void {
  describe(`${name} keeps the run queue contract`, () => {
    const a = runIdFor('console', 'a');
    const b = runIdFor('console', 'b');
    const using =
      (test: (queue: RunQueue, elapse: (ms: number) => Promise<void>) => Promise<void>) => async () => {
        const { queue, elapse, close } = await create();
        try {
          await test(queue, elapse);
        } finally {
          await close();
        }
      };

    it(
      'hands each advance to the handler, also those asked for before there was one',
      using(async (queue) => {
        const seen: RunId[] = [];
        await queue.advance(a);
        const stop = await queue.consume(async (id) => {
          seen.push(id);
        });
        await queue.advance(b);

        await until('both advances', () => seen.includes(a) && seen.includes(b));
        await stop();
      }),
    );

    it(
      'runs one advance of a run at a time and keeps one more',
      using(async (queue) => {
        const releases: (() => void)[] = [];
        let active = 0;
        let most = 0;
        const stop = await queue.consume(async () => {
          active += 1;
          most = Math.max(most, active);
          await new Promise<void>((resolve) => releases.push(resolve));
          active -= 1;
        });

        await queue.advance(a);
        await until('the first advance', () => releases.length === 1);
        for (let i = 0; i < 5; i++) await queue.advance(a);
        releases[0]?.();
        await until('one more advance', () => releases.length === 2);
        releases[1]?.();
        await until('the end of it', () => active === 0);

        expect(most).toBe(1);
        await stop();
      }),
    );

    it(
      'lets a timer wait without holding back an immediate advance',
      using(async (queue, elapse) => {
        const seen: RunId[] = [];
        const stop = await queue.consume(async (id) => {
          seen.push(id);
        });

        await queue.advance(a, { name: 'expiry', afterMs: 400 });
        await queue.advance(a);
        await until('the immediate advance', () => seen.length === 1);
        await elapse(400);
        await until('the timer', () => seen.length === 2);

        await stop();
      }),
    );

    it(
      'goes on with other runs while one is slow',
      using(async (queue) => {
        let release = () => {};
        const seen: RunId[] = [];
        const stop = await queue.consume(async (id) => {
          if (id === a) await new Promise<void>((resolve) => (release = resolve));
          seen.push(id);
        });

        await queue.advance(a);
        await queue.advance(b);
        await until('the other run', () => seen.includes(b));

        expect(seen).toEqual([b]);
        release();
        await until('the slow run', () => seen.includes(a));
        await stop();
      }),
    );

    it(
      'tells every listener of a nudge',
      using(async (queue) => {
        const heard: string[] = [];
        const stops = await Promise.all([
          queue.onNudge((id) => heard.push(`1 ${id}`)),
          queue.onNudge((id) => heard.push(`2 ${id}`)),
        ]);

        await queue.nudge(a);

        await until('both listeners', () => heard.length === 2);
        expect(heard.sort()).toEqual([`1 ${a}`, `2 ${a}`]);
        for (const stop of stops) await stop();
      }),
    );
  });
}
