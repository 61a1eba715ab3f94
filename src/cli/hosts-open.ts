/**
 * What the `hosts` commands look at: the inventory, the tailnet, and the ways to the hosts.
 */
import { loadConfig, readEnvironment } from '../config.ts';
import type { AnchorSettings } from '../core/anchor.ts';
import type { Host } from '../core/command.ts';
import { OpsError } from '../core/errors.ts';
import type { Logger } from '../core/ports.ts';
import type { Tailnet } from '../core/tailnet.ts';
import { resolveTargets } from '../core/targets.ts';
import { createHostCheck, type HostCheck } from '../whitelist/host-check.ts';
import type { TrustRoute } from '../whitelist/ssh/trust.ts';
import { tailnetOf } from '../wire/tailnet.ts';

export interface Opened {
  readonly hosts: readonly Host[];
  readonly dataDir: string;
  readonly anchor: AnchorSettings;
  readonly tailnet: Tailnet;
  /** The way to hosts behind a jump host, for looking at their key. */
  readonly route: TrustRoute;
  /** The caller closes it. */
  check(): HostCheck;
}

export const clock = { now: Date.now };

/** What is found out is printed as the result. */
const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };

/** With the whitelist server's part of the configuration: passphrases are needed to log in. */
export function openHosts(): Opened {
  const env = readEnvironment();
  const config = loadConfig('whitelist', env, process.cwd());
  const tailnet = tailnetOf(config, clock);
  const agent = env.SSH_AUTH_SOCK ? { agent: env.SSH_AUTH_SOCK } : {};
  const { hosts } = config;
  return {
    hosts,
    dataDir: config.dataDir,
    anchor: config.anchor,
    tailnet,
    route: { inventory: hosts, clock, logger: quiet, ...agent },
    check: () => createHostCheck({ tailnet, hosts, clock, logger: quiet, ...agent }),
  };
}

/** The hosts that these words name, all of them for none. Throws OpsError for a word that names none. */
export function pickHosts(words: readonly string[], hosts: readonly Host[]): readonly Host[] {
  if (words.length === 0) return hosts;
  const resolved = resolveTargets(words.join(','), hosts);
  if (!resolved.ok) throw new OpsError('config-invalid', resolved.problems.join(' '));
  return resolved.hosts;
}

/** How its key is known, in a word for tables. */
export function keyText({ hostKey }: Host): string {
  switch (hostKey.kind) {
    case 'fingerprint':
      return hostKey.sha256;
    case 'known-hosts':
      return hostKey.file;
    case 'tailnet':
      return 'the tailnet';
    default:
      return hostKey satisfies never;
  }
}

/** Rows as columns of equal width, two spaces between, nothing at the end of a line. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}
