/**
 * How soon: `stop` in a thread to the end of the remote process, and a click to the start of the command on its
 * target, on the started program and a real sshd. TIMINGS=n prints the median of n clicks; the suite makes a few.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../contract/until.ts';
import { needs } from '../needs.ts';
import { pids } from '../whitelist/ssh/watching.ts';
import { patienceMs } from './program.ts';
import { newId, newRecorder, type Recorder } from './recorder.ts';

const limit = 120_000;
const clicks = Number(process.env.TIMINGS ?? (process.env.CHECK_DEEP === '1' ? 20 : 3));
/** What people are promised, and room for a machine that does other things beside. */
const promisedMs = 1_000;
const busyMs = process.env.TIMINGS === undefined ? 4_000 : promisedMs;

needs(
  'redis-server',
  'sshd',
  'dash',
)('how soon', () => {
  let recorder: Recorder;
  beforeAll(async () => {
    recorder = await newRecorder();
    await recorder.start();
  }, limit);
  afterAll(() => recorder?.close(), limit);

  it(
    'a stop ends the remote process, and the thread says that it did',
    async () => {
      const { thread } = await recorder.ask({ id: newId(), command: 'read_forever', tag: '', host: 'web-1' });
      const running = () => pids('^sleep 987$');
      await until('the command to run', () => running().length > 0, patienceMs);

      const said = performance.now();
      const answer = await recorder.as('owner', '/api/ask', { id: newId(), text: 'stop', thread });
      await until('the remote process to end', () => running().length === 0, patienceMs);
      const ms = Math.round(performance.now() - said);
      const told = await recorder.ended(thread);

      console.info(`stop to the end of the remote process: ${ms} ms`);
      expect(answer.body).toMatchObject({ result: { kind: 'answered', text: 'Stopping.' } });
      expect(told.status).toBe('cancelled');
      expect(told.call?.outcome).toBe('stopped, ended there');
      expect(ms).toBeLessThan(busyMs);
    },
    limit,
  );

  it(
    'a click starts the command on its target',
    async () => {
      const took: number[] = [];
      for (let n = 0; n < clicks; n++) {
        const tag = `click-${n}`;
        const { thread } = await recorder.ask({
          id: newId(),
          command: 'record',
          tag,
          host: `web-${(n % 12) + 1}`,
        });
        const card = await recorder.card(thread);
        await until('it to wait', async () => (await recorder.read(thread)).status === 'waiting', patienceMs);
        // The target is this machine: one clock.
        const at = BigInt(Math.round((performance.timeOrigin + performance.now()) * 1e6));
        await recorder.press('ada', card);
        await recorder.ended(thread);
        const [began = 0n] = recorder.ran(tag);
        took.push(Number(began - at) / 1e6);
      }

      const sorted = took.sort((a, b) => a - b);
      const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
      const [least = 0, most = 0] = [sorted[0], sorted.at(-1)];
      console.info(
        `click to the start on the target, ${clicks} clicks: median ${Math.round(median)} ms, ${Math.round(least)} to ${Math.round(most)} ms`,
      );
      expect(median).toBeGreaterThan(0);
      expect(median).toBeLessThan(busyMs);
    },
    limit,
  );
});
