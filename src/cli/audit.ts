/**
 * `opsagent audit show` and `verify`: reads the log in the data directory, whether or not an instance runs.
 */
import { join } from 'node:path';
import { readAudit, verifyAudit } from '../backends/audit-verify.ts';
import { loadPlace } from '../config/place.ts';
import { readEnvironment } from '../config.ts';
import { OpsError } from '../core/errors.ts';
import { visible } from '../core/visible.ts';
import { exitCodes } from './exit-codes.ts';

const auditDir = () => join(loadPlace(readEnvironment(), process.cwd()).dataDir, 'audit');

export function show(options: {
  readonly run?: string;
  readonly last: string;
  readonly json?: boolean;
}): void {
  const last = Number(options.last);
  if (!Number.isInteger(last) || last < 1)
    throw new OpsError('config-invalid', `--last wants a number from 1, not ${options.last}.`);
  const entries = readAudit(auditDir(), options.run ? { runId: options.run } : {}).slice(-last);
  for (const entry of entries) {
    if (options.json) {
      process.stdout.write(`${JSON.stringify(entry)}\n`);
      continue;
    }
    const { at, kind, writer, seq, who, runId, data } = entry;
    const facts = [who, runId, data ? JSON.stringify(data) : undefined].filter((f) => f !== undefined);
    process.stdout.write(visible(`${at} ${writer}#${seq} ${kind} ${facts.join(' ')}\n`));
  }
}

export function verify(options: { readonly json?: boolean }): number {
  const chains = verifyAudit(auditDir());
  if (options.json) process.stdout.write(`${JSON.stringify({ chains })}\n`);
  else if (chains.length === 0) process.stdout.write('There is no audit log yet.\n');
  for (const chain of options.json ? [] : chains)
    process.stdout.write(
      chain.ok
        ? `✓ ${chain.writer}: ${chain.lines} lines, whole up to #${chain.seq} (${chain.hash.slice(0, 12)})\n`
        : `✗ ${chain.writer}: ${chain.file} line ${chain.line}, #${chain.seq}: ${chain.what}\n`,
    );
  return chains.every((c) => c.ok) ? exitCodes.done : exitCodes.failed;
}
