/**
 * Where the chain of a writer ends, read back at its start. What a crash left of a line is put aside, never dropped.
 */
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OpsError } from '../core/errors.ts';
import { auditFiles, linesOf } from './audit-files.ts';
import { checkLine, noHash, readLine } from './audit-line.ts';

export interface Head {
  readonly seq: number;
  readonly hash: string;
  /** Day of the file that the line is in; '' before the first. */
  readonly day: string;
  /** Lines of that file up to it. */
  readonly count: number;
}

interface Torn {
  readonly file: string;
  readonly keptAs: string;
  readonly bytes: number;
}

/** Throws OpsError `audit-unwritable` where the last line is not ours, and what the file system throws. */
export async function recover(
  dir: string,
  writer: string,
): Promise<{ readonly head: Head; readonly torn?: Torn }> {
  let torn: Torn | undefined;
  for (const { name, day } of auditFiles(dir)
    .filter((f) => f.writer === writer)
    .reverse()) {
    let last: Buffer | undefined;
    let count = 0;
    let wholeBytes = 0;
    for (const { bytes, whole } of linesOf(dir, name)) {
      if (whole) {
        last = bytes;
        count += 1;
        wholeBytes += bytes.length + 1;
      } else torn = await putAside(dir, name, bytes, wholeBytes);
    }
    if (!last) continue;
    const hash = checkLine(last);
    const entry = readLine(last);
    if (!hash || !entry)
      throw new OpsError(
        'audit-unwritable',
        `The last line of the audit file ${name} is not one that opsagent wrote.`,
        'Keep the file, move it out of the folder and start again; "opsagent audit verify" shows what is wrong.',
      );
    return { head: { seq: entry.seq, hash, day, count }, ...(torn ? { torn } : {}) };
  }
  return { head: { seq: 0, hash: noHash, day: '', count: 0 }, ...(torn ? { torn } : {}) };
}

async function putAside(dir: string, name: string, bytes: Buffer, wholeBytes: number): Promise<Torn> {
  const keptAs = `${name}.torn-at-${wholeBytes}`;
  await writeFile(join(dir, keptAs), bytes, { mode: 0o600, flush: true });
  const handle = await open(join(dir, name), 'r+');
  try {
    await handle.truncate(wholeBytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return { file: name, keptAs, bytes: bytes.length };
}
