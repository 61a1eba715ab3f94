/**
 * "Did you mean …?": the known word that is near enough to one that is not known. For messages only; nothing is ever
 * looked up by it.
 */

/** The known word that was probably meant; undefined when none is near. */
export function didYouMean(word: string, known: readonly string[]): string | undefined {
  const limit = word.length > 6 ? 3 : word.length > 3 ? 2 : 1;
  const near = known
    .map((k) => ({ k, distance: distance(word.toLowerCase().slice(0, 64), k.toLowerCase()) }))
    .filter((n) => n.distance <= limit)
    .sort((a, b) => a.distance - b.distance);
  return near[0]?.k;
}

/** Edits of one character, with a swap of neighbours as one. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(change, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        row[j] = Math.min(row[j] ?? 0, (before[j - 2] ?? 0) + 1);
    }
    before = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
