/**
 * Twenty clicks of two people at once and a Deny among them, on the started console: one verdict, at most one run,
 * everybody answered in words, each click on record; also when everything is killed in their midst.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Decided } from '../../src/core/ports.ts';
import type { CardView } from '../../src/core/view.ts';
import { needs } from '../needs.ts';
import { kill, newId, newRecorder, type Recorder } from './recorder.ts';

const limit = 90_000;

interface Click {
  readonly who: 'ada' | 'grace';
  readonly verdict: 'approve' | 'deny';
  readonly id: string;
}

/** The Deny stands somewhere among the approvals of both. */
const clicks = (): readonly Click[] =>
  Array.from({ length: 21 }, (_, i) => ({
    who: i % 2 === 0 ? 'ada' : 'grace',
    verdict: i === 7 ? 'deny' : 'approve',
    id: newId(),
  }));

needs(
  'redis-server',
  'sshd',
  'dash',
)('twenty clicks of two people and a Deny, all at once', () => {
  let recorder: Recorder;
  beforeAll(async () => {
    recorder = await newRecorder({ addByCommand: true });
    await recorder.start();
  }, limit);
  afterAll(() => recorder?.close(), limit);

  const asked = async (tag: string, host: string) => {
    const { thread } = await recorder.ask({ id: newId(), command: 'record', tag, host });
    return { thread, card: await recorder.card(thread) };
  };
  const pressAll = (card: CardView, all: readonly Click[]) =>
    Promise.all(all.map(({ who, verdict, id }) => recorder.press(who, card, verdict, id)));
  const killEverything = async () => {
    for (const pid of Object.values(recorder.pids())) kill(pid, 'SIGKILL');
    await recorder.gone();
  };
  const onRecord = ({ approvalId }: CardView, kind: string) =>
    recorder.audited().filter((l) => l.kind === kind && l.data?.approval === approvalId);
  /** What the thread says is what happened: it ran once where it was approved, never where it was denied. */
  const expectTruth = async (thread: string, tag: string) => {
    const { card, call } = await recorder.ended(thread);
    expect(['approved', 'denied']).toContain(card?.verdict);
    expect(recorder.ran(tag)).toHaveLength(card?.verdict === 'approved' ? 1 : 0);
    expect(call?.outcome).toMatch(card?.verdict === 'approved' ? /^exit 0$/ : /^Denied by /);
  };
  const answered = (answers: readonly Decided[]) => {
    for (const { text } of answers) expect(text).toMatch(/^(Approved|Denied|Already (approved|denied) by)/);
    return answers.filter((a) => a.kind === 'counted').length;
  };

  it(
    'give one verdict, and after kill -9 of everything it stands',
    async () => {
      const { thread, card } = await asked('at-once', 'web-1');

      expect(answered(await pressAll(card, clicks()))).toBe(1);

      await expectTruth(thread, 'at-once');
      // Each click has one line of how it ended: one was counted, all others were refused.
      expect(onRecord(card, 'approval.refused')).toHaveLength(20);
      expect(onRecord(card, 'approval.voted').length).toBeGreaterThan(0);

      await killEverything();
      await recorder.start();
      expect(answered(await pressAll(card, clicks()))).toBe(0);
      await expectTruth(thread, 'at-once');
      expect(onRecord(card, 'approval.refused')).toHaveLength(41);
    },
    limit,
  );

  it(
    'with everything killed while they are pressed, and pressed again after it: one verdict all the same',
    async () => {
      const { thread, card } = await asked('killed', 'web-2');
      const all = clicks();

      const first = Promise.allSettled(
        all.map(({ who, verdict, id }) => recorder.press(who, card, verdict, id)),
      );
      await killEverything();
      const before = (await first).flatMap((a) => (a.status === 'fulfilled' ? [a.value] : []));
      await recorder.start();
      const after = await pressAll(card, all);

      // A click may have been counted whose answer did not arrive any more.
      expect(answered([...before, ...after])).toBeLessThanOrEqual(1);
      await expectTruth(thread, 'killed');
    },
    limit,
  );
});
