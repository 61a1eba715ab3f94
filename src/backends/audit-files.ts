/** Which files an audit folder holds, and their lines as raw bytes. One file a day and writer: `2026-01-31.whitelist.jsonl`. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface AuditFile {
  readonly name: string;
  readonly day: string;
  readonly writer: string;
}

const form = /^(\d{4}-\d{2}-\d{2})\.([a-z]+(?:-\d+)?)\.jsonl$/;

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

/** The complete lines of a file, and the bytes after the last newline: a line that a crash cut short. */
export function readLines(
  dir: string,
  name: string,
): { readonly lines: readonly Buffer[]; readonly torn: Buffer } {
  const file = join(dir, name);
  // A device in its place would be read without end.
  if (!statSync(file).isFile()) throw new Error(`${file} is no file`);
  const bytes = readFileSync(file);
  const lines: Buffer[] = [];
  let start = 0;
  for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return { lines, torn: bytes.subarray(start) };
}
