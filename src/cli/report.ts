/**
 * Expected failures in a sentence on stderr, the unexpected with its stack: that one is a bug to be reported.
 */
import { ConfigError } from '../config.ts';
import { OpsError, problemText } from '../core/errors.ts';
import { exitCodes } from './exit-codes.ts';

/** Prints what was thrown and returns the exit code it stands for. */
export function report(thrown: unknown): number {
  if (thrown instanceof ConfigError) {
    process.stderr.write(`${thrown.message}\n`);
    return exitCodes.usage;
  }
  if (thrown instanceof OpsError) {
    process.stderr.write(`opsagent: ${problemText(thrown.problem)}\n`);
    return thrown.problem.code === 'config-invalid' ? exitCodes.usage : exitCodes.failed;
  }
  process.stderr.write(`opsagent: unexpected: ${thrown instanceof Error ? thrown.stack : String(thrown)}\n`);
  return exitCodes.failed;
}
