/**
 * A tailscaled on a unix socket of its own: answers the local API's status with the published JSON, or misbehaves.
 * Like the real one it answers only requests that name it and carry the header of the local API's clients.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Peer {
  readonly HostName: string;
  readonly address: string;
  readonly Online?: boolean;
  readonly LastSeen?: string;
  readonly KeyExpiry?: string;
  readonly Expired?: boolean;
  readonly Tags?: readonly string[];
  readonly sshHostKeys?: readonly string[];
}

export type Behaviour = 'answers' | 'hangs' | 'refuses' | 'cuts' | { readonly says: string };

export interface Tailscaled {
  readonly socket: string;
  readonly suffix: string;
  /** Requests it has had. */
  asked(): number;
  set(change: {
    readonly peers?: readonly Peer[];
    readonly state?: string;
    readonly behaviour?: Behaviour;
  }): void;
  /** The text of the status as it stands. */
  status(): string;
  stop(): Promise<void>;
}

const SUFFIX = 'tail1234.ts.net';

/** Listens once it resolves; `stop` removes the socket. */
export async function startTailscaled(peers: readonly Peer[] = []): Promise<Tailscaled> {
  const dir = mkdtempSync(join(tmpdir(), 'opsagent-tailscaled-'));
  const socket = join(dir, 'tailscaled.sock');
  let current = peers;
  let state = 'Running';
  let behaviour: Behaviour = 'answers';
  let asked = 0;

  const status = () => JSON.stringify(statusOf(state, current));
  const answer = (response: ServerResponse): void => {
    response.setHeader('content-type', 'application/json');
    if (behaviour === 'hangs') return;
    if (behaviour === 'refuses') response.writeHead(403).end('access denied');
    else if (behaviour === 'cuts') {
      response.writeHead(200, { 'content-length': 1_000_000 }).write('{"BackendState":');
      setImmediate(() => response.destroy());
    } else response.end(behaviour === 'answers' ? status() : behaviour.says);
  };
  const server = createServer((request, response) => {
    asked += 1;
    const { host, 'sec-tailscale': client } = request.headers;
    const allowed = host === 'local-tailscaled.sock' && client === 'localapi';
    if (!allowed) response.writeHead(403).end('invalid localapi request');
    else if (request.method === 'GET' && request.url === '/localapi/v0/status') answer(response);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));

  return {
    socket,
    suffix: SUFFIX,
    asked: () => asked,
    set(change) {
      current = change.peers ?? current;
      state = change.state ?? state;
      behaviour = change.behaviour ?? behaviour;
    },
    status,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Logged out or stopped, it knows no peers and no tailnet. */
function statusOf(state: string, peers: readonly Peer[]): object {
  const running = state === 'Running';
  return {
    Version: '1.98.4-t0000000-g0000000',
    TUN: true,
    BackendState: state,
    HaveNodeKey: running,
    AuthURL: '',
    TailscaleIPs: running ? ['100.64.0.1'] : null,
    Self: peerOf({ HostName: 'bot', address: '100.64.0.1', Tags: ['tag:opsagent'] }, 0),
    Health: running ? [] : [`state=${state}`],
    MagicDNSSuffix: running ? SUFFIX : '',
    CurrentTailnet: running ? { Name: 'example.org', MagicDNSSuffix: SUFFIX, MagicDNSEnabled: true } : null,
    CertDomains: null,
    Peer: running ? Object.fromEntries(peers.map((peer, i) => [nodeKey(i + 1), peerOf(peer, i + 1)])) : null,
    User: { '1': { ID: 1, LoginName: 'ops@example.org', DisplayName: 'Ops', ProfilePicURL: '' } },
    ClientVersion: null,
  };
}

function peerOf({ address, Online = true, LastSeen, ...peer }: Peer, i: number): object {
  return {
    ID: `n${i}CNTRL`,
    PublicKey: nodeKey(i),
    DNSName: `${peer.HostName.toLowerCase()}.${SUFFIX}.`,
    OS: 'linux',
    UserID: 1,
    TailscaleIPs: [address, `fd7a:115c:a1e0::${(i + 1).toString(16)}`],
    AllowedIPs: [`${address}/32`],
    Addrs: null,
    CurAddr: '',
    Relay: 'fra',
    RxBytes: 0,
    TxBytes: 0,
    Created: '2025-11-01T09:00:00Z',
    LastWrite: '0001-01-01T00:00:00Z',
    LastSeen: LastSeen ?? '0001-01-01T00:00:00Z',
    LastHandshake: '0001-01-01T00:00:00Z',
    Online,
    ExitNode: false,
    ExitNodeOption: false,
    Active: false,
    PeerAPIURL: [`http://${address}:35899`],
    InNetworkMap: true,
    InMagicSock: true,
    InEngine: false,
    ...peer,
  };
}

const nodeKey = (i: number) => `nodekey:${i.toString(16).padStart(64, '0')}`;
