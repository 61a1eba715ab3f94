/**
 * hosts.yaml: the machines that commands may run on. Names are ids, matched exactly; an empty list means that nothing
 * is configured, and this machine is used.
 */
import { z } from 'zod';
import type { Host } from '../core/command.ts';
import { hasHidden } from '../core/visible.ts';
import { filePath } from './paths.ts';
import type { ConfigProblem } from './problem.ts';
import { readYaml, say } from './yaml.ts';

const id = (what: string) =>
  z
    .string()
    .regex(
      /^[a-z0-9][a-z0-9._-]{0,62}$/,
      say(`is not ${what}`, 'use lower-case letters, digits, ".", "_" and "-"'),
    );

const fileText = z
  .string()
  .refine(
    (text) => /^(?:\/|~\/)./.test(text) && !hasHidden(text),
    say('is not a full path', 'begin it with "/" or "~/"'),
  );

const HostEntry = z.strictObject({
  name: id('a host name'),
  address: z.string().regex(addressForm(), say('is not an address', 'write a host name or an IP address')),
  port: z.int().min(1).max(65_535).optional(),
  user: z.string().regex(userForm(), say('is not a login name', 'write the user to log in as')),
  key: fileText.optional(),
  passphrase_env: z
    .string()
    .regex(
      /^[A-Z][A-Z0-9_]*_PASSPHRASE$/,
      say('is not the name of a passphrase variable', 'end it with _PASSPHRASE'),
    )
    .optional(),
  host_key: z
    .string()
    .regex(
      /^SHA256:[A-Za-z0-9+/]{43}$/,
      say(
        'is not a host key fingerprint',
        'write it as "opsagent hosts trust" or ssh-keygen -lf prints it: SHA256:…',
      ),
    )
    .optional(),
  known_hosts: fileText.optional(),
  path: z
    .string()
    .regex(/^\/[^:\s]*(?::\/[^:\s]*)*$/, say('is not a PATH', 'list absolute folders, separated by ":"'))
    .refine((text) => !hasHidden(text), say('holds an invisible character', 'retype it'))
    .optional(),
  tags: z.array(id('a tag')).max(50).optional(),
  tier: id('a tier').optional(),
});

const Inventory = z.strictObject({ hosts: z.array(HostEntry).nullable() });

/** What this machine adds to the file: the home folder for `~/`, the known_hosts file when none is named. */
export interface HostSurroundings {
  readonly home: string;
  readonly knownHostsFile: string;
  /** Passphrases by variable; undefined for a role that may not have them. */
  readonly passphrases: Readonly<Record<string, string | undefined>> | undefined;
  /** Why a key file cannot be read; undefined when it can, or is not this role's to read. */
  keyProblem(file: string): string | undefined;
}

/** The form of a host name or IP address; also for REMOTE_HOST. */
export function addressForm(): RegExp {
  return /^[A-Za-z0-9:](?:[A-Za-z0-9._:-]{0,252}[A-Za-z0-9])?$/;
}

/** The form of a login name; also for REMOTE_USER. */
export function userForm(): RegExp {
  return /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/;
}

/** Reads the text of a hosts.yaml. `hosts` is empty when there are problems. */
export function loadHosts(
  file: string,
  text: string,
  around: HostSurroundings,
): { readonly hosts: readonly Host[]; readonly problems: readonly ConfigProblem[] } {
  const yaml = readYaml(file, text, Inventory);
  if (yaml.value === undefined) return { hosts: [], problems: yaml.problems };

  const problems: ConfigProblem[] = [];
  const seen = new Set<string>();
  const hosts = (yaml.value.hosts ?? []).map((entry, i): Host => {
    const report = (key: string, rule: string, what: string, remedy: string) =>
      problems.push({ where: yaml.at(['hosts', i, key]), rule, what, remedy });
    if (seen.has(entry.name))
      report('name', 'duplicate-name', `there is another host named ${entry.name}`, 'rename one of them');
    seen.add(entry.name);
    // `local` is what the shipped policy lets a newcomer approve alone: no other machine may take that name.
    if (entry.name === 'local' || entry.name === 'all')
      report('name', 'reserved-name', `${entry.name} has a meaning of its own`, 'choose another name');
    if (entry.host_key !== undefined && entry.known_hosts !== undefined)
      report(
        'known_hosts',
        'two-host-keys',
        `${entry.name} has host_key and known_hosts`,
        'keep one of the two',
      );
    if (entry.passphrase_env !== undefined && entry.key === undefined)
      report(
        'passphrase_env',
        'passphrase-without-key',
        `${entry.name} has a passphrase and no key`,
        'add key, or remove passphrase_env',
      );

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
    return {
      name: entry.name,
      address: entry.address,
      port: entry.port ?? 22,
      user: entry.user,
      ...(keyFile === undefined ? {} : { keyFile }),
      ...(passphrase ? { passphrase } : {}),
      hostKey:
        entry.host_key === undefined
          ? {
              kind: 'known-hosts',
              file:
                entry.known_hosts === undefined
                  ? around.knownHostsFile
                  : filePath(entry.known_hosts, around.home),
            }
          : { kind: 'fingerprint', sha256: entry.host_key },
      ...(entry.path === undefined ? {} : { path: entry.path }),
      tags: entry.tags ?? [],
      tier: entry.tier ?? 'production',
    };
  });
  return { hosts: problems.length > 0 ? [] : hosts, problems };
}
