/**
 * Reads the audit log back: whether each writer's chain is whole, and what is in it.
 * A whole chain proves that no line was changed, moved or taken out before its end; not that its end is the last.
 */
import { type AuditFile, auditFiles, readLines } from './audit-files.ts';
import { type AuditEntry, checkLine, noHash, readLine } from './audit-line.ts';

export type ChainReport =
  | {
      readonly writer: string;
      readonly ok: true;
      readonly lines: number;
      readonly seq: number;
      readonly hash: string;
    }
  | {
      readonly writer: string;
      readonly ok: false;
      readonly file: string;
      /** From 1, in the file. */
      readonly line: number;
      /** The number the first bad line should have. */
      readonly seq: number;
      readonly what: string;
    };

/** One report a writer, sorted by name. Throws only when the folder cannot be read. */
export function verifyAudit(dir: string): readonly ChainReport[] {
  const files = auditFiles(dir);
  const writers = [...new Set(files.map((f) => f.writer))];
  return writers.map((writer) =>
    verifyChain(
      dir,
      writer,
      files.filter((f) => f.writer === writer),
    ),
  );
}

function verifyChain(dir: string, writer: string, files: readonly AuditFile[]): ChainReport {
  let seq = 0;
  let prev = noHash;
  for (const { name } of files) {
    const { lines, torn } = readLines(dir, name);
    const bad = (line: number, what: string): ChainReport => ({
      writer,
      ok: false,
      file: name,
      line,
      seq: seq + 1,
      what,
    });
    for (const [i, line] of lines.entries()) {
      const hash = checkLine(line);
      const entry = readLine(line);
      if (hash === undefined || !entry) return bad(i + 1, 'the line does not match its hash');
      if (entry.writer !== writer) return bad(i + 1, `the line was written by ${entry.writer}`);
      if (entry.seq !== seq + 1) return bad(i + 1, `number ${seq + 1} is missing; this is ${entry.seq}`);
      if (entry.prev !== prev) return bad(i + 1, 'the line does not follow the one before it');
      seq = entry.seq;
      prev = hash;
    }
    if (torn.length > 0) return bad(lines.length + 1, 'the last line is cut short');
  }
  return { writer, ok: true, lines: seq, seq, hash: prev };
}

export interface AuditFilter {
  readonly kind?: string;
  readonly runId?: string;
  readonly callId?: string;
  readonly who?: string;
  readonly writer?: string;
  /** ISO 8601; the first moment that counts, and the first that no longer does. */
  readonly since?: string;
  readonly until?: string;
  /** Only the newest so many. */
  readonly limit?: number;
}

/** Entries over all writers, oldest first. Lines that cannot be read are left out; `verifyAudit` names them. */
export function readAudit(dir: string, filter: AuditFilter = {}): readonly AuditEntry[] {
  const { since, until, limit, writer, ...exact } = filter;
  const entries = auditFiles(dir)
    .filter((f) => writer === undefined || f.writer === writer)
    .filter((f) => since === undefined || f.day >= since.slice(0, 10))
    .filter((f) => until === undefined || f.day <= until.slice(0, 10))
    .flatMap((f) => readLines(dir, f.name).lines.flatMap((line) => readLine(line) ?? []))
    .filter((e) => (since === undefined || e.at >= since) && (until === undefined || e.at < until))
    .filter((e) => (Object.keys(exact) as (keyof typeof exact)[]).every((key) => e[key] === exact[key]))
    .sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.seq - b.seq));
  return limit === undefined ? entries : entries.slice(-limit);
}
