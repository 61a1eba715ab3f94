/**
 * Board in memory: the console's threads without Redis. It outlives the console that shows it, so a test can
 * restart the one and keep the other; `fail` makes it a store that cannot be reached.
 */
import { OpsError } from '../../src/core/errors.ts';
import type { Board, BoardEntry, Clock, ThreadSummary } from '../../src/core/ports.ts';
import type { View } from '../../src/core/view.ts';

export interface MemoryBoard extends Board {
  fail(down: boolean): void;
  readonly watchers: number;
}

interface Thread {
  readonly entries: Map<string, BoardEntry>;
  seq: number;
}

export function createMemoryBoard(clock: Clock = { now: () => Date.now() }): MemoryBoard {
  const threads = new Map<string, Thread>();
  const listeners = new Set<(entry: BoardEntry) => void>();
  let down = false;
  const reach = () => {
    if (down) throw new OpsError('store-unavailable', 'The board cannot be reached.');
  };

  return {
    async put(thread, key, view) {
      reach();
      const kept = threads.get(thread) ?? { entries: new Map<string, BoardEntry>(), seq: 0 };
      threads.set(thread, kept);
      const order = kept.entries.get(key)?.order ?? kept.entries.size + 1;
      kept.seq += 1;
      const entry: BoardEntry = { thread, key, view, order, seq: kept.seq, at: clock.now() };
      kept.entries.set(key, entry);
      for (const listener of listeners) listener(entry);
      return entry;
    },
    async threads(limit) {
      reach();
      return [...threads]
        .map(([thread, { entries }]) => summary(thread, [...entries.values()]))
        .sort((a, b) => b.updatedAt - a.updatedAt)
        .slice(0, limit);
    },
    async read(thread) {
      reach();
      return [...(threads.get(thread)?.entries.values() ?? [])].sort((a, b) => a.order - b.order);
    },
    async watch(listener) {
      reach();
      listeners.add(listener);
      return async () => {
        listeners.delete(listener);
      };
    },
    fail: (isDown) => {
      down = isDown;
    },
    get watchers() {
      return listeners.size;
    },
  };
}

function summary(thread: string, entries: readonly BoardEntry[]): ThreadSummary {
  const said = entries.flatMap(({ view }) => (view.kind === 'segment' ? view.parts : []));
  const first = said.find((part) => part.kind === 'person');
  const statuses = entries.map(({ view }) => statusOf(view)).filter((status) => status !== '');
  return {
    thread,
    title: first?.text.slice(0, 120) ?? 'Untitled',
    status: statuses.at(-1) ?? '',
    updatedAt: Math.max(0, ...entries.map((entry) => entry.at)),
  };
}

function statusOf(view: View): string {
  return view.kind === 'segment' ? (view.status ?? '') : '';
}
