/**
 * One SSH handshake: a byte stream, host key verdict, then the login if the verdict allows and one is given. Every way
 * it can fail is one clear sentence. ssh2's Client is made here and nowhere else, always with a verifier.
 */
import type { Duplex } from 'node:stream';
import ssh2, { type Client, type ConnectConfig } from 'ssh2';
import type { Host } from '../../core/command.ts';
import { SAFE_ALGORITHMS } from './algorithms.ts';
import { bannerProblem } from './banner.ts';
import type { Verdict } from './host-key.ts';
import type { Login } from './login.ts';
import { at, type Reach } from './reached.ts';
import type { Slots } from './slots.ts';

export { at } from './reached.ts';

export type Dialled =
  | { readonly kind: 'ready'; readonly client: Client; readonly hostKey: Buffer }
  /** The host showed this key and the verdict was no; nothing of ours was sent. */
  | { readonly kind: 'key-refused'; readonly hostKey: Buffer; readonly problem: string }
  /** The host has no key of a type that was asked for. */
  | { readonly kind: 'no-such-key'; readonly problem: string }
  | { readonly kind: 'failed'; readonly problem: string; readonly onTheWay?: true };

export interface DialOptions {
  /** Host key algorithms to ask for. */
  readonly algorithms: readonly string[];
  readonly judge: (key: Buffer) => Verdict;
  readonly login: Login;
  /** For each step: reaching the host, its first word, the handshake with the login. */
  readonly timeoutMs: number;
  readonly reach: Reach;
  /** How often a quiet connection is asked whether it is still there; three without an answer end it. */
  readonly keepAliveMs?: number;
  /** Places for key exchanges in this process. */
  readonly handshakes?: Slots;
}

/** Never rejects. The caller owns the client of `ready` and must end it. */
export async function dial(host: Host, options: DialOptions): Promise<Dialled> {
  const { timeoutMs } = options;
  const reached = await options.reach(host, timeoutMs);
  if (!reached.ok) return { ...reached, kind: 'failed' };
  const { stream } = reached;
  // Between the steps nobody else listens, and an error without a listener would end the process.
  stream.on('error', () => {});
  const silent = await firstWord(host, stream, timeoutMs);
  if (silent !== undefined) {
    stream.destroy();
    return { kind: 'failed', problem: silent };
  }
  // Only a host that speaks takes a place, so that silent ones keep nobody waiting.
  const giveBack = await options.handshakes?.take('');
  const dialled = await handshake(host, options, stream);
  giveBack?.();
  return dialled;
}

/** A server speaks first (RFC 4253, section 4.2). The problem when it does not; what it said stays in the stream. */
function firstWord(host: Host, stream: Duplex, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const over = (problem: string | undefined): void => {
      clearTimeout(timer);
      stream.off('data', onData).off('close', onEnd).off('end', onEnd).off('error', onEnd);
      resolve(problem);
    };
    const onData = (chunk: Buffer): void => {
      stream.pause();
      const refused = /^(?:Exceeded MaxStartups|Not allowed at this time)/.test(chunk.toString('latin1'));
      if (!refused) stream.unshift(chunk);
      over(
        refused
          ? `${at(host)} takes no further logins for now (its MaxStartups or penalty limit)`
          : undefined,
      );
    };
    const onEnd = (): void => over(`${at(host)} ended the connection before the SSH handshake`);
    const timer = setTimeout(
      () =>
        over(
          `${at(host)} took the connection and then said nothing: no SSH handshake within ${timeoutMs / 1000} s`,
        ),
      timeoutMs,
    );
    stream.once('data', onData).once('close', onEnd).once('end', onEnd).once('error', onEnd).resume();
  });
}

function handshake(host: Host, options: DialOptions, stream: Duplex): Promise<Dialled> {
  return new Promise((resolve) => {
    const client = new ssh2.Client();
    let shown: Buffer | undefined;
    let verdict: Verdict | undefined;
    let banner = '';
    const done = (dialled: Dialled): void => {
      clearTimeout(timer);
      // ssh2 may still report errors of a stream that is going away; without a listener they would end the process.
      client.removeAllListeners('error').on('error', () => {});
      client.removeAllListeners('close').removeAllListeners('banner');
      if (dialled.kind !== 'ready') {
        client.end();
        stream.destroy();
      }
      resolve(dialled);
    };
    const failed = (problem: string): void => done({ kind: 'failed', problem });
    const timer = setTimeout(
      () => failed(`${at(host)} did not finish the SSH handshake in time`),
      options.timeoutMs,
    );
    const fail = (error: Error & { level?: string }): void => {
      if (verdict?.ok === false && shown !== undefined) {
        done({ kind: 'key-refused', hostKey: shown, problem: verdict.problem });
      } else if (error.level === 'agent') {
        failed(`the ssh-agent did not sign the login of ${host.user} on ${at(host)}`);
      } else if (/too many authentication/i.test(error.message)) {
        failed(
          `${at(host)} refused the login of ${host.user}: too many keys were offered by ${options.login.label}`,
        );
      } else if (error.level === 'client-authentication') {
        failed(`${at(host)} refused the login of ${host.user} with ${options.login.label}`);
      } else if (/no matching host key/i.test(error.message)) {
        const problem = `${at(host)} has no host key of a known type (${options.algorithms})`;
        done({ kind: 'no-such-key', problem });
      } else if (/no matching/i.test(error.message)) {
        failed(`${at(host)} and opsagent have no SSH algorithm in common`);
      } else {
        failed(`${at(host)} ended the connection during the SSH handshake`);
      }
    };
    client.on('error', fail);
    client.once('close', () => fail(new Error('closed')));
    client.on('banner', (text) => {
      banner = (banner + text).slice(0, 4096);
      const problem = bannerProblem(banner, at(host));
      if (problem !== undefined) failed(problem);
    });
    client.once('ready', () => done({ kind: 'ready', client, hostKey: shown ?? Buffer.alloc(0) }));
    const config: ConnectConfig = {
      sock: stream as NonNullable<ConnectConfig['sock']>,
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
      keepaliveInterval: options.keepAliveMs ?? 10_000,
      keepaliveCountMax: 3,
      readyTimeout: 0,
      ...options.login.config,
      agentForward: false,
    };
    try {
      client.connect(config);
    } catch {
      // An unusable key throws here; login.ts has read it before, so the reason is not worth a secret's risk.
      failed(`the login of ${host.user} on ${host.name} with ${options.login.label} cannot be used`);
    }
  });
}
