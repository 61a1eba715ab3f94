/**
 * A whitelist server over stdio for the tests: `node whitelist-entry.js DATA_DIR`. A run is a line in DATA_DIR/ran;
 * while DATA_DIR/hold exists, runs wait. The process writes its id to DATA_DIR/pid.
 */
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openAuditLog } from '../../src/backends/audit-log.ts';
import type { CommandRunner } from '../../src/core/ports.ts';
import { startWhitelistServer } from '../../src/whitelist/start.ts';
import { recordingLogger } from '../fakes/logger.ts';
import { catalogue, host, policy } from '../whitelist/catalogue.ts';

const dataDir = process.argv[2] ?? '';
const clock = { now: () => Date.now() };
const redact = (text: string) => text;
writeFileSync(join(dataDir, 'pid'), String(process.pid));

const runner: CommandRunner = {
  async run(command, _host, signal) {
    appendFileSync(join(dataDir, 'ran'), `${command.line}\n`);
    while (existsSync(join(dataDir, 'hold')) && !signal.aborted)
      await new Promise((resolve) => setTimeout(resolve, 10));
    const end = signal.aborted
      ? ({ kind: 'cancelled', ended: true } as const)
      : ({ kind: 'exited', code: 0 } as const);
    return { end, stdout: `output of ${command.command}`, stderr: '', truncated: false, ms: 1 };
  },
  async collect() {
    const problem = 'the host keeps nothing';
    return { end: { kind: 'lost', problem }, stdout: '', stderr: '', truncated: false, ms: 1 };
  },
  async close() {},
};

const audit = await openAuditLog({ dir: join(dataDir, 'audit'), writer: 'whitelist', clock, redact });
const server = await startWhitelistServer({
  catalogue,
  policy,
  hosts: [host],
  runner,
  trustedKeys: async () => ({ ok: true, fingerprints: ['SHA256:first'] }),
  dataDir,
  audit,
  redact,
  clock,
  logger: recordingLogger(),
});
await server.serve().finished;
await audit.close();
