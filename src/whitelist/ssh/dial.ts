/**
 * One SSH handshake: TCP, host key verdict, then the login if the verdict allows and one is given. Every way it can
 * fail is one clear sentence. ssh2's Client is made here and nowhere else, always with a verifier.
 */
import { createConnection, type Socket } from 'node:net';
import ssh2, { type Client, type ConnectConfig } from 'ssh2';
import type { Host } from '../../core/command.ts';
import type { Verdict } from './host-key.ts';
import type { Login } from './login.ts';

export type Dialled =
  | { readonly kind: 'ready'; readonly client: Client; readonly hostKey: Buffer }
  /** The host showed this key and the verdict was no; nothing of ours was sent. */
  | { readonly kind: 'key-refused'; readonly hostKey: Buffer; readonly problem: string }
  /** The host has no key of a type that was asked for. */
  | { readonly kind: 'no-such-key'; readonly problem: string }
  | { readonly kind: 'failed'; readonly problem: string };

export interface DialOptions {
  /** Host key algorithms to ask for. */
  readonly algorithms: readonly string[];
  readonly judge: (key: Buffer) => Verdict;
  readonly login: Login;
  readonly timeoutMs: number;
}

/** Never rejects. The caller owns the client of `ready` and must end it. */
export async function dial(host: Host, options: DialOptions): Promise<Dialled> {
  const deadline = Date.now() + options.timeoutMs;
  const connected = await tcp(host, options.timeoutMs);
  if (!('socket' in connected)) return { kind: 'failed', problem: connected.problem };
  return handshake(host, options, connected.socket, Math.max(1, deadline - Date.now()));
}

function tcp(host: Host, timeoutMs: number): Promise<{ socket: Socket } | { problem: string }> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: host.address, port: host.port });
    // Without it the kernel holds small packets back, about 40 ms between commands.
    socket.setNoDelay(true);
    const timer = setTimeout(() => failed('ETIMEDOUT'), timeoutMs);
    const failed = (code: string | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ problem: networkProblem(host, code, timeoutMs) });
    };
    const onError = (error: NodeJS.ErrnoException): void => failed(error.code);
    socket.once('error', onError);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', onError);
      resolve({ socket });
    });
  });
}

function handshake(host: Host, options: DialOptions, sock: Socket, timeoutMs: number): Promise<Dialled> {
  return new Promise((resolve) => {
    const client = new ssh2.Client();
    let shown: Buffer | undefined;
    let verdict: Verdict | undefined;
    const done = (dialled: Dialled): void => {
      clearTimeout(timer);
      // ssh2 may still report errors of a socket that is going away; without a listener they would end the process.
      client.removeAllListeners('error').on('error', () => {});
      if (dialled.kind !== 'ready') {
        client.end();
        sock.destroy();
      }
      resolve(dialled);
    };
    const timer = setTimeout(
      () => done({ kind: 'failed', problem: `${at(host)} did not finish the SSH handshake in time` }),
      timeoutMs,
    );
    const fail = (error: Error & { level?: string }): void => {
      if (verdict?.ok === false && shown !== undefined) {
        done({ kind: 'key-refused', hostKey: shown, problem: verdict.problem });
      } else if (error.level === 'client-authentication') {
        done({
          kind: 'failed',
          problem: `${at(host)} refused the login of ${host.user} with ${options.login.label}`,
        });
      } else if (/no matching host key/i.test(error.message)) {
        done({
          kind: 'no-such-key',
          problem: `${at(host)} has no host key of a known type (${options.algorithms})`,
        });
      } else if (/no matching/i.test(error.message)) {
        done({ kind: 'failed', problem: `${at(host)} and opsagent have no SSH algorithm in common` });
      } else {
        done({ kind: 'failed', problem: `${at(host)} ended the connection during the SSH handshake` });
      }
    };
    client.on('error', fail);
    client.once('close', () => fail(new Error('closed')));
    client.once('ready', () => {
      client.removeAllListeners('close');
      done({ kind: 'ready', client, hostKey: shown ?? Buffer.alloc(0) });
    });
    const config: ConnectConfig = {
      sock,
      username: host.user,
      algorithms: {
        ...SAFE_ALGORITHMS,
        serverHostKey: [...options.algorithms] as never,
      },
      hostVerifier: (key: Buffer): boolean => {
        shown = Buffer.from(key);
        verdict = options.judge(shown);
        return verdict.ok;
      },
      keepaliveInterval: 10_000,
      keepaliveCountMax: 3,
      readyTimeout: 0,
      ...options.login.config,
      agentForward: false,
    };
    try {
      client.connect(config);
    } catch {
      // An unusable key throws here; login.ts has read it before, so the reason is not worth a secret's risk.
      done({
        kind: 'failed',
        problem: `the login of ${host.user} on ${host.name} with ${options.login.label} cannot be used`,
      });
    }
  });
}

/** ssh2's own lists without SHA-1, CBC and compression. */
const SAFE_ALGORITHMS = {
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'diffie-hellman-group-exchange-sha256',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group18-sha512',
    'diffie-hellman-group14-sha256',
  ],
  cipher: [
    'aes128-gcm@openssh.com',
    'aes256-gcm@openssh.com',
    'chacha20-poly1305@openssh.com',
    'aes128-ctr',
    'aes192-ctr',
    'aes256-ctr',
  ],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'],
  compress: ['none'],
} satisfies NonNullable<ConnectConfig['algorithms']>;

/** The host as problems name it. */
export function at(host: Host): string {
  return `${host.name} (${host.address}:${host.port})`;
}

function networkProblem(host: Host, code: string | undefined, timeoutMs: number): string {
  switch (code) {
    case 'ECONNREFUSED':
      return `${at(host)} refused the connection: is sshd running there, on that port?`;
    case 'ETIMEDOUT':
      return `${at(host)} did not answer within ${Math.round(timeoutMs / 1000)} s`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the address of ${at(host)} cannot be found: check it in the inventory, and DNS`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `there is no route to ${at(host)}: is the network or the tailnet up?`;
    default:
      return `${at(host)} cannot be reached (${code ?? 'unknown network error'})`;
  }
}
