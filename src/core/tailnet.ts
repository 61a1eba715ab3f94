/**
 * The tailnet as tailscaled tells of it: its nodes, which of them a host of the inventory is, and whether that node
 * may be dialled. What a node says of itself (name, tags, keys) is shown escaped and never taken for an order.
 */
import { createHash } from 'node:crypto';
import type { Host } from './command.ts';

export interface TailnetNode {
  /** What the machine calls itself: not unique, not to be matched by. */
  readonly hostName: string;
  /** Its MagicDNS name in lower case, without the dot at the end; '' when it has none. */
  readonly dnsName: string;
  readonly addresses: readonly string[];
  readonly os: string;
  readonly tags: readonly string[];
  readonly online: boolean;
  /** Milliseconds since 1970; tailscaled tells it of nodes that are offline. */
  readonly lastSeen?: number;
  /** When its node key expires; undefined where expiry is switched off. */
  readonly keyExpiry?: number;
  readonly expired: boolean;
  /** Keys of its SSH server as `type base64`; listed only where Tailscale SSH is on. */
  readonly hostKeys: readonly string[];
}

export type TailnetStatus =
  | {
      readonly kind: 'running';
      readonly tailnet: string;
      /** The MagicDNS suffix in lower case, such as `tail1234.ts.net`; '' when there is none. */
      readonly suffix: string;
      readonly self?: TailnetNode;
      readonly nodes: readonly TailnetNode[];
    }
  /** tailscaled answers and is not connected: logged out, stopped, starting. What it knows of nodes is old. */
  | { readonly kind: 'down'; readonly state: string; readonly problem: string }
  /** There is no tailscaled on this machine. */
  | { readonly kind: 'absent'; readonly problem: string }
  /** There is one, and it does not answer, or not in a form that can be read. */
  | { readonly kind: 'failed'; readonly problem: string };

/** Whoever can ask tailscaled. Never rejects; may answer from a few seconds ago. */
export interface Tailnet {
  status(): Promise<TailnetStatus>;
}

/** Days before a node key expires from which on it is worth a warning. */
export const EXPIRY_WARNING_DAYS = 14;

/**
 * The node that a host's address means: one of its tailnet addresses, its MagicDNS name, or the first label of that.
 * The bare label counts only for hosts dialled from here: behind a jump host it is that host's to resolve.
 */
export function nodeOf(status: TailnetStatus, host: Host): TailnetNode | undefined {
  if (status.kind !== 'running') return undefined;
  const wanted = canonical(host.address);
  const label = wanted.includes('.') || wanted.includes(':') || host.jump !== undefined;
  const full = label || status.suffix === '' ? wanted : `${wanted}.${status.suffix}`;
  const all = status.self === undefined ? status.nodes : [...status.nodes, status.self];
  return all.find(
    (node) =>
      (node.dnsName !== '' && node.dnsName === full) ||
      node.addresses.some((address) => canonical(address) === wanted),
  );
}

/** Why a node is not to be dialled at all, before its keys are looked at; undefined when it may be. */
export function nodeProblem(node: TailnetNode, host: Host, now: number): string | undefined {
  const name = `${host.name} (${host.address})`;
  if (isExpired(node, now))
    return (
      `the node key of ${name} in the tailnet has expired${node.keyExpiry === undefined ? '' : ` on ${day(node.keyExpiry)}`}: ` +
      'log it in again there with `tailscale up`, or switch key expiry off for it'
    );
  if (!node.online) return `${name} is offline in the tailnet${lastSeenText(node, now)}`;
  return undefined;
}

/** True when one of the fingerprints is that of a key the node lists, or it lists none. */
export function listsKey(node: TailnetNode, fingerprints: readonly string[]): boolean {
  const listed = fingerprintsOf(node);
  return listed.length === 0 || listed.some((one) => fingerprints.includes(one));
}

/** `SHA256:…` of each key the node lists, as `ssh-keygen -l` prints it; lines that are no keys are passed over. */
export function fingerprintsOf(node: TailnetNode): readonly string[] {
  return keysOf(node).map((key) => sha256(key));
}

/** The keys a node lists in their wire form. */
export function keysOf(node: TailnetNode): readonly Buffer[] {
  return node.hostKeys.flatMap((line) => {
    const [type = '', encoded = ''] = line.trim().split(/\s+/);
    const key = Buffer.from(encoded, 'base64');
    const length = key.length < 4 ? 0 : key.readUInt32BE(0);
    return type !== '' && key.subarray(4, 4 + length).toString('latin1') === type ? [key] : [];
  });
}

/** "offline, last seen 3 days ago (2026-03-01 10:20 UTC)"; '' where it is not known. */
export function lastSeenText({ lastSeen }: TailnetNode, now: number): string {
  return lastSeen === undefined ? '' : `, last seen ${ago(now - lastSeen)} ago (${minute(lastSeen)})`;
}

/** Whole days until the node key expires, negative after; undefined where expiry is off. */
export function daysLeft({ keyExpiry }: TailnetNode, now: number): number | undefined {
  return keyExpiry === undefined ? undefined : Math.floor((keyExpiry - now) / 86_400_000);
}

export function isExpired(node: TailnetNode, now: number): boolean {
  return node.expired || (node.keyExpiry !== undefined && node.keyExpiry <= now);
}

/** Is the address one that only a tailnet has: its two ranges, or a name under ts.net or the suffix? */
export function isTailnetAddress(address: string): boolean {
  const [a, b] = address.split('.').map(Number);
  const carrierGrade = /^[\d.]+$/.test(address) && a === 100 && b !== undefined && b >= 64 && b <= 127;
  return carrierGrade || /^fd7a:115c:a1e0:|\.ts\.net\.?$/.test(canonical(address));
}

/** Lower case, no dot at the end, IPv6 in its shortest form. */
function canonical(address: string): string {
  const plain = address.toLowerCase().replace(/\.$/, '');
  if (!plain.includes(':')) return plain;
  try {
    return new URL(`http://[${plain}]/`).hostname.slice(1, -1);
  } catch {
    return plain;
  }
}

function sha256(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replaceAll('=', '')}`;
}

function ago(ms: number): string {
  const minutes = Math.max(0, Math.floor(ms / 60_000));
  const [count, unit] =
    minutes < 120
      ? [minutes, 'minute']
      : minutes < 48 * 60
        ? [Math.floor(minutes / 60), 'hour']
        : [Math.floor(minutes / 1440), 'day'];
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

const minute = (at: number) => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
const day = (at: number) => new Date(at).toISOString().slice(0, 10);
