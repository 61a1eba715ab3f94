/**
 * How many handshakes go on at once: sshd begins to drop strangers at ten (MaxStartups), and the key exchanges of a
 * whole fleet share this one process.
 */

export interface Slots {
  /** Waits for a place under this key; the function that is returned gives it back, once. */
  take(key: string): Promise<() => void>;
}

/** At most so many places for each key; who waits longest is next. */
export function createSlots(most: number): Slots {
  const taken = new Map<string, number>();
  const waiting = new Map<string, (() => void)[]>();

  const giveBack = (key: string): void => {
    const queue = waiting.get(key);
    const next = queue?.shift();
    if (queue?.length === 0) waiting.delete(key);
    // The place goes to who waits next without becoming free in between.
    if (next !== undefined) next();
    else taken.set(key, (taken.get(key) ?? 1) - 1);
    if (taken.get(key) === 0) taken.delete(key);
  };

  return {
    async take(key) {
      const now = taken.get(key) ?? 0;
      if (now < most) taken.set(key, now + 1);
      else
        await new Promise<void>((resolve) =>
          waiting.set(key, [...(waiting.get(key) ?? []), () => resolve()]),
        );
      let held = true;
      return () => {
        if (held) giveBack(key);
        held = false;
      };
    },
  };
}
