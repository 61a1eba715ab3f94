/**
 * The queue in memory: advances run as soon as they can, timers when the test moves its clock.
 * Like the real one it keeps one more advance while one of the same run is active.
 */
import type { RunId } from '../../src/core/ids.ts';
import type { RunQueue } from '../../src/core/ports.ts';
import type { FixedClock } from './fixed-clock.ts';

export interface MemoryRunQueue extends RunQueue {
  /** Runs everything that is due, until nothing is. */
  idle(): Promise<void>;
  readonly failures: unknown[];
}

export function createMemoryRunQueue(clock: FixedClock): MemoryRunQueue {
  const waiting = new Set<RunId>();
  const timers = new Map<string, { id: RunId; at: number }>();
  const active = new Map<RunId, Promise<void>>();
  const listeners = new Set<(id: RunId) => void>();
  const failures: unknown[] = [];
  let handler: ((id: RunId) => Promise<void>) | undefined;

  const pump = () => {
    for (const [name, timer] of timers) {
      if (timer.at > clock.now()) continue;
      timers.delete(name);
      waiting.add(timer.id);
    }
    if (!handler) return;
    for (const id of waiting) {
      if (active.has(id)) continue;
      waiting.delete(id);
      const done = handler(id)
        .catch((error: unknown) => {
          failures.push(error);
        })
        .finally(() => {
          active.delete(id);
          pump();
        });
      active.set(id, done);
    }
  };

  return {
    failures,
    async advance(id, timer) {
      if (timer) timers.set(`${id}-${timer.name}`, { id, at: clock.now() + timer.afterMs });
      else waiting.add(id);
      pump();
    },
    async consume(handle) {
      handler = handle;
      pump();
      return async () => {
        handler = undefined;
        await Promise.all(active.values());
      };
    },
    async nudge(id) {
      for (const listener of listeners) listener(id);
    },
    async onNudge(listener) {
      listeners.add(listener);
      return async () => {
        listeners.delete(listener);
      };
    },
    async idle() {
      for (pump(); active.size > 0; pump()) await Promise.all(active.values());
    },
  };
}
