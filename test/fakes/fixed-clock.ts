/**
 * A clock that stands still until the test moves it.
 */
import type { Clock } from '../../src/core/ports.ts';

export interface FixedClock extends Clock {
  advance(ms: number): void;
}

export function fixedClock(start = Date.UTC(2026, 10, 23, 3, 0, 0)): FixedClock {
  let now = start;
  return {
    now: () => now,
    advance(ms) {
      now += ms;
    },
  };
}
