/**
 * `opsagent audit verify`: each chain, what the anchors prove of it, and where nothing does.
 */
import { type FoundAnchors, readAnchors } from '../backends/audit-anchors.ts';
import { type ChainReport, verifyAudit } from '../backends/audit-verify.ts';
import { OpsError } from '../core/errors.ts';
import { type AuditPlace, auditPlace } from './audit-options.ts';
import { exitCodes } from './exit-codes.ts';

export interface VerifyOptions {
  readonly anchors?: string;
  readonly from?: string;
  readonly strict?: boolean;
  readonly json?: boolean;
}

/** Exit code: 0 whole, 1 not; 6 with `strict`, where it is whole as far as can be seen but not proven to its end. */
export function verify(options: VerifyOptions): number {
  if (options.from !== undefined && !/^\d{4}-\d{2}-\d{2}$/.test(options.from))
    throw new OpsError('config-invalid', '--from wants a day, such as 2026-01-31.');
  const place = auditPlace();
  const anchors = anchorsFor(place, options.anchors);
  const { from } = options;
  const chains = verifyAudit(place.dir, {
    anchors: anchors.anchors,
    ...(from === undefined ? {} : { from }),
  });
  const isWhole = chains.every((c) => c.ok);
  const isProven =
    chains.length > 0 &&
    anchors.unreadable.length === 0 &&
    chains.every((c) => c.ok && c.anchoredTo === c.seq && !c.torn);
  if (options.json)
    process.stdout.write(
      `${JSON.stringify({ whole: isWhole, proven: isProven, anchors: anchors.told, chains })}\n`,
    );
  else process.stdout.write(`${[anchors.told, ...told(chains)].join('\n')}\n`);
  if (!isWhole) return exitCodes.failed;
  return options.strict && !isProven ? exitCodes.unproven : exitCodes.done;
}

interface Anchors extends FoundAnchors {
  /** Which they are, in a sentence. */
  readonly told: string;
}

/** Those of the file that is named, else of the one that is configured. A named one must be there. */
export function anchorsFor(place: AuditPlace, named?: string): Anchors {
  const file = named ?? place.anchorFile;
  const none = { anchors: [], unreadable: [] };
  if (file === undefined)
    return { ...none, told: 'No anchors: name a file with --anchors, or set AUDIT_ANCHOR.' };
  let found: FoundAnchors;
  try {
    found = readAnchors(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    if (named !== undefined || code !== 'ENOENT')
      throw new OpsError('config-invalid', `The anchors in ${file} cannot be read (${code}).`);
    return { ...none, told: `No anchors: AUDIT_ANCHOR names ${file}, which is not there.` };
  }
  const bad = found.unreadable;
  const unread = bad.length > 0 ? `; ${bad.length} that cannot be read, the first on line ${bad[0]}` : '';
  return { ...found, told: `Anchors: ${found.anchors.length} in ${file}${unread}.` };
}

function told(chains: readonly ChainReport[]): readonly string[] {
  if (chains.length === 0)
    return ['There is no audit log here. Unanchored: nothing proves that there was none.'];
  return chains.flatMap((chain) => {
    if (!chain.ok)
      return [`✗ ${chain.writer}: ${chain.file} line ${chain.line}, #${chain.seq}: ${chain.what}`];
    const { writer, lines, seq, hash, from, torn } = chain;
    const since = from > 1 ? ` from #${from} on, earlier days left out` : '';
    return [
      `✓ ${writer}: ${lines} ${lines === 1 ? 'line' : 'lines'}, whole${since} up to #${seq} (${hash.slice(0, 12)})`,
      ...(torn
        ? [
            `  ${torn.file} ends in ${torn.bytes} bytes without a newline: a line that a crash cut short, or one being written.`,
          ]
        : []),
      `  ${provenText(chain)}`,
    ];
  });
}

function provenText({ seq, anchoredTo, anchoredAt }: Extract<ChainReport, { ok: true }>): string {
  if (anchoredTo === 0)
    return 'Unanchored: nothing proves that no lines were cut at the end, or all of them built anew.';
  const proven = `Anchored up to #${anchoredTo} at ${anchoredAt}.`;
  return anchoredTo === seq
    ? `${proven} That is its end.`
    : `${proven} Unanchored: after #${anchoredTo} nothing proves that lines were not cut or changed and the rest built anew.`;
}
