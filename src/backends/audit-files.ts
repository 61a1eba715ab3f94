/**
 * Which files an audit folder holds, and their lines as raw bytes, read piece by piece. One file a day and writer:
 * `2026-01-31.whitelist.jsonl`.
 */
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface AuditFile {
  readonly name: string;
  readonly day: string;
  readonly writer: string;
}

const form = /^(\d{4}-\d{2}-\d{2})\.([a-z]+(?:-\d+)?)\.jsonl$/;
const pieceBytes = 64 * 1024;
/** No line of ours comes near; without a limit a file with no newline would be read into memory whole. */
const longestLine = 16 * 1024 * 1024;

export function auditFileName(day: string, writer: string): string {
  return `${day}.${writer}.jsonl`;
}

/** Sorted by writer, then day. An absent folder has none. */
export function auditFiles(dir: string): readonly AuditFile[] {
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const files = names.flatMap((name) => {
    const [, day, writer] = form.exec(name) ?? [];
    return day && writer ? [{ name, day, writer }] : [];
  });
  const order = (f: AuditFile) => `${f.writer} ${f.day}`;
  return files.sort((a, b) => (order(a) < order(b) ? -1 : 1));
}

/** A line without its newline. `whole` false: the bytes after the last newline, cut short or not yet all there. */
export interface RawLine {
  readonly bytes: Buffer;
  readonly whole: boolean;
}

/** The lines of a file in turn. Throws where it is no plain file or cannot be read. */
export function* linesOf(dir: string, name: string): Generator<RawLine> {
  const file = join(dir, name);
  // A device in its place would be read without end.
  if (!statSync(file).isFile()) throw new Error(`${file} is no file`);
  const fd = openSync(file, 'r');
  try {
    const piece = Buffer.allocUnsafe(pieceBytes);
    let rest: Buffer[] = [];
    let restBytes = 0;
    for (let n = readSync(fd, piece); n > 0; n = readSync(fd, piece)) {
      let start = 0;
      for (let end = piece.indexOf(10); end !== -1 && end < n; end = piece.indexOf(10, start)) {
        yield { bytes: Buffer.concat([...rest, piece.subarray(start, end)]), whole: true };
        rest = [];
        restBytes = 0;
        start = end + 1;
      }
      if (start === n) continue;
      rest.push(Buffer.from(piece.subarray(start, n)));
      restBytes += n - start;
      if (restBytes > longestLine) break;
    }
    if (restBytes > 0) yield { bytes: Buffer.concat(rest), whole: false };
  } finally {
    closeSync(fd);
  }
}
