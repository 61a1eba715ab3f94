/**
 * Which key a host must show, and the verdict on the one it does show. There is no connection without a verdict:
 * a host with no known key is not even dialled.
 */
import { createHash } from 'node:crypto';
import type { Host } from '../../core/command.ts';
import { type Known, type KnownKey, lookUpKnown, typeOfKey } from './known-hosts.ts';

export type Verdict = { readonly ok: true } | { readonly ok: false; readonly problem: string };

export interface ExpectedKey {
  /** Key types to ask the host for, in the order tried; one attempt for each list. */
  readonly algorithms: readonly string[];
  /** What the verdict goes by, as text: another one may come to another verdict. */
  readonly basis: string;
  /** Judges the key in its wire form. */
  judge(key: Buffer): Verdict;
}

export type Expectation =
  | { readonly ok: true; readonly expected: ExpectedKey }
  | { readonly ok: false; readonly problem: string };

export type ReadFile = (path: string) => Promise<Buffer>;

/** Host keys that the tailnet has for a node, in their wire form. Does not reject. */
export type TailnetKeys = (
  host: Host,
) => Promise<
  { readonly ok: true; readonly keys: readonly Buffer[] } | { readonly ok: false; readonly problem: string }
>;

/** Signature algorithms for each key type; the SHA-1 one of RSA is left out. */
const ALGORITHMS: Readonly<Record<string, readonly string[]>> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
};

export const ALL_ALGORITHMS: readonly string[] = Object.values(ALGORITHMS).flat();

/** Signature algorithms by which a key of this type may be shown; none for a type that cannot be checked here. */
export function algorithmsOf(type: string): readonly string[] {
  return Object.hasOwn(ALGORITHMS, type) ? (ALGORITHMS[type] ?? []) : [];
}

/** `SHA256:…` as `ssh-keygen -l` prints it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replaceAll('=', '')}`;
}

/**
 * What is known of the host, read anew each time. `readFile` is for the known_hosts file; a missing one knows nobody.
 * Without `tailnetKeys` a host whose key is the tailnet's to say is refused.
 */
export async function expectedKey(
  host: Host,
  readFile: ReadFile,
  tailnetKeys?: TailnetKeys,
): Promise<Expectation> {
  const { hostKey } = host;
  switch (hostKey.kind) {
    case 'fingerprint':
      return { ok: true, expected: pinned(host, hostKey.sha256) };
    case 'tailnet':
      return fromTailnet(host, tailnetKeys);
    case 'known-hosts':
      break;
    default:
      return hostKey satisfies never;
  }
  const { file } = hostKey;
  let text: string;
  try {
    text = (await readFile(file)).toString('utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT')
      return no(`${file}, which should know the key of ${host.name}, cannot be read (${code})`);
    text = '';
  }
  return fromKnownHosts(host, file, text);
}

function pinned(host: Host, sha256: string): ExpectedKey {
  const wanted = `SHA256:${sha256.replace(/^SHA256:/, '').replaceAll('=', '')}`;
  return {
    algorithms: ALL_ALGORITHMS,
    basis: wanted,
    judge(key) {
      const shown = fingerprint(key);
      if (shown === wanted) return { ok: true };
      return no(
        `the host key of ${host.name} is not the pinned one: pinned ${wanted}, shown ${shown}. ` +
          'Nothing was sent; find out why before you change the pin',
      );
    },
  };
}

async function fromTailnet(host: Host, tailnetKeys: TailnetKeys | undefined): Promise<Expectation> {
  if (tailnetKeys === undefined) {
    return no(
      `the host key of ${host.name} is to come from the tailnet (host_key: tailnet), which is not asked here: ` +
        'pin its fingerprint in host_key, or leave host_key out and use known_hosts',
    );
  }
  const known = await tailnetKeys(host);
  if (!known.ok) return no(`the host key of ${host.name} is the tailnet's to say, and ${known.problem}`);
  const usable = known.keys.filter((key) => algorithmsOf(typeOfKey(key) ?? '').length > 0);
  if (usable.length === 0) {
    return no(
      `the tailnet has no host key for ${host.name} that can be checked here: ` +
        'is Tailscale SSH on there (tailscale set --ssh)?',
    );
  }
  const shas = usable.map(fingerprint);
  return {
    ok: true,
    expected: {
      algorithms: [...new Set(usable.flatMap((key) => algorithmsOf(typeOfKey(key) ?? '')))],
      basis: shas.join(' '),
      judge(key) {
        if (usable.some((one) => one.equals(key))) return { ok: true };
        return no(
          `the host key of ${host.name} is not the one that the tailnet has: known there ${shas.join(', ')}, ` +
            `shown ${fingerprint(key)}. Nothing was sent; find out who answers at ${host.address}`,
        );
      },
    },
  };
}

function fromKnownHosts(host: Host, file: string, text: string): Expectation {
  const known = lookUpKnown(text, host.address, host.port);
  const usable = known.keys.filter(({ type }) => algorithmsOf(type).length > 0);
  if (usable.length === 0) return no(nothingUsable(host, file, known));
  return {
    ok: true,
    expected: {
      algorithms: [...new Set(usable.flatMap(({ type }) => algorithmsOf(type)))],
      basis: [usable, known.revoked].map((keys) => keys.map(({ key }) => key.toString('base64'))).join(';'),
      judge(key) {
        if (known.revoked.some((revoked) => revoked.key.equals(key))) {
          return no(
            `the host key of ${host.name} (${fingerprint(key)}) is marked @revoked in ${file}. Nothing was sent`,
          );
        }
        if (usable.some((one) => one.key.equals(key))) return { ok: true };
        const type = typeOfKey(key);
        const same = usable.filter((one) => one.type === type);
        const old = (same.length > 0 ? same : usable)
          .map((one) => `${fingerprint(one.key)} (${file}:${one.line})`)
          .join(', ');
        return no(
          `the host key of ${host.name} has changed: known ${old}, shown ${fingerprint(key)}. ` +
            'Nothing was sent; find out why before you correct the file',
        );
      },
    },
  };
}

/** Why there is no key to compare with, ending with the line to type. */
function nothingUsable(host: Host, file: string, known: Known): string {
  const trust = `\nopsagent hosts trust ${host.name}`;
  if (known.authority) {
    return (
      `${file} knows ${host.name} only by a certificate authority (@cert-authority), and host certificates cannot be ` +
      `checked here: look at the host's own key and accept it with${trust}`
    );
  }
  if (known.keys.length > 0) {
    return (
      `${file} knows ${host.name} only by a key type that cannot be checked here ` +
      `(${types(known.keys)}): look at another of its keys and accept it with${trust}`
    );
  }
  return `the host key of ${host.name} is not known in ${file}: look at it and accept it with${trust}`;
}

function types(keys: readonly KnownKey[]): string {
  return [...new Set(keys.map(({ type }) => type))].join(', ');
}

function no(problem: string): { readonly ok: false; readonly problem: string } {
  return { ok: false, problem };
}
