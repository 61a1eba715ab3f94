/**
 * `opsagent hosts trust`: the one way a first host key gets pinned. It is shown, compared with what the tailnet lists,
 * asked about and recorded.
 */
import { createInterface } from 'node:readline/promises';
import { openAuditLog } from '../backends/audit-log.ts';
import { prepareDataDir } from '../backends/data-dir.ts';
import type { Host } from '../core/command.ts';
import { OpsError } from '../core/errors.ts';
import { fingerprintsOf, nodeOf, type Tailnet } from '../core/tailnet.ts';
import { trustHost } from '../whitelist/ssh/trust.ts';
import { exitCodes } from './exit-codes.ts';
import { clock, type Opened, openHosts } from './hosts-open.ts';

export async function trust(name: string, options: { readonly fingerprint?: string }): Promise<number> {
  const opened = openHosts();
  const host = opened.hosts.find((h) => h.name === name);
  if (!host)
    throw new OpsError(
      'config-invalid',
      `There is no host ${name} in the inventory.`,
      `There are: ${opened.hosts.map((h) => h.name).join(', ') || 'none'}.`,
    );
  const file = fileFor(host);
  let listed: Listed = 'unknown';
  const confirm = async ({ type, fingerprint }: { type: string; fingerprint: string }) => {
    process.stdout.write(
      `${host.name} (${host.address}:${host.port}) shows this ${type} key:\n  ${fingerprint}\n`,
    );
    listed = await compare(opened.tailnet, host, fingerprint);
    return agree(fingerprint, options.fingerprint);
  };
  const outcome = await trustHost(host, file, confirm, opened.route);
  switch (outcome.kind) {
    case 'added':
    case 'known':
      if (outcome.kind === 'added')
        await recordTrust(opened, { host: name, fingerprint: outcome.fingerprint, tailnet: listed });
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

/** The known_hosts file to add to; throws OpsError where the inventory has the key's word from elsewhere. */
function fileFor({ name, hostKey }: Host): string {
  switch (hostKey.kind) {
    case 'known-hosts':
      return hostKey.file;
    case 'fingerprint':
      throw new OpsError(
        'config-invalid',
        `The key of ${name} is pinned in config/hosts.yaml (${hostKey.sha256}).`,
        'Change it there.',
      );
    case 'tailnet':
      throw new OpsError(
        'config-invalid',
        `The key of ${name} is the tailnet's to say (host_key: tailnet); there is nothing to pin.`,
        'Remove host_key from config/hosts.yaml to pin a key of your own.',
      );
    default:
      return hostKey satisfies never;
  }
}

/** What the tailnet says of the key, for the audit log. */
type Listed = 'same' | 'other' | 'unknown';

/** Says whether the tailnet lists the key that is shown; nothing where there is no tailnet or no key to compare. */
async function compare(tailnet: Tailnet, host: Host, shown: string): Promise<Listed> {
  const status = await tailnet.status();
  const node = nodeOf(status, host);
  if (status.kind === 'failed' || status.kind === 'down')
    process.stdout.write(`It cannot be compared with the tailnet: ${status.problem}.\n`);
  if (node === undefined) return 'unknown';
  const keys = fingerprintsOf(node);
  if (keys.length === 0) {
    process.stdout.write('The tailnet lists no SSH key for it, so there is nothing to compare it with.\n');
    return 'unknown';
  }
  const same = keys.includes(shown);
  process.stdout.write(
    same
      ? 'The tailnet lists the same key for it.\n'
      : `The tailnet lists OTHER keys for it: ${keys.join(', ')}\n` +
          'Find out why first: while they differ, commands on it are refused.\n',
  );
  return same ? 'same' : 'other';
}

async function agree(shown: string, expected: string | undefined): Promise<boolean> {
  if (expected) return expected === shown;
  if (!process.stdin.isTTY) {
    process.stderr.write('Nobody can be asked here; use --fingerprint with the value you expect.\n');
    return false;
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question('Compare it with the host’s own (ssh-keygen -lf). Trust it? [y/N] ');
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}

async function recordTrust(
  { dataDir, anchor }: Pick<Opened, 'dataDir' | 'anchor'>,
  data: { readonly host: string; readonly fingerprint: string; readonly tailnet: Listed },
): Promise<void> {
  prepareDataDir(dataDir);
  const audit = await openAuditLog({
    dir: `${dataDir}/audit`,
    writer: 'cli',
    clock,
    redact: (text) => text,
    anchor,
  });
  await audit.record({ kind: 'host.trusted', who: 'console:owner', data });
  await audit.close();
}
