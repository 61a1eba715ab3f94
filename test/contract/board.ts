/**
 * The suite of the Board port: what the console's page relies on to miss no line and to double none.
 */
import { describe, expect, it } from 'vitest';
import type { Board, BoardEntry } from '../../src/core/ports.ts';
import type { SegmentView } from '../../src/core/view.ts';
import { owner, testRun } from '../fakes/requests.ts';
import { until } from './until.ts';

const view = (text: string, status: SegmentView['status'] = 'thinking'): SegmentView => ({
  kind: 'segment',
  runId: testRun('board').id,
  parts: [{ kind: 'person', user: owner, text, at: 1 }],
  ...(status ? { status } : {}),
  stoppable: false,
});

export function boardContract(
  name: string,
  create: () => Promise<{ board: Board; close(): Promise<void> }>,
): void {
  describe(`${name} keeps the board contract`, () => {
    const using = (test: (board: Board) => Promise<void>) => async () => {
      const { board, close } = await create();
      try {
        await test(board);
      } finally {
        await close();
      }
    };

    it(
      'keeps an entry in its place when it changes, and counts every change',
      using(async (board) => {
        await board.put('t1', 'a', view('one'));
        await board.put('t1', 'b', view('two'));
        const again = await board.put('t1', 'a', view('one, changed'));

        const entries = await board.read('t1');
        expect(entries.map((e) => e.key)).toEqual(['a', 'b']);
        expect(entries[0]).toEqual(again);
        expect(again.seq).toBeGreaterThan(entries[1]?.seq ?? 0);
        expect(new Set(entries.map((e) => e.order)).size).toBe(2);
      }),
    );

    it(
      'keeps threads apart and lists the newest first, by their first words and last status',
      using(async (board) => {
        await board.put('t1', 'a', view('one'));
        await board.put('t2', 'a', view('two'));
        await board.put('t1', 'b', view('later words', 'finished'));

        expect(await board.read('t3')).toEqual([]);
        const threads = await board.threads(10);
        expect(threads.find((t) => t.thread === 't1')).toMatchObject({ title: 'one', status: 'finished' });
        expect(threads.find((t) => t.thread === 't2')).toMatchObject({ title: 'two', status: 'thinking' });
        expect(await board.threads(1)).toHaveLength(1);
      }),
    );

    it(
      'tells every watcher of every entry with its newest state, until it stops watching',
      using(async (board) => {
        const seen: BoardEntry[] = [];
        const stop = await board.watch((entry) => seen.push(entry));

        await board.put('t1', 'a', view('one'));
        await board.put('t1', 'a', view('two'));
        await until('the newest state', () => JSON.stringify(seen.at(-1)?.view).includes('two'));
        await stop();
        const count = seen.length;
        await board.put('t1', 'a', view('three'));
        await board.put('t1', 'b', view('four'));

        expect(seen).toHaveLength(count);
      }),
    );

    it(
      'keeps odd text as it is',
      using(async (board) => {
        const odd = ']{"a":1}\u202e\u0000\ud83d\ude00 "\\';
        await board.put('t1', 'odd key ] "', view(odd));

        const [entry] = await board.read('t1');
        expect(entry?.key).toBe('odd key ] "');
        expect(entry?.view).toEqual(view(odd));
      }),
    );
  });
}
