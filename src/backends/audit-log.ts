/**
 * The audit log: append-only JSON lines, each carrying the hash of the one before, on disk before anything happens.
 * Format and hash are defined in audit-line.ts, what can be proved by it in audit-verify.ts.
 */
import { mkdirSync } from 'node:fs';
import { type FileHandle, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OpsError } from '../core/errors.ts';
import type { AuditEvent } from '../core/event.ts';
import type { AuditLog, Clock, Logger } from '../core/ports.ts';
import { auditFileName, auditFiles, readLines } from './audit-files.ts';
import { checkLine, noHash, readLine, writeLine } from './audit-line.ts';
import { lockWriter } from './audit-lock.ts';

export interface AuditLogOptions {
  readonly dir: string;
  /** The process's role: `bot`, `worker`, `whitelist`, `start`, `cli`. */
  readonly writer: string;
  readonly clock: Clock;
  readonly redact: (text: string) => string;
  readonly logger?: Logger;
}

/** An audit log that also says under which name it writes. */
export interface NamedAuditLog extends AuditLog {
  readonly writer: string;
}

interface Head {
  seq: number;
  hash: string;
}

interface Open {
  readonly day: string;
  readonly handle: FileHandle;
}

interface Waiting {
  readonly event: AuditEvent;
  readonly done: () => void;
  readonly failed: (error: OpsError) => void;
}

/** Opens the chain of this writer and goes on where it ended. Throws OpsError `audit-unwritable`. */
export async function openAuditLog(options: AuditLogOptions): Promise<NamedAuditLog> {
  const { dir, clock, redact } = options;
  const lock = lockOf(options);
  const { writer } = lock;
  let head: Head;
  let current: Open | undefined;
  /** Where the last line that is surely on disk ends, by day. */
  const ends = new Map<string, number>();
  let waiting: Waiting[] = [];
  let writing: Promise<void> | undefined;
  let closed = false;

  const fileOf = async (day: string): Promise<Open> => {
    if (current?.day === day) return current;
    await current?.handle.close();
    current = undefined;
    const handle = await open(join(dir, auditFileName(day, writer)), 'a', 0o600);
    const folder = await open(dir, 'r');
    await folder.sync().finally(() => folder.close());
    const { size } = await handle.stat();
    // What a failed write left behind must be gone before anything follows it.
    if (size > (ends.get(day) ?? size)) await handle.truncate(ends.get(day));
    ends.set(day, Math.min(size, ends.get(day) ?? size));
    current = { day, handle };
    return current;
  };

  /** Writes all that waits with one fsync. */
  const write = async () => {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        const at = new Date(clock.now()).toISOString();
        const file = await fileOf(at.slice(0, 10));
        // Deleted under us, it would take every line and keep none.
        if ((await file.handle.stat()).nlink === 0) throw new Error('the audit file was deleted');
        const next = { ...head };
        const lines = batch.map(({ event }) => {
          const { line, hash } = writeLine(
            { ...event, seq: next.seq + 1, prev: next.hash, at, writer },
            redact,
          );
          next.seq += 1;
          next.hash = hash;
          return `${line}\n`;
        });
        const bytes = Buffer.from(lines.join(''));
        await file.handle.appendFile(bytes);
        await file.handle.datasync();
        ends.set(file.day, (ends.get(file.day) ?? 0) + bytes.length);
        head = next;
        for (const { done } of batch) done();
      } catch (error) {
        await current?.handle.close().catch(() => {});
        current = undefined;
        const problem = unwritable(dir, error);
        for (const { failed } of batch) failed(problem);
      }
    }
    writing = undefined;
  };

  const log: NamedAuditLog = {
    writer,
    record(event) {
      if (closed) return Promise.reject(unwritable(dir, new Error('closed')));
      return new Promise<void>((resolve, reject) => {
        waiting.push({ event, done: resolve, failed: reject });
        writing ??= Promise.resolve().then(write);
      });
    },
    async close() {
      closed = true;
      await writing;
      await current?.handle.close();
      current = undefined;
      lock.release();
    },
  };

  try {
    const found = await recover(dir, writer);
    head = found.head;
    if (found.torn) {
      options.logger?.warn(found.torn, 'the last audit line was cut short and is kept aside');
      await log.record({ kind: 'process.started', data: { tornLine: found.torn } });
    }
  } catch (error) {
    await log.close();
    throw error instanceof OpsError ? error : unwritable(dir, error);
  }
  return log;
}

function lockOf({ dir, writer }: AuditLogOptions) {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    return lockWriter(dir, writer);
  } catch (error) {
    throw unwritable(dir, error);
  }
}

type Torn = { readonly file: string; readonly keptAs: string; readonly bytes: number };

/** Where the chain ends. Bytes after the last newline are moved to a file of their own, never dropped. */
async function recover(dir: string, writer: string): Promise<{ head: Head; torn?: Torn }> {
  const files = auditFiles(dir).filter((f) => f.writer === writer);
  let torn: Torn | undefined;
  for (const { name } of files.reverse()) {
    const read = readLines(dir, name);
    if (read.torn.length > 0) {
      const whole = read.lines.reduce((sum, line) => sum + line.length + 1, 0);
      const keptAs = `${name}.torn-at-${whole}`;
      await writeFile(join(dir, keptAs), read.torn, { mode: 0o600, flush: true });
      const handle = await open(join(dir, name), 'r+');
      await handle.truncate(whole);
      await handle.sync();
      await handle.close();
      torn = { file: name, keptAs, bytes: read.torn.length };
    }
    const last = read.lines.at(-1);
    if (!last) continue;
    const hash = checkLine(last);
    const entry = readLine(last);
    if (!hash || !entry)
      throw new OpsError(
        'audit-unwritable',
        `The last line of the audit file ${name} is not one that opsagent wrote.`,
        'Keep the file, move it out of the folder and start again; "opsagent audit verify" shows what is wrong.',
      );
    return { head: { seq: entry.seq, hash }, ...(torn ? { torn } : {}) };
  }
  return { head: { seq: 0, hash: noHash }, ...(torn ? { torn } : {}) };
}

function unwritable(dir: string, cause: unknown): OpsError {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  return new OpsError(
    'audit-unwritable',
    `The audit log in ${dir} cannot be written${code ? ` (${code})` : ''}, so nothing is run.`,
    'Check free space and the rights of the folder.',
    { cause },
  );
}
