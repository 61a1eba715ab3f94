/**
 * Guarantees that only the whole system can keep, on the started program with its real Redis and a real sshd: events
 * twice, processes killed while something runs, a list that is emptied. test/guarantees.test.ts lists all of them.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../contract/until.ts';
import { needs } from '../needs.ts';
import { patienceMs } from './program.ts';
import { kill, newId, newRecorder, patiently, type Recorder } from './recorder.ts';

const limit = 120_000;

needs(
  'redis-server',
  'sshd',
  'dash',
)('the started program', () => {
  let recorder: Recorder;
  beforeAll(async () => {
    recorder = await newRecorder();
    await recorder.start();
  }, limit);
  afterAll(() => recorder?.close(), limit);

  const killProgram = async () => {
    const { program } = recorder.pids();
    kill(program, 'SIGKILL');
    await until('the program to end', () => recorder.pids().program !== program, patienceMs);
    await recorder.start();
  };
  const running = async (tag: string, host: string) => {
    const { thread } = await recorder.ask({ id: newId(), command: 'record_slow', tag, host });
    await recorder.press('ada', await recorder.card(thread));
    await until('it to run', () => recorder.ran(tag).length === 1, patienceMs);
    return thread;
  };

  it(
    'takes an event that is delivered twice for one request',
    async () => {
      const asked = { id: newId(), command: 'record', tag: 'twice', host: 'web-1' } as const;

      const [first, second] = await Promise.all([recorder.ask(asked), recorder.ask(asked)]);
      const card = await recorder.card(first.thread);
      const third = await recorder.ask(asked);

      expect([second, third]).toEqual([first, first]);
      expect((await recorder.open('ada')).map((l) => l.card.approvalId)).toEqual([card.approvalId]);
    },
    limit,
  );

  describe('whose process is killed', () => {
    it(
      'while a change runs, the worker: the whitelist server finishes it and the next worker tells its result',
      async () => {
        const thread = await running('worker-killed', 'web-2');

        await killProgram();

        expect((await recorder.ended(thread)).call?.outcome).toBe('exit 0');
        expect(recorder.ran('worker-killed')).toHaveLength(1);
      },
      limit,
    );

    it(
      'while a change runs, the whitelist server: what its host has of it is fetched and told, with no second run',
      async () => {
        const thread = await running('server-killed', 'web-3');

        kill(recorder.pids().whitelist, 'SIGKILL');

        const { call } = await recorder.ended(thread);
        expect(call?.outcome).toBe('exit 0');
        expect(call?.ran[0]?.probe?.after).toBeDefined();
        expect(recorder.ran('server-killed')).toHaveLength(1);
      },
      limit,
    );

    it(
      'while a read runs: it runs again, and the answer is told',
      async () => {
        const { thread } = await recorder.ask({ id: newId(), command: 'read_slow', tag: '', host: 'web-4' });
        await until('it to run', () => recorder.reads() === 1, patienceMs);

        kill(recorder.pids().whitelist, 'SIGKILL');

        expect((await recorder.ended(thread)).call?.outcome).toBe('exit 0');
        expect(recorder.reads()).toBe(2);
      },
      limit,
    );
  });

  it(
    'refuses when nobody is left who could approve, and never lets anybody instead',
    async () => {
      const { thread } = await recorder.ask({ id: newId(), command: 'record', tag: 'nobody', host: 'web-5' });
      const card = await recorder.card(thread);
      recorder.write('policy', recorder.texts.policy.replaceAll('who: [ada, grace]', 'who: []'));
      // A file that was just written is taken a moment later, at the next thing that people do.
      await until(
        'the policy to be taken',
        async () => {
          await recorder.as('owner', '/api/ask', { id: newId(), text: 'status', thread });
          return recorder.audited().some((l) => l.kind === 'config.loaded' && l.data?.changes);
        },
        patienceMs,
      );

      const click = await recorder.press('ada', card);
      const asked = await recorder.ask({ id: newId(), command: 'record', tag: 'nobody', host: 'web-6' });
      const { call } = await patiently('the end', () => recorder.ended(asked.thread));

      expect(click.kind).toBe('refused');
      expect(call).toMatchObject({ status: 'refused', outcome: expect.stringContaining('nobody') });
      expect(recorder.ran('nobody')).toEqual([]);
    },
    limit,
  );
});
