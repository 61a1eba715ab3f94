/**
 * What the suites of the SSH runner watch on the host, which is this machine.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** Ids of the processes whose command line, its words parted by spaces, matches. */
export function pids(pattern: string): readonly number[] {
  const expression = new RegExp(pattern);
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      return expression.test(line) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

/** Waits for a value; a missing one, an empty one and an error count as not yet. */
export async function until<T>(get: () => T | undefined, ms = 20_000): Promise<T> {
  for (const end = Date.now() + ms; Date.now() < end; ) {
    try {
      const value = get();
      if (value) return value;
    } catch {
      // Not yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`did not happen within ${ms} ms`);
}

/** Session id of a process: each channel of sshd has its own. Undefined for one that has just ended. */
export function sessionOf(pid: number): string | undefined {
  try {
    // The sixth field of its status.
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[3];
  } catch {
    return undefined;
  }
}
