/**
 * The audit log: append-only JSON lines, each carrying the hash of the one before. What begins a change is on disk
 * before `record` resolves, and so is all else but the start and end of a read: these are written before and flushed
 * together within 100 ms. Format and hash are in audit-line.ts, what they prove in audit-verify.ts.
 */
import { mkdirSync } from 'node:fs';
import type { Anchor, AnchorSettings } from '../core/anchor.ts';
import { OpsError } from '../core/errors.ts';
import type { AuditEvent } from '../core/event.ts';
import type { AuditLog, Clock, Logger } from '../core/ports.ts';
import { type Anchorer, createAnchorer } from './audit-anchor.ts';
import { auditFileName } from './audit-files.ts';
import { writeLine } from './audit-line.ts';
import { lockWriter } from './audit-lock.ts';
import { type Head, recover } from './audit-recover.ts';
import { openTail } from './audit-tail.ts';

export interface AuditLogOptions {
  readonly dir: string;
  /** The process's role: `bot`, `worker`, `whitelist`, `start`, `cli`. */
  readonly writer: string;
  readonly clock: Clock;
  readonly redact: (text: string) => string;
  readonly logger?: Logger;
  /** Where its end is told, so that a cut or rebuilt log is found out; without any, nobody can tell. */
  readonly anchor?: AnchorSettings;
}

/** An audit log that also says under which name it writes. */
export interface NamedAuditLog extends AuditLog {
  readonly writer: string;
}

interface Waiting {
  readonly event: AuditEvent;
  readonly done: () => void;
  readonly failed: (error: OpsError) => void;
}

/** From the write of a line that may follow later; leaves the flush itself some of the 100 ms. */
const flushAfterMs = 60;
const retryAfterMs = 1_000;

/** Opens the chain of this writer and goes on where it ended. Throws OpsError `audit-unwritable`. */
export async function openAuditLog(options: AuditLogOptions): Promise<NamedAuditLog> {
  const { dir, clock, redact, logger } = options;
  const lock = lockOf(options);
  const { writer } = lock;
  const tail = openTail(dir, writer);
  let head: Head = { seq: 0, hash: '', day: '', count: 0 };
  let waiting: Waiting[] = [];
  let working: Promise<void> | undefined;
  let flushTimer: NodeJS.Timeout | undefined;
  let isFlushDue = false;
  let isLate = false;
  let closed = false;

  const work = async () => {
    while (waiting.length > 0 || isFlushDue) {
      const batch = waiting;
      waiting = [];
      isFlushDue = false;
      if (batch.length > 0) await write(await allowed(batch));
      else await flush();
    }
    working = undefined;
  };
  const kick = () => {
    working ??= Promise.resolve().then(work);
  };
  const flushIn = (ms: number) => {
    if (closed) return;
    flushTimer ??= setTimeout(() => {
      flushTimer = undefined;
      isFlushDue = true;
      kick();
    }, ms);
  };

  /** All that waits, with one flush where one of them wants it. */
  const write = async (batch: readonly Waiting[]) => {
    if (batch.length === 0) return;
    const before = head;
    const at = new Date(clock.now()).toISOString();
    // A clock that was set back changes what the lines say, not the file they go to: days stay in the chain's order.
    const day = at.slice(0, 10) > head.day ? at.slice(0, 10) : head.day;
    const isNewDay = day !== before.day;
    let next: Head = { ...head, day, count: isNewDay ? 0 : head.count };
    try {
      const lines = batch.map(({ event }) => {
        const { line, hash } = writeLine(
          { ...event, seq: next.seq + 1, prev: next.hash, at, writer },
          redact,
        );
        next = { ...next, seq: next.seq + 1, count: next.count + 1, hash };
        return `${line}\n`;
      });
      await tail.write(day, Buffer.from(lines.join('')), !batch.every(({ event }) => mayFollow(event)));
      head = next;
    } catch (error) {
      const problem = unwritable(dir, error);
      for (const { failed } of batch) failed(problem);
      if (tail.unflushed()) flushIn(retryAfterMs);
      return;
    }
    for (const { done } of batch) done();
    if (isNewDay && before.seq > 0) anchorer?.reached(anchorOf(before), true);
    if (tail.unflushed()) flushIn(flushAfterMs);
    else onDisk();
  };

  /** Lines whose events have gone ahead. Until they are on disk, `tail` lets nothing pass without a flush. */
  const flush = async () => {
    try {
      await tail.flush();
      onDisk();
    } catch (error) {
      if (!isLate) logger?.error({ err: error, writer }, 'audit lines could not be flushed; nothing is run');
      isLate = true;
      flushIn(retryAfterMs);
    }
  };

  const onDisk = () => {
    if (isLate) logger?.info({ writer }, 'the audit log is on disk again');
    isLate = false;
    anchorer?.reached(anchorOf(head));
  };

  const anchorOf = ({ seq, hash, day, count }: Head): Anchor => {
    const at = new Date(clock.now()).toISOString();
    return { writer, file: auditFileName(day, writer), seq, hash, count, at };
  };
  const anchorer = anchorerOf(options, (kind, problem) => {
    if (!closed) log.record({ kind, data: { problem } }).catch(() => {});
  });

  /** Those that may be written: no change begins while anchors are required and cannot be made. */
  const allowed = async (batch: readonly Waiting[]): Promise<readonly Waiting[]> => {
    if (!anchorer || !batch.some(({ event }) => beginsChange(event))) return batch;
    const why = await anchorer.refusal(batch.length);
    if (why === undefined) return batch;
    const problem = new OpsError(
      'audit-unwritable',
      `The audit log cannot be anchored (${why}), so no change is run.`,
      'See to that place, or unset AUDIT_ANCHOR_REQUIRED.',
    );
    return batch.filter(({ event, failed }) => {
      if (beginsChange(event)) failed(problem);
      return !beginsChange(event);
    });
  };

  const log: NamedAuditLog = {
    writer,
    record(event) {
      if (closed) return Promise.reject(unwritable(dir, new Error('closed')));
      return new Promise<void>((resolve, reject) => {
        waiting.push({ event, done: resolve, failed: reject });
        kick();
      });
    },
    async close() {
      if (closed) return;
      closed = true;
      clearTimeout(flushTimer);
      await working;
      await flush();
      await anchorer?.settle();
      await tail.close();
      lock.release();
    },
  };

  try {
    const found = await recover(dir, writer);
    head = found.head;
    if (found.torn) {
      logger?.warn(found.torn, 'the last audit line was cut short and is kept aside');
      await log.record({ kind: 'process.started', data: { tornLine: { ...found.torn } } });
    }
  } catch (error) {
    await log.close();
    throw error instanceof OpsError ? error : unwritable(dir, error);
  }
  return log;
}

/** The start and the end of a command that changes nothing: their lines may reach the disk a moment later. */
function mayFollow({ kind, data }: AuditEvent): boolean {
  const isOfCommand = kind === 'command.rendered' || kind === 'command.started' || kind === 'command.ended';
  return isOfCommand && data?.risk === 'read';
}

function beginsChange(event: AuditEvent): boolean {
  return event.kind === 'command.started' && !mayFollow(event);
}

function anchorerOf(
  { anchor, logger }: AuditLogOptions,
  onChange: (kind: 'anchor.failed' | 'anchor.restored', problem: string) => void,
): Anchorer | undefined {
  if (!anchor || anchor.places.length === 0) return undefined;
  return createAnchorer({ settings: anchor, ...(logger ? { logger } : {}), onChange });
}

function lockOf({ dir, writer }: AuditLogOptions) {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    return lockWriter(dir, writer);
  } catch (error) {
    throw unwritable(dir, error);
  }
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
