/**
 * POSIX quoting of the catalogue's own text, for a file that only sh reads.
 */

export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
