/**
 * hosts.yaml: the machines that commands may run on. Names are ids, matched exactly; an empty list means that nothing
 * is configured, and this machine is used.
 */
import type { Host, HostKeySource } from '../core/command.ts';
import { type HostEntry, Inventory } from './host-entry.ts';
import { hostProblems } from './host-rules.ts';
import { filePath } from './paths.ts';
import type { ConfigProblem } from './problem.ts';
import { type DefaultProxy, proxyFrom } from './proxies.ts';
import { readYaml } from './yaml.ts';

// What the proposals of `hosts discover` are held to as well.
export { userForm } from './host-entry.ts';

/** Any other word counts as production. */
const TIERS: readonly string[] = ['production', 'staging', 'test', 'development'];

/** What this machine adds to the file: the home folder for `~/`, the known_hosts file when none is named. */
export interface HostSurroundings {
  readonly home: string;
  readonly knownHostsFile: string;
  /** Passphrases by variable; undefined for a role that may not have them. */
  readonly passphrases: Readonly<Record<string, string | undefined>> | undefined;
  /** Why a key file cannot be read; undefined when it can, or is not this role's to read. */
  keyProblem(file: string): string | undefined;
  /** The proxy that a variable names for this address. */
  readonly proxyFor: DefaultProxy;
}

/** Reads the text of a hosts.yaml. `hosts` is empty when there are problems. */
export function loadHosts(
  file: string,
  text: string,
  around: HostSurroundings,
): { readonly hosts: readonly Host[]; readonly problems: readonly ConfigProblem[] } {
  const yaml = readYaml(file, text, Inventory);
  if (yaml.value === undefined) return { hosts: [], problems: yaml.problems };

  const entries = yaml.value.hosts ?? [];
  const problems = [...hostProblems(entries, (i, key) => yaml.at(['hosts', i, key]))];
  const hosts = entries.map((entry, i): Host => {
    const report = (key: string, rule: string, what: string, remedy: string) =>
      problems.push({ where: yaml.at(['hosts', i, key]), rule, what, remedy });
    const passphrase =
      entry.passphrase_env === undefined ? undefined : around.passphrases?.[entry.passphrase_env];
    if (entry.passphrase_env !== undefined && around.passphrases !== undefined && !passphrase)
      report(
        'passphrase_env',
        'missing-passphrase',
        `the variable ${entry.passphrase_env} is not set`,
        'set it, or remove passphrase_env',
      );
    const keyFile = entry.key === undefined ? undefined : filePath(entry.key, around.home);
    const keyProblem = keyFile === undefined ? undefined : around.keyProblem(keyFile);
    if (keyProblem !== undefined)
      report(
        'key',
        'unreadable-key',
        `the key ${keyFile} ${keyProblem}`,
        'name a private key this login can read',
      );
    const proxy = proxyOf(entry, around);
    return {
      name: entry.name,
      address: entry.address,
      port: entry.port ?? 22,
      user: entry.user,
      ...(entry.auth === undefined ? {} : { auth: entry.auth }),
      ...(keyFile === undefined ? {} : { keyFile }),
      ...(passphrase ? { passphrase } : {}),
      hostKey: hostKeyOf(entry, around),
      ...(entry.jump === undefined ? {} : { jump: entry.jump }),
      ...(proxy === undefined ? {} : { proxy }),
      ...(entry.gate ? { gate: true } : {}),
      ...(entry.path === undefined ? {} : { path: entry.path }),
      tags: entry.tags ?? [],
      tier: tierOf(entry.tier),
    };
  });
  return { hosts: problems.length > 0 ? [] : hosts, problems };
}

function hostKeyOf({ host_key, known_hosts }: HostEntry, around: HostSurroundings): HostKeySource {
  if (host_key === 'tailnet') return { kind: 'tailnet' };
  if (host_key !== undefined) return { kind: 'fingerprint', sha256: host_key };
  const file = known_hosts === undefined ? around.knownHostsFile : filePath(known_hosts, around.home);
  return { kind: 'known-hosts', file };
}

/** A jump host leads there from its own place: what a variable says is for this machine. */
function proxyOf(entry: HostEntry, around: HostSurroundings): Host['proxy'] {
  if (entry.proxy !== undefined) return proxyFrom(entry.proxy);
  return entry.jump === undefined ? around.proxyFor(entry.address) : undefined;
}

/** A tier that is not known counts as production: a word nobody knows must not make a host less careful. */
function tierOf(text: string | undefined): string {
  return text !== undefined && TIERS.includes(text) ? text : 'production';
}
