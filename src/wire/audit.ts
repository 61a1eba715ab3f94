/**
 * What a process writes to the audit log when it starts: that it did, and which files it goes by.
 */
import { type NamedAuditLog, openAuditLog } from '../backends/audit-log.ts';
import type { Config } from '../config.ts';
import type { Host } from '../core/command.ts';
import { sha256 } from '../core/json.ts';
import type { Clock, Logger } from '../core/ports.ts';
import { version } from '../core/version.ts';
import type { Stops } from './stops.ts';

export interface AuditOptions {
  readonly config: Config;
  /** The process's role, see `openAuditLog`. */
  readonly writer: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly redact: (text: string) => string;
}

/** Opens the log, anchored where the configuration says; its last line and its closing are among `stops`. */
export async function startAudit(options: AuditOptions, stops: Stops): Promise<NamedAuditLog> {
  const { config, writer, clock, logger, redact } = options;
  const { anchor } = config;
  const audit = await openAuditLog({
    dir: `${config.dataDir}/audit`,
    ...{ writer, clock, redact, logger, anchor },
  });
  stops.add('audit log', () => audit.close());
  await audit.record({ kind: 'process.started', data: { version, pid: process.pid } });
  stops.add('audit line', () => audit.record({ kind: 'process.stopped', data: { pid: process.pid } }));
  return audit;
}

/** The configuration that is in force, by hashes that tell one from another. `hosts`: those that commands go to. */
export function recordConfig(audit: NamedAuditLog, config: Config, hosts: readonly Host[]): Promise<void> {
  const shown = hosts.map(({ passphrase: _, ...host }) => host);
  return audit.record({
    kind: 'config.loaded',
    data: {
      role: config.role,
      commands: config.catalogue.length,
      catalogue: sha256(JSON.stringify(config.catalogue)),
      hosts: hosts.map((h) => h.name),
      inventory: sha256(JSON.stringify(shown)),
      policy: config.policySource.hash,
    },
  });
}
