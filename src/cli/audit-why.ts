/**
 * `opsagent audit why RUN`: the story of one run over all writers, from who asked to how it ended, and whether the
 * chains under its lines hold.
 */
import type { AuditEntry } from '../backends/audit-line.ts';
import { readAudit } from '../backends/audit-read.ts';
import { verifyAudit } from '../backends/audit-verify.ts';
import { OpsError } from '../core/errors.ts';
import { isApprovalId, isCallId, isRunId, runIdOf } from '../core/ids.ts';
import { visible } from '../core/visible.ts';
import { anchorsFor } from './audit-chains.ts';
import { auditPlace } from './audit-options.ts';
import { sentenceOf } from './audit-story.ts';
import { exitCodes } from './exit-codes.ts';

/** `id`: of a run, of one of its calls or of an approval; then what concerns other calls is left out. */
export function why(id: string, options: { readonly anchors?: string; readonly json?: boolean }): number {
  const callId = isApprovalId(id) ? id.slice(0, -2) : id;
  if (!isRunId(callId) && !isCallId(callId))
    throw new OpsError(
      'config-invalid',
      `${visible(id)} is no id of a run, a call or an approval.`,
      'They look like r0123456789abcdef0123, r0123456789abcdef0123-0 and r0123456789abcdef0123-0-a.',
    );
  const runId = isCallId(callId) ? runIdOf(callId) : callId;
  const place = auditPlace();
  const entries = readAudit(place.dir, { runId }).filter(
    (entry) => !isCallId(callId) || [undefined, callId as string].includes(callOf(entry)),
  );
  const writers = [...new Set(entries.map((e) => e.writer))].sort();
  const anchors = anchorsFor(place, options.anchors);
  const chains = verifyAudit(place.dir, { anchors: anchors.anchors }).filter((c) =>
    writers.includes(c.writer),
  );
  const isWhole = entries.length > 0 && chains.every((c) => c.ok);
  if (options.json) process.stdout.write(`${JSON.stringify({ runId, whole: isWhole, entries, chains })}\n`);
  else if (entries.length === 0) process.stdout.write(`The audit log has nothing about ${id}.\n`);
  else {
    const story = entries.map((e) => `${e.at}  ${`${e.writer}#${e.seq}`.padEnd(13)}  ${sentenceOf(e)}`);
    const proofs = writers.map((writer) => {
      const chain = chains.find((c) => c.writer === writer);
      return proofText(
        writer,
        entries.filter((e) => e.writer === writer),
        chain,
      );
    });
    process.stdout.write(`${[`Run ${runId}`, ...story, '', ...proofs].join('\n')}\n`);
  }
  return isWhole ? exitCodes.done : exitCodes.failed;
}

/** The call that a line is about; a click that was refused names its approval only. */
function callOf({ callId, data }: AuditEntry): string | undefined {
  const approval = data?.approval ?? data?.approvalId;
  return (
    callId ?? (typeof approval === 'string' && isApprovalId(approval) ? approval.slice(0, -2) : undefined)
  );
}

function proofText(
  writer: string,
  entries: readonly AuditEntry[],
  chain: ReturnType<typeof verifyAudit>[number] | undefined,
): string {
  const first = entries[0]?.seq ?? 0;
  const last = entries.at(-1)?.seq ?? 0;
  const lines = first === last ? `#${first}` : `#${first}–#${last}`;
  if (!chain?.ok)
    return `✗ ${writer} ${lines}: the chain does not hold${chain ? `: ${chain.file} line ${chain.line}: ${chain.what}` : ''}. Do not rely on these lines.`;
  const anchored =
    chain.anchoredTo >= last
      ? `anchored (up to #${chain.anchoredTo} at ${chain.anchoredAt})`
      : `not anchored${chain.anchoredTo > 0 ? ` after #${chain.anchoredTo}` : ''}: nothing proves that nothing was cut or built anew`;
  return `✓ ${writer} ${lines}: the chain holds, ${anchored}.`;
}
