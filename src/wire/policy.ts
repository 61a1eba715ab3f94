/**
 * The live policy of one process: what takes effect is audited, what does not is logged. Each process that decides
 * (bot, worker, whitelist server) has its own eye on the same file.
 */
import { createLivePolicy, type LivePolicy } from '../config/policy-live.ts';
import { problemLine } from '../config/problem.ts';
import type { Config } from '../config.ts';
import type { AuditLog, Clock, Logger } from '../core/ports.ts';

export function openPolicy(
  config: Pick<Config, 'policy' | 'policySource'>,
  { audit, clock, logger }: { readonly audit: AuditLog; readonly clock: Clock; readonly logger: Logger },
): LivePolicy {
  const file = config.policySource.shown;
  return createLivePolicy({
    source: config.policySource,
    policy: config.policy,
    clock,
    onLoaded({ hash, changes }) {
      logger.info({ file, hash, changes }, 'policy taken');
      // It holds whether it can be audited or not: an edit may take rights away. Nothing runs without an audit line.
      audit
        .record({ kind: 'config.loaded', data: { file, hash, changes } })
        .catch((err: unknown) => logger.error({ err, file, hash }, 'taking a policy could not be audited'));
    },
    onRefused(problems) {
      const lines = problems.map(problemLine);
      logger.error({ file, problems: lines }, 'policy not taken, the old one is kept');
      audit
        .record({ kind: 'config.refused', data: { file, problems: lines.slice(0, 20) } })
        .catch((err: unknown) => logger.error({ err, file }, 'refusing a policy could not be audited'));
    },
  });
}
