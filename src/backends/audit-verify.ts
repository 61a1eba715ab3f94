/**
 * Whether each writer's chain is whole. A whole chain proves that no line before its end was changed, moved or taken
 * out, by anybody who did not build all that follows anew; that its end is the last, only an anchor proves.
 */
import type { Anchor } from '../core/anchor.ts';
import { type AuditFile, auditFiles, linesOf } from './audit-files.ts';
import { checkLine, noHash, readLine } from './audit-line.ts';

interface WholeChain {
  readonly writer: string;
  readonly ok: true;
  readonly lines: number;
  /** The last number and its hash. */
  readonly seq: number;
  readonly hash: string;
  /** The first number: 1, unless older days were left out. */
  readonly from: number;
  /** The last number that an anchor proves, and when it was anchored; 0 when none does. */
  readonly anchoredTo: number;
  readonly anchoredAt?: string;
  /** Bytes after the last newline: what a crash in mid-write leaves, put aside at the writer's next start. */
  readonly torn?: { readonly file: string; readonly bytes: number };
}

interface BrokenChain {
  readonly writer: string;
  readonly ok: false;
  readonly file: string;
  /** From 1, in the file. */
  readonly line: number;
  /** The number that the first bad line should have. */
  readonly seq: number;
  readonly what: string;
}

export type ChainReport = WholeChain | BrokenChain;

export interface VerifyOptions {
  readonly anchors?: readonly Anchor[];
  /** `2026-01-31`: days before it were taken away on purpose; the chain is checked from the first line of it on. */
  readonly from?: string;
}

/** One report a writer, sorted by name. Throws only when the folder cannot be read. */
export function verifyAudit(dir: string, options: VerifyOptions = {}): readonly ChainReport[] {
  const { anchors = [], from = '' } = options;
  const files = auditFiles(dir).filter((f) => f.day >= from);
  const writers = new Set([...files, ...anchors.filter((a) => a.file >= from)].map((of) => of.writer));
  return [...writers].sort().map((writer) =>
    verifyChain(
      dir,
      writer,
      files.filter((f) => f.writer === writer),
      { from, anchors: anchors.filter((a) => a.writer === writer) },
    ),
  );
}

function verifyChain(
  dir: string,
  writer: string,
  files: readonly AuditFile[],
  { anchors, from }: Required<VerifyOptions>,
): ChainReport {
  const last = anchors.reduce<Anchor | undefined>((max, a) => (max && max.seq >= a.seq ? max : a), undefined);
  const anchorsOf = new Map<number, Anchor[]>();
  for (const anchor of anchors) anchorsOf.set(anchor.seq, [...(anchorsOf.get(anchor.seq) ?? []), anchor]);
  let first = 0;
  let seq = 0;
  let prev = noHash;
  let anchored: Anchor | undefined;
  let torn: WholeChain['torn'];
  let place = { file: last?.file ?? '', line: 0 };
  const bad = (what: string): BrokenChain => ({ writer, ok: false, ...place, seq: seq + 1, what });

  for (const { name } of files) {
    place = { file: name, line: 0 };
    if (torn) {
      place = { file: torn.file, line: 0 };
      return bad('its last line is cut short, and a later day follows');
    }
    for (const { bytes, whole } of linesOf(dir, name)) {
      place = { file: name, line: place.line + 1 };
      if (!whole) {
        torn = { file: name, bytes: bytes.length };
        break;
      }
      const hash = checkLine(bytes);
      const entry = readLine(bytes);
      if (hash === undefined || !entry) return bad('the line does not match its hash');
      if (entry.writer !== writer) return bad(`the line was written by ${entry.writer}`);
      if (first === 0 && from !== '') {
        // On trust, unless an anchor knows the line before.
        seq = entry.seq - 1;
        prev = entry.prev;
        if (anchorsOf.get(seq)?.some((a) => a.hash !== prev))
          return bad(`it does not follow #${seq} as it was anchored`);
      }
      if (first === 0) first = seq + 1;
      if (entry.seq !== seq + 1) return bad(gap(seq + 1, entry.seq));
      if (entry.prev !== prev) return bad('the line does not follow the one before it');
      for (const anchor of anchorsOf.get(entry.seq) ?? []) {
        if (anchor.hash !== hash) return bad(rebuilt(anchor, anchored));
        anchored = anchor;
      }
      seq = entry.seq;
      prev = hash;
    }
  }
  place = { ...place, line: place.line + (torn ? 0 : 1) };
  if (last && last.seq > seq) return bad(cut(last, seq));
  return {
    writer,
    ok: true,
    lines: first === 0 ? 0 : seq - first + 1,
    seq,
    hash: prev,
    from: first,
    anchoredTo: anchored?.seq ?? 0,
    ...(anchored ? { anchoredAt: anchored.at } : {}),
    ...(torn ? { torn } : {}),
  };
}

function gap(wanted: number, found: number): string {
  return `number ${wanted} is missing; this is ${found}`;
}

function rebuilt(anchor: Anchor, before: Anchor | undefined): string {
  const since = before ? `between #${before.seq} and #${anchor.seq}` : `up to #${anchor.seq}`;
  return `#${anchor.seq} is not the line that was anchored at ${anchor.at}: lines ${since} were changed and the chain built anew`;
}

function cut(anchor: Anchor, seq: number): string {
  const ends = seq === 0 ? 'there is nothing of it' : `it ends at #${seq}`;
  return `${ends}, and #${anchor.seq} was anchored at ${anchor.at}: what followed was cut off or deleted`;
}
