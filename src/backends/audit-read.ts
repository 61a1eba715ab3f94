/**
 * What is in the audit log: the lines of all writers in the order of time, read as they are asked for. Lines that
 * cannot be read are left out; `verifyAudit` names them.
 */
import { auditFiles, linesOf } from './audit-files.ts';
import { type AuditEntry, escapeHidden, readLine } from './audit-line.ts';

export interface AuditFilter {
  readonly kind?: string;
  readonly runId?: string;
  readonly callId?: string;
  /** Who it is about, or one of those who asked. */
  readonly who?: string;
  readonly host?: string;
  readonly writer?: string;
  /** ISO 8601; the first moment that counts, and the first that no longer does. */
  readonly since?: string;
  readonly until?: string;
}

export interface AuditLine {
  readonly entry: AuditEntry;
  /** As it is in the file, so that its hash can be checked again; nothing in it is hidden. */
  readonly text: string;
}

/** Matching lines, oldest first; of one moment, by writer. Holds one line of each writer at a time. */
export function* auditLines(dir: string, filter: AuditFilter = {}): Generator<AuditLine> {
  const files = auditFiles(dir).filter(
    (f) => filter.since === undefined || f.day >= filter.since.slice(0, 10),
  );
  const writers = [...new Set(files.map((f) => f.writer))].filter(
    (writer) => filter.writer === undefined || writer === filter.writer,
  );
  const sources = writers.map((writer) => {
    const names = files.filter((f) => f.writer === writer).map((f) => f.name);
    const lines = matching(dir, names, filter);
    return { lines, next: lines.next() };
  });
  for (;;) {
    const oldest = sources.reduce<(typeof sources)[number] | undefined>((found, source) => {
      if (source.next.done) return found;
      return !found || found.next.done || source.next.value.entry.at < found.next.value.entry.at
        ? source
        : found;
    }, undefined);
    if (!oldest || oldest.next.done) return;
    yield oldest.next.value;
    oldest.next = oldest.lines.next();
  }
}

/** All of them at once: for a filter that few lines match. */
export function readAudit(dir: string, filter: AuditFilter = {}): readonly AuditEntry[] {
  return [...auditLines(dir, filter)].map(({ entry }) => entry);
}

function* matching(dir: string, names: readonly string[], filter: AuditFilter): Generator<AuditLine> {
  for (const name of names)
    for (const { bytes, whole } of linesOf(dir, name)) {
      if (!whole || !mayMatch(bytes, filter)) continue;
      const entry = readLine(bytes);
      if (entry && matches(entry, filter)) yield { entry, text: escapeHidden(bytes.toString('utf8')) };
    }
}

/** A cheap look before the line is parsed: an id stands in its line letter by letter. */
function mayMatch(line: Buffer, { runId, callId }: AuditFilter): boolean {
  return [runId, callId].every((id) => id === undefined || line.includes(id));
}

function matches(entry: AuditEntry, { kind, runId, callId, who, host, since, until }: AuditFilter): boolean {
  const { at, data } = entry;
  return (
    (kind === undefined || entry.kind === kind) &&
    (runId === undefined || entry.runId === runId) &&
    (callId === undefined || entry.callId === callId) &&
    (who === undefined || entry.who === who || listed(data?.askers).includes(who)) &&
    (host === undefined || hostsOf(entry).includes(host)) &&
    (since === undefined || at >= since) &&
    (until === undefined || at < until)
  );
}

/** The hosts that a line is about. */
export function hostsOf({ data }: AuditEntry): readonly string[] {
  const targets = Array.isArray(data?.targets) ? data.targets : [];
  const named = targets.map((t: unknown) =>
    typeof t === 'object' && t !== null && 'host' in t ? t.host : t,
  );
  return [...new Set([data?.host, ...listed(data?.hosts), ...named].filter((h) => typeof h === 'string'))];
}

function listed(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
