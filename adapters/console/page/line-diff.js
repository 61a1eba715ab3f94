/**
 * Which lines of two texts differ, by their longest common subsequence. Of texts with very many differing lines all
 * of these count as changed: that takes no time to see either.
 */

const mostLines = 400;

/** `{before, after}`, each a list of `{text, isChanged}` in its own order. */
export function lineDiff(before, after) {
  const a = before.split('\n');
  const b = after.split('\n');
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end])
    end += 1;
  const common = commonLines(a.slice(start, a.length - end), b.slice(start, b.length - end));
  const marked = (lines, kept) =>
    lines.map((text, i) => ({
      text,
      isChanged: i >= start && i < lines.length - end && !kept.has(i - start),
    }));
  return { before: marked(a, common.a), after: marked(b, common.b) };
}

/** The positions in each of the lines that both have, in one order. */
function commonLines(a, b) {
  const found = { a: new Set(), b: new Set() };
  if (a.length > mostLines || b.length > mostLines) return found;
  const width = b.length + 1;
  // longest[i * width + j]: of a from i and b from j.
  const longest = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1)
      longest[i * width + j] =
        a[i] === b[j]
          ? longest[(i + 1) * width + j + 1] + 1
          : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) {
      found.a.add(i);
      found.b.add(j);
      i += 1;
      j += 1;
    } else if (longest[(i + 1) * width + j] >= longest[i * width + j + 1]) i += 1;
    else j += 1;
  }
  return found;
}
