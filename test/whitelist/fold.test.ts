import { describe, expect, it } from 'vitest';
import type { CommandEnd } from '../../src/core/command.ts';
import { foldAnswers } from '../../src/whitelist/fold.ts';

const answer = (host: string, text: string, end: CommandEnd = { kind: 'exited', code: 0 }) => ({
  ran: { command: 'c', host, line: 'c', end, ms: 1, output: text, truncated: false },
  text,
});
const many = (n: number, text: string, from = 1) =>
  Array.from({ length: n }, (_, i) => answer(`h-${from + i}`, text));
const common = Array.from({ length: 12 }, (_, i) => `package-${i} 1.0`).join('\n');
const patched = common.replace('package-5 1.0', 'package-5 1.1');

describe('the answers of many hosts', () => {
  it('are folded: failures first, then who differs with a diff, then the majority, unreachable apart', async () => {
    const { answers, summary } = await foldAnswers([
      ...many(36, common),
      answer('h-37', patched),
      answer('h-38', 'no such file', { kind: 'exited', code: 1 }),
      answer('h-39', patched),
      answer('h-40', common),
      answer('h-41', '', { kind: 'unreachable', problem: 'h-41 (10.0.0.41:22) refused the connection' }),
      answer('h-42', '', { kind: 'unreachable', problem: 'h-42 (10.0.0.42:22) refused the connection' }),
    ]);

    expect(summary).toBe('37 of 40 agree; 3 differ (1 failed); 2 unreachable');
    expect(answers.map(({ kind, ran }) => [kind, ran.host, ran.sameOn?.length ?? 0])).toEqual([
      ['failed', 'h-38', 0],
      ['differs', 'h-37', 1],
      ['agrees', 'h-1', 36],
      ['unreachable', 'h-41', 1],
    ]);
    expect(answers[1]?.ran.differs).toBe(
      [
        '--- h-1 and 36 more',
        '+++ h-37, h-39',
        '@@ -5,3 +5,3 @@',
        ' package-4 1.0',
        '-package-5 1.0',
        '+package-5 1.1',
        ' package-6 1.0',
      ].join('\n'),
    );
    expect(answers[2]?.ran.differs).toBeUndefined();
  });

  it.each([
    [many(5, 'x'), 0, '5 of 5 agree'],
    [[...many(2, 'x'), answer('h-3', 'y')], 0, '2 of 3 agree; 1 differs'],
    [[answer('a', 'x'), answer('b', 'y'), answer('c', 'z')], 0, '3 answered, each differently'],
    [[...many(2, 'x'), ...many(2, 'y', 3)], 1, '4 answered, with 2 different results; 1 not run'],
    [
      many(3, 'x').map((a) => answer(a.ran.host, '', { kind: 'exited', code: 2 })),
      0,
      '3 of 3 agree (failed)',
    ],
    [[answer('a', '', { kind: 'unreachable', problem: 'p' })], 2, '1 unreachable; 2 not run'],
  ])('are summed up in one line: case %#', async (answers, notRun, summary) => {
    expect((await foldAnswers(answers, notRun)).summary).toBe(summary);
  });

  it('are the same only with the same end, however long it took', async () => {
    const slow = { ...answer('h-2', 'x'), ran: { ...answer('h-2', 'x').ran, ms: 900 } };
    const { answers } = await foldAnswers([
      answer('h-1', 'x'),
      slow,
      answer('h-3', 'x', { kind: 'exited', code: 1 }),
    ]);

    expect(answers.map((a) => [a.ran.host, a.ran.sameOn ?? []])).toEqual([
      ['h-3', []],
      ['h-1', ['h-2']],
    ]);
  });

  it('of two hosts are compared with each other', async () => {
    const { answers } = await foldAnswers([answer('a', common), answer('b', patched)]);

    expect(answers.map((a) => a.kind)).toEqual(['differs', 'agrees']);
    expect(answers[0]?.ran.differs).toContain('+package-5 1.1');
  });

  it('keep their diffs short and cost little time, however large and different they are', async () => {
    const lines = (n: number, k: number) =>
      Array.from({ length: n }, (_, i) => `l${i} ${(i * 7919) % k}`).join('\n');
    const begun = performance.now();
    const { answers } = await foldAnswers([
      ...many(30, lines(4000, 5)),
      ...Array.from({ length: 25 }, (_, i) => answer(`x-${i}`, lines(4000 + i, i + 6))),
    ]);

    expect(performance.now() - begun).toBeLessThan(4000);
    for (const { ran } of answers) expect((ran.differs ?? '').length).toBeLessThan(1700);
    expect(answers).toHaveLength(26);
  });
});
