/**
 * Kept connections: verified once, shared by concurrent callers, at most eight channels each (sshd's MaxSessions is
 * ten, and one is wanted for ending what runs on another), closed when idle. A host that failed is left alone a while.
 */
import type { Client } from 'ssh2';
import type { Host } from '../../core/command.ts';
import type { Clock } from '../../core/ports.ts';
import { createCircuits } from './circuit.ts';
import { type ConnectOptions, connect, type Opened, termsFor } from './connect.ts';
import { createTunnel } from './jump.ts';
import { createReach } from './reach.ts';
import type { Reach } from './reached.ts';
import { createSlots } from './slots.ts';

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
  /** A byte stream to a host as the inventory says it is reached: directly, by proxy or through its jump host. */
  readonly reach: Reach;
  close(): void;
}

export interface PoolOptions extends ConnectOptions {
  readonly clock: Clock;
  readonly idleMs: number;
  /** Where jump hosts are looked up by name. */
  readonly inventory?: readonly Host[];
}

const CHANNELS_PER_CONNECTION = 8;
/** Handshakes at once in this process, and with one sshd, whose MaxStartups begins to drop at ten. */
const HANDSHAKES = 20;
const HANDSHAKES_PER_SSHD = 8;

interface Connection {
  readonly opened: Promise<Opened>;
  inUse: number;
  /** Connections to other hosts that go through this one; sshd does not count them as sessions. */
  tunnels: number;
  leases: number;
  retired: boolean;
  idle: NodeJS.Timeout | undefined;
  client: Client | undefined;
}

export function createPool(options: PoolOptions): Pool {
  const byHost = new Map<string, Set<Connection>>();
  const circuits = createCircuits(options.clock);
  const handshakes = createSlots(HANDSHAKES);
  const perSshd = createSlots(HANDSHAKES_PER_SSHD);
  let closed = false;

  const reach = createReach(
    createTunnel({
      inventory: options.inventory ?? [],
      async hold(host) {
        const taken = await take(host, 'tunnels');
        if (!taken.ok) return taken;
        return { ok: true, held: { client: taken.client, release: taken.giveBack } };
      },
    }),
  );

  const open = async (key: string, host: Host): Promise<Opened> => {
    const read = await termsFor(host, options);
    if (!read.ok) return read;
    return circuits.through(key, read.terms.basis, async () => {
      const giveBack = await perSshd.take(JSON.stringify([host.address, host.port, host.jump, host.proxy]));
      const opened = await connect(host, read.terms, reach, handshakes, options);
      giveBack();
      return opened;
    });
  };

  const drop = (key: string, connection: Connection): void => {
    connection.retired = true;
    clearTimeout(connection.idle);
    const all = byHost.get(key);
    all?.delete(connection);
    if (all?.size === 0) byHost.delete(key);
  };

  const start = (key: string, host: Host): Connection => {
    const connection: Connection = {
      opened: open(key, host),
      inUse: 0,
      tunnels: 0,
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
    if (connection.inUse > 0 || connection.tunnels > 0) return;
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

  const take = async (host: Host, what: 'inUse' | 'tunnels') => {
    if (closed) return { ok: false, problem: 'opsagent is stopping' } as const;
    const key = identity(host);
    const most = what === 'inUse' ? CHANNELS_PER_CONNECTION : Number.POSITIVE_INFINITY;
    const connections = [...(byHost.get(key) ?? [])];
    const connection = connections.find((one) => !one.retired && one[what] < most) ?? start(key, host);
    clearTimeout(connection.idle);
    connection[what] += 1;
    connection.leases += 1;
    const kept = connection.leases > 1;
    const opened = await connection.opened;
    if (!opened.ok) return opened;
    let held = true;
    const giveBack = (): void => {
      if (!held) return;
      held = false;
      connection[what] -= 1;
      settle(key, connection);
    };
    const retire = (): void => drop(key, connection);
    return { ok: true, client: opened.client, hostKey: opened.hostKey, kept, giveBack, retire } as const;
  };

  return {
    reach,
    async lease(host) {
      const taken = await take(host, 'inUse');
      if (!taken.ok) return { ok: false, problem: taken.problem };
      const { client, hostKey, kept, giveBack, retire } = taken;
      return { ok: true, lease: { client, hostKey, kept, release: giveBack, retire } };
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

/** Everything that makes a connection what it is: another pin, key file or way there is another connection. */
function identity({ address, port, user, auth, keyFile, hostKey, jump, proxy, name }: Host): string {
  return JSON.stringify([
    name,
    address,
    port,
    user,
    auth ?? null,
    keyFile ?? null,
    hostKey,
    jump ?? null,
    proxy ?? null,
  ]);
}
