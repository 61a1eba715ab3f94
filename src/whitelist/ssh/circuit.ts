/**
 * A circuit for each host: after a failed dial the next ones fail at once for a while, with the same problem, so that
 * a dead host costs nobody its time limit again and again. When the while is over, one dial tries for all.
 */
import type { Clock } from '../../core/ports.ts';

/** What a dial came to. `onTheWay`: the jump host failed, which says nothing about this one and has its own circuit. */
export type Attempt =
  | { readonly ok: true }
  | { readonly ok: false; readonly problem: string; readonly onTheWay?: true };

export interface Circuits {
  /**
   * Dials, or says at once why not. `basis` is what the dial goes by (known keys, login): when it is another than that
   * of the failure, the failure no longer counts.
   */
  through<T extends Attempt>(
    host: string,
    basis: string,
    dial: () => Promise<T>,
  ): Promise<T | { readonly ok: false; readonly problem: string }>;
}

const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 30_000;

interface Failure {
  readonly basis: string;
  readonly problem: string;
  /** How many in a row. */
  readonly count: number;
  readonly at: number;
  /** The one dial that tries again; the others wait for it. */
  trial?: Promise<unknown>;
}

export function createCircuits(clock: Clock): Circuits {
  const failures = new Map<string, Failure>();

  return {
    async through(host, basis, dial) {
      let before = failures.get(host);
      while (before !== undefined && before.basis === basis) {
        if (clock.now() < before.at + pauseAfter(before)) {
          return { ok: false, problem: told(before, clock.now()) };
        }
        if (before.trial === undefined) break;
        await before.trial;
        before = failures.get(host);
      }
      // From the look at the failure to the mark on it nothing waits, or two would try.
      const dialling = dial();
      if (before !== undefined) before.trial = dialling;
      const result = await dialling;
      const last = failures.get(host);
      if (result.ok) failures.delete(host);
      else if (result.onTheWay) {
        if (last?.trial === dialling) delete last.trial;
      } else if (last === undefined || last === before || last.basis !== basis) {
        // Of dials that went on side by side the first failure counts, not each.
        const count = last?.basis === basis ? last.count + 1 : 1;
        failures.set(host, { basis, problem: result.problem, count, at: clock.now() });
      }
      return result;
    },
  };
}

function pauseAfter({ count }: Failure): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** Math.min(count - 1, 10), LONGEST_PAUSE_MS);
}

function told(failure: Failure, now: number): string {
  const ago = Math.max(0, Math.round((now - failure.at) / 1000));
  const next = Math.max(1, Math.ceil((failure.at + pauseAfter(failure) - now) / 1000));
  return `${failure.problem} (tried ${ago} s ago; next try in ${next} s)`;
}
