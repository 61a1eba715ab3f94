/**
 * `opsagent hosts list` and `trust`: what is in the inventory, and the one way a first host key gets pinned.
 */
import { createInterface } from 'node:readline/promises';
import { openAuditLog } from '../backends/audit-log.ts';
import { prepareDataDir } from '../backends/data-dir.ts';
import { loadConfig, readEnvironment } from '../config.ts';
import type { Host } from '../core/command.ts';
import { OpsError } from '../core/errors.ts';
import { trustHost } from '../whitelist/ssh/trust.ts';
import { exitCodes } from './exit-codes.ts';

const inventory = () => loadConfig('whitelist', readEnvironment(), process.cwd());

export function listHosts(options: { readonly json?: boolean }): void {
  const { hosts } = inventory();
  if (options.json) {
    process.stdout.write(`${JSON.stringify(hosts.map(({ passphrase: _, ...host }) => host))}\n`);
    return;
  }
  if (hosts.length === 0) {
    process.stdout.write('local  this machine, over a loopback SSH server (no host is configured)\n');
    return;
  }
  const width = Math.max(...hosts.map((h) => h.name.length));
  for (const h of hosts) {
    const tags = h.tags.length > 0 ? `  @${h.tags.join(' @')}` : '';
    process.stdout.write(
      `${h.name.padEnd(width)}  ${h.user}@${h.address}:${h.port}  ${h.tier}${tags}  key: ${keyText(h)}\n`,
    );
  }
}

export async function trust(name: string, options: { readonly fingerprint?: string }): Promise<number> {
  const config = inventory();
  const host = config.hosts.find((h) => h.name === name);
  if (!host)
    throw new OpsError(
      'config-invalid',
      `There is no host ${name} in the inventory.`,
      `There are: ${config.hosts.map((h) => h.name).join(', ') || 'none'}.`,
    );
  if (host.hostKey.kind === 'fingerprint')
    throw new OpsError(
      'config-invalid',
      `The key of ${name} is pinned in config/hosts.yaml (${host.hostKey.sha256}).`,
      'Change it there.',
    );
  const { file } = host.hostKey;
  const confirm = ({ type, fingerprint }: { type: string; fingerprint: string }) =>
    agree(host, type, fingerprint, options.fingerprint);
  const outcome = await trustHost(host, file, confirm);
  switch (outcome.kind) {
    case 'added':
    case 'known':
      if (outcome.kind === 'added') await recordTrust(config.dataDir, name, outcome.fingerprint);
      process.stdout.write(
        outcome.kind === 'added' ? `Added to ${file}.\n` : `${file} has this key already; nothing to do.\n`,
      );
      return exitCodes.done;
    case 'declined':
      process.stderr.write('Not added.\n');
      return exitCodes.refused;
    case 'failed':
      process.stderr.write(`opsagent: ${outcome.problem}\n`);
      return exitCodes.failed;
    default:
      return outcome satisfies never;
  }
}

async function agree(
  host: Host,
  type: string,
  fingerprint: string,
  expected: string | undefined,
): Promise<boolean> {
  process.stdout.write(
    `${host.name} (${host.address}:${host.port}) shows this ${type} key:\n  ${fingerprint}\n`,
  );
  if (expected) return expected === fingerprint;
  if (!process.stdin.isTTY) {
    process.stderr.write('Nobody can be asked here; use --fingerprint with the value you expect.\n');
    return false;
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question('Compare it with the host’s own (ssh-keygen -lf). Trust it? [y/N] ');
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}

async function recordTrust(dataDir: string, host: string, fingerprint: string): Promise<void> {
  prepareDataDir(dataDir);
  const audit = await openAuditLog({
    dir: `${dataDir}/audit`,
    writer: 'cli',
    clock: { now: Date.now },
    redact: (text) => text,
  });
  await audit.record({ kind: 'host.trusted', who: 'console:owner', data: { host, fingerprint } });
  await audit.close();
}

function keyText(host: Host): string {
  return host.hostKey.kind === 'fingerprint' ? host.hostKey.sha256 : host.hostKey.file;
}
