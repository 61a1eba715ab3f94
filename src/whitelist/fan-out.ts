/**
 * The same for many hosts, so many of them at a time: each on its own, so that one that is slow or dead costs the
 * others nothing but its place.
 */

/**
 * Calls `work` for every item, at most `atOnce` at a time, and gives the results in the order of the items. After the
 * signal nothing further is begun: `unbegun` stands in for it. `work` must not reject.
 */
export async function fanOut<Item, Result>(
  items: readonly Item[],
  options: {
    readonly atOnce: number;
    readonly signal: AbortSignal;
    readonly work: (item: Item) => Promise<Result>;
    readonly unbegun: (item: Item) => Result;
    /** Hears after each how many have ended. */
    readonly onEnded?: (ended: number) => void;
  },
): Promise<readonly Result[]> {
  const results = new Map<number, Result>();
  const waiting = items.entries();
  const takePlace = async (): Promise<void> => {
    for (const [i, item] of waiting) {
      const { signal, work, unbegun } = options;
      results.set(i, signal.aborted ? unbegun(item) : await work(item));
      options.onEnded?.(results.size);
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.atOnce, items.length) }, takePlace));
  return [...results].sort(([a], [b]) => a - b).map(([, result]) => result);
}
