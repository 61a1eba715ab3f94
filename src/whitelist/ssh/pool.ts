/**
 * Kept connections: verified once, shared by concurrent callers, at most eight channels each (sshd's MaxSessions is
 * ten, and one is wanted for ending what runs on another), closed when idle.
 */
import type { Client } from 'ssh2';
import type { Host } from '../../core/command.ts';
import type { Logger } from '../../core/ports.ts';
import { type Dialled, dial } from './dial.ts';
import { algorithmsOf, type ExpectedKey, expectedKey, fingerprint, type ReadFile } from './host-key.ts';
import { typeOfKey } from './known-hosts.ts';
import { loginFor } from './login.ts';

export interface Lease {
  readonly client: Client;
  /** SHA256 fingerprint of the key the host showed. */
  readonly hostKey: string;
  /** True when the connection was not made for this lease. */
  readonly kept: boolean;
  /** Gives the channel's place back; once. */
  release(): void;
  /** No more channels on this connection; it is closed when its last lease is released. */
  retire(): void;
}

export type Leased =
  | { readonly ok: true; readonly lease: Lease }
  | { readonly ok: false; readonly problem: string };

export interface Pool {
  lease(host: Host): Promise<Leased>;
  close(): void;
}

export interface PoolOptions {
  readonly logger: Logger;
  readonly readFile: ReadFile;
  /** Unix socket of an ssh-agent for hosts without a key file. */
  readonly agent?: string;
  readonly idleMs: number;
  readonly connectTimeoutMs: number;
}

const CHANNELS_PER_CONNECTION = 8;

interface Connection {
  readonly opened: Promise<Opened>;
  inUse: number;
  leases: number;
  retired: boolean;
  idle: NodeJS.Timeout | undefined;
  client: Client | undefined;
}

type Opened =
  | { readonly ok: true; readonly client: Client; readonly hostKey: string }
  | { readonly ok: false; readonly problem: string };

export function createPool(options: PoolOptions): Pool {
  const byHost = new Map<string, Set<Connection>>();
  let closed = false;

  const drop = (key: string, connection: Connection): void => {
    connection.retired = true;
    clearTimeout(connection.idle);
    const all = byHost.get(key);
    all?.delete(connection);
    if (all?.size === 0) byHost.delete(key);
  };

  const start = (key: string, host: Host): Connection => {
    const connection: Connection = {
      opened: open(host, options),
      inUse: 0,
      leases: 0,
      retired: false,
      idle: undefined,
      client: undefined,
    };
    const all = byHost.get(key) ?? new Set();
    byHost.set(key, all.add(connection));
    void connection.opened.then((opened) => {
      if (!opened.ok) return drop(key, connection);
      connection.client = opened.client;
      if (closed) opened.client.end();
      opened.client.once('close', () => drop(key, connection));
    });
    return connection;
  };

  const settle = (key: string, connection: Connection): void => {
    if (connection.inUse > 0) return;
    if (connection.retired) {
      connection.client?.end();
      return;
    }
    connection.idle = setTimeout(() => {
      drop(key, connection);
      connection.client?.end();
    }, options.idleMs);
    connection.idle.unref();
  };

  return {
    async lease(host) {
      if (closed) return { ok: false, problem: 'opsagent is stopping' };
      const key = identity(host);
      const connections = [...(byHost.get(key) ?? [])];
      const free = connections.find((one) => !one.retired && one.inUse < CHANNELS_PER_CONNECTION);
      const connection = free ?? start(key, host);
      clearTimeout(connection.idle);
      connection.inUse += 1;
      connection.leases += 1;
      const kept = connection.leases > 1;
      const opened = await connection.opened;
      if (!opened.ok) return opened;
      let held = true;
      const lease: Lease = {
        client: opened.client,
        hostKey: opened.hostKey,
        kept,
        release() {
          if (!held) return;
          held = false;
          connection.inUse -= 1;
          settle(key, connection);
        },
        retire: () => drop(key, connection),
      };
      return { ok: true, lease };
    },
    close() {
      closed = true;
      for (const connections of [...byHost.values()]) {
        for (const connection of connections) {
          clearTimeout(connection.idle);
          connection.client?.end();
        }
      }
      byHost.clear();
    },
  };
}

/** Everything that makes a connection what it is: another pin or key file is another connection. */
function identity({ address, port, user, keyFile, hostKey, name }: Host): string {
  return JSON.stringify([name, address, port, user, keyFile ?? null, hostKey]);
}

async function open(host: Host, options: PoolOptions): Promise<Opened> {
  const expectation = await expectedKey(host, options.readFile);
  if (!expectation.ok) return expectation;
  const login = await loginFor(host, options.readFile, options.agent);
  if (!login.ok) return login;
  const dialled = await dialVerified(host, expectation.expected, (algorithms) =>
    dial(host, {
      algorithms,
      judge: expectation.expected.judge,
      login: login.login,
      timeoutMs: options.connectTimeoutMs,
    }),
  );
  if (dialled.kind === 'ready') {
    return { ok: true, client: dialled.client, hostKey: fingerprint(dialled.hostKey) };
  }
  if (dialled.kind === 'key-refused') {
    options.logger.error({ host: host.name, shown: fingerprint(dialled.hostKey) }, 'host key refused');
  } else {
    options.logger.warn({ host: host.name, problem: dialled.problem }, 'host not reached');
  }
  return { ok: false, problem: dialled.problem };
}

/**
 * A pin does not say its type, and a host shows one key of those asked for: after a refusal it is asked for the
 * types not yet shown. The first refusal is what is told.
 */
async function dialVerified(
  host: Host,
  expected: ExpectedKey,
  attempt: (algorithms: readonly string[]) => Promise<Dialled>,
): Promise<Dialled> {
  const first = await attempt(expected.algorithms);
  let last = first;
  let left = expected.algorithms;
  while (last.kind === 'key-refused' && host.hostKey.kind === 'fingerprint') {
    const shown = algorithmsOf(typeOfKey(last.hostKey) ?? '');
    const next = left.filter((algorithm) => !shown.includes(algorithm));
    if (next.length === 0 || next.length === left.length) return first;
    left = next;
    last = await attempt(left);
  }
  return last.kind === 'ready' ? last : first;
}
