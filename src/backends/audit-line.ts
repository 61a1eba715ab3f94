/**
 * One line of the audit log and its hash. A line is a JSON object whose last member is `hash`: SHA-256, in hex, over
 * the bytes of the line with that member taken out, that is with `,"hash":"…"` removed and the closing brace kept.
 * Nothing is parsed to check it.
 */
import type { AuditEvent } from '../core/event.ts';
import { type Json, type JsonObject, sha256 } from '../core/json.ts';

/** `prev` of the first line of a chain. */
export const noHash = '0'.repeat(64);

export interface AuditEntry extends AuditEvent {
  /** From 1, by writer, without gaps over days and restarts. */
  readonly seq: number;
  /** `hash` of the line before. */
  readonly prev: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly writer: string;
  readonly hash: string;
}

/** Length of `,"hash":"<64 hex>"}`. */
const tailLength = 75;
const tailForm = /^,"hash":"([0-9a-f]{64})"\}$/;

/** The text of a line, without its newline. Every string is redacted; what cannot be seen is written as an escape. */
export function writeLine(
  entry: Omit<AuditEntry, 'hash'>,
  redact: (text: string) => string,
): { readonly line: string; readonly hash: string } {
  const { seq, prev, at, writer, kind, runId, callId, who, data } = entry;
  const body = escapeHidden(
    JSON.stringify({
      seq,
      prev,
      at,
      writer,
      kind,
      ...(runId === undefined ? {} : { runId }),
      ...(callId === undefined ? {} : { callId }),
      ...(who === undefined ? {} : { who: redact(who) }),
      ...(data === undefined ? {} : { data: redacted(data, redact) }),
    }),
  );
  const hash = sha256(body);
  return { line: `${body.slice(0, -1)},"hash":"${hash}"}`, hash };
}

/** The hash that the line carries, when it is the right one; else undefined. `line` is raw bytes without newline. */
export function checkLine(line: Buffer): string | undefined {
  const at = line.length - tailLength;
  if (at < 1) return undefined;
  const hash = tailForm.exec(line.toString('latin1', at))?.[1];
  if (hash === undefined) return undefined;
  return sha256(Buffer.concat([line.subarray(0, at), Buffer.from('}')])) === hash ? hash : undefined;
}

/** Undefined for what is no audit line; the hash is not checked here, the types are. */
export function readLine(line: Buffer): AuditEntry | undefined {
  try {
    const entry = JSON.parse(line.toString('utf8')) as AuditEntry;
    return typeof entry === 'object' && entry !== null && hasForm(entry) ? entry : undefined;
  } catch {
    return undefined;
  }
}

function hasForm({ seq, prev, at, writer, kind, hash, runId = '', callId = '', who = '', data }: AuditEntry) {
  const texts: unknown[] = [prev, at, writer, kind, hash, runId, callId, who];
  const isObject = typeof data === 'object' && data !== null && !Array.isArray(data);
  return (
    Number.isSafeInteger(seq) && texts.every((t) => typeof t === 'string') && (data === undefined || isObject)
  );
}

function redacted(value: Json, redact: (text: string) => string): Json {
  if (typeof value === 'string') return redact(value);
  if (Array.isArray(value)) return value.map((v: Json) => redacted(v, redact));
  if (value === null || typeof value !== 'object') return value;
  const members = Object.entries(value as JsonObject).map(([k, v]) => [k, redacted(v, redact)] as const);
  return Object.fromEntries(members);
}

/** Controls, bidi and zero-width characters as JSON escapes: the same value, and nothing hidden in a terminal. */
export function escapeHidden(json: string): string {
  return json.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (ch) =>
    [...Array(ch.length).keys()].map((i) => `\\u${ch.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''),
  );
}
