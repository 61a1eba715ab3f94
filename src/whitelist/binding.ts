/**
 * What an approval is bound to: everything that decides what happens where. Two of these are the same, or the parts
 * in which they differ are named for people.
 */
import type { CommandSpec, Host, HostKeySource, RenderedCommand } from '../core/command.ts';
import { digestOf, type Json, type JsonObject } from '../core/json.ts';

/** One command on one host. Edits elsewhere in the catalogue or inventory change nothing here. */
export function boundTo(
  spec: CommandSpec,
  values: Readonly<Record<string, string>>,
  host: Host,
): RenderedCommand['bound'] {
  return {
    what: { command: spec.name, spec: specHash(spec), values },
    where: {
      host: host.name,
      address: host.address,
      port: host.port,
      login: host.user,
      path: host.path ?? '',
      hostKey: hostKeyText(host.hostKey),
      route: routeOf(host),
      gate: host.gate ?? false,
    },
  };
}

/** The same command on all its hosts, with the keys that each may show now. */
export function bindingOf(
  commands: readonly RenderedCommand[],
  keys: ReadonlyMap<string, readonly string[]>,
): JsonObject {
  const hosts = commands.map(({ host, bound }): [string, JsonObject] => [
    host,
    { ...bound.where, keys: keys.get(host) ?? [] },
  ]);
  // A record has no order; what runs first, and alone when it fails, is part of what was shown.
  const order = commands.map(({ host }) => host);
  return { version: 2, ...commands[0]?.bound.what, hosts: Object.fromEntries(hosts), order };
}

/** Digest of this command's spec alone: edits elsewhere in the catalogue void no approval. */
export function specHash(spec: CommandSpec): string {
  return digestOf(JSON.parse(JSON.stringify(spec)) as Json);
}

/** How the host's key is known, as cards and audit show it. */
export function hostKeyText(source: HostKeySource): string {
  switch (source.kind) {
    case 'fingerprint':
      return source.sha256;
    case 'known-hosts':
      return `known_hosts ${source.file}`;
    case 'tailnet':
      return 'as the tailnet says';
    default:
      return source satisfies never;
  }
}

function routeOf({ jump, proxy }: Host): JsonObject {
  return { jump: jump ?? '', proxy: proxy ? `${proxy.host}:${proxy.port}` : '' };
}

const words: Readonly<Record<string, string>> = {
  command: 'the command',
  spec: "the command's text or limits",
  values: 'the arguments',
  hosts: 'the hosts',
  order: 'the order of the hosts',
};

const hostWords: Readonly<Record<string, string>> = {
  address: 'address',
  port: 'port',
  login: 'login user',
  path: 'PATH',
  hostKey: 'host key',
  keys: 'host key',
  route: 'route',
  gate: 'gate setting',
};

/** Names the parts in which two bindings differ, for people; none when they are the same. */
export function changedParts(approved: JsonObject, now: JsonObject): readonly string[] {
  const changed = differing(approved, now);
  // Other hosts are in another order as well.
  const isOther = changed.includes('hosts') && hostsOf(approved) !== hostsOf(now);
  return changed.flatMap((key) => {
    if (key === 'order' && isOther) return [];
    return key === 'hosts'
      ? changedHosts(objectIn(approved.hosts), objectIn(now.hosts))
      : [words[key] ?? key];
  });
}

const hostsOf = ({ hosts }: JsonObject) => Object.keys(objectIn(hosts)).sort().join();

function changedHosts(approved: JsonObject, now: JsonObject): readonly string[] {
  if (hostsOf({ hosts: approved }) !== hostsOf({ hosts: now })) return ['the hosts'];
  const changed = differing(approved, now).flatMap((host) =>
    differing(objectIn(approved[host]), objectIn(now[host])).map(
      (key) => `the ${hostWords[key] ?? key} of ${host}`,
    ),
  );
  return [...new Set(changed)];
}

function differing(a: JsonObject, b: JsonObject): readonly string[] {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].filter((key) => digestOf(a[key] ?? null) !== digestOf(b[key] ?? null));
}

function objectIn(value: Json | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}
