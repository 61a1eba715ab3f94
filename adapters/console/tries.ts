/**
 * How often somebody may be wrong about a token: so many different ones in a minute from one address, then none from
 * there is looked at until the minute is over. The same wrong one again is no new guess; sessions go on.
 */
import { sha256 } from '../../src/core/json.ts';
import type { Clock } from '../../src/core/ports.ts';

export interface Tries {
  /** Seconds until another token from this address is looked at; undefined when it may be now. */
  waitFor(address: string): number | undefined;
  /** Notes a wrong token; true when it was not tried from there within this minute. */
  wrong(address: string, token: string): boolean;
}

const windowMs = 60_000;
const mostWrong = 20;
const mostAddresses = 1_000;

export function createTries(clock: Clock): Tries {
  const windows = new Map<string, { since: number; readonly wrong: Set<string> }>();

  function windowOf(address: string) {
    const now = clock.now();
    const known = windows.get(address);
    if (known && now - known.since < windowMs) return known;
    // Whoever has so many addresses gets round it anyway; what must not happen is that they fill our memory.
    if (windows.size >= mostAddresses) windows.clear();
    const fresh = { since: now, wrong: new Set<string>() };
    windows.set(address, fresh);
    return fresh;
  }

  return {
    waitFor(address) {
      const { since, wrong } = windowOf(address);
      if (wrong.size < mostWrong) return undefined;
      return Math.ceil((since + windowMs - clock.now()) / 1000);
    },
    wrong(address, token) {
      const { wrong } = windowOf(address);
      const hash = sha256(token);
      if (wrong.has(hash)) return false;
      wrong.add(hash);
      return true;
    },
  };
}
