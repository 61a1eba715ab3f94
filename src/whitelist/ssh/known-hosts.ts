/**
 * Reads OpenSSH known_hosts text: which keys a host may show. Plain, `[host]:port`, wildcard, negated and hashed
 * names; `@revoked` and `@cert-authority` lines are told apart. Lines that cannot be read are passed over.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

export interface KnownKey {
  readonly type: string;
  readonly key: Buffer;
  /** Line of the file, from 1. */
  readonly line: number;
}

export interface Known {
  readonly keys: readonly KnownKey[];
  readonly revoked: readonly KnownKey[];
  /** The host is vouched for by a certificate authority. */
  readonly authority: boolean;
}

/**
 * What the file says about a host. As OpenSSH does, a host on another port than 22 is looked up as `[host]:port`
 * and, when no key is kept for that, by its bare name.
 */
export function lookUpKnown(text: string, address: string, port: number): Known {
  const entries = parse(text);
  const exact = find(entries, knownName(address, port));
  if (port === 22 || exact.keys.length > 0 || exact.authority) return exact;
  const bare = find(entries, knownName(address, 22));
  return { ...bare, revoked: [...exact.revoked, ...bare.revoked] };
}

/** The name under which a host stands in the file. */
export function knownName(address: string, port: number): string {
  return (port === 22 ? address : `[${address}]:${port}`).toLowerCase();
}

/** The type a public key says it is, from its wire form; undefined when it is none. */
export function typeOfKey(key: Buffer): string | undefined {
  if (key.length < 4) return undefined;
  const length = key.readUInt32BE(0);
  if (length === 0 || length > 64 || key.length < 4 + length) return undefined;
  return key.subarray(4, 4 + length).toString('latin1');
}

interface Entry extends KnownKey {
  readonly marker: string | undefined;
  readonly names: string;
}

function parse(text: string): readonly Entry[] {
  const entries: Entry[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const words = raw.trim().split(/[ \t]+/);
    const marker = words[0]?.startsWith('@') ? words.shift() : undefined;
    const [names, type, encoded] = words;
    if (names === undefined || names === '' || names.startsWith('#')) continue;
    if (type === undefined || encoded === undefined) continue;
    const key = Buffer.from(encoded, 'base64');
    if (typeOfKey(key) !== type) continue;
    entries.push({ marker, names, type, key, line: index + 1 });
  }
  return entries;
}

function find(entries: readonly Entry[], name: string): Known {
  const matching = entries.filter((entry) => matches(entry.names, name));
  return {
    keys: matching.filter((entry) => entry.marker === undefined),
    revoked: matching.filter((entry) => entry.marker === '@revoked'),
    authority: matching.some((entry) => entry.marker === '@cert-authority'),
  };
}

function matches(names: string, name: string): boolean {
  if (names.startsWith('|')) return matchesHash(names, name);
  let matched = false;
  for (const pattern of names.split(',')) {
    const negated = pattern.startsWith('!');
    if (!wildcard(negated ? pattern.slice(1) : pattern).test(name)) continue;
    if (negated) return false;
    matched = true;
  }
  return matched;
}

/** `|1|salt|hash`, the HMAC-SHA1 of the name; one name a line. */
function matchesHash(names: string, name: string): boolean {
  const [, version, salt, hash] = names.split('|');
  if (version !== '1' || salt === undefined || hash === undefined) return false;
  const expected = Buffer.from(hash, 'base64');
  const actual = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

function wildcard(pattern: string): RegExp {
  const body = pattern
    .toLowerCase()
    .replaceAll(/\*+/g, '*')
    .replaceAll(/[.+^${}()|[\]\\/-]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${body}$`, 's');
}
