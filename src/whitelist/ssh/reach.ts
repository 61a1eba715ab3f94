/**
 * The byte stream to a host, before any SSH: TCP, a SOCKS5 proxy or a channel through a jump host. What cannot be
 * reached is one clear sentence.
 */
import { createConnection, type Socket } from 'node:net';
import type { Host } from '../../core/command.ts';
import { at, type Reach, type Reached } from './reached.ts';
import { throughProxy } from './socks.ts';

/** `tunnel` leads through the jump host of hosts that have one. */
export function createReach(tunnel: Reach): Reach {
  return async (host, timeoutMs) => {
    if (host.jump !== undefined) return tunnel(host, timeoutMs);
    if (host.proxy === undefined)
      return reached(await tcp(host.address, host.port, timeoutMs), (code) => direct(host, code, timeoutMs));
    const { proxy } = host;
    const connected = await tcp(proxy.host, proxy.port, timeoutMs);
    if ('code' in connected) return { ok: false, problem: proxyDown(host, proxy, connected.code, timeoutMs) };
    return throughProxy(connected.socket, host, proxy, timeoutMs);
  };
}

type Connected = { readonly socket: Socket } | { readonly code: string | undefined };

function tcp(host: string, port: number, timeoutMs: number): Promise<Connected> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port });
    // Without it the kernel holds small packets back, about 40 ms between commands.
    socket.setNoDelay(true);
    const failed = (code: string | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ code });
    };
    const timer = setTimeout(() => failed('ETIMEDOUT'), timeoutMs);
    const onError = (error: NodeJS.ErrnoException): void => failed(error.code);
    socket.once('error', onError);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', onError);
      resolve({ socket });
    });
  });
}

function reached(connected: Connected, problem: (code: string | undefined) => string): Reached {
  return 'socket' in connected
    ? { ok: true, stream: connected.socket }
    : { ok: false, problem: problem(connected.code) };
}

function direct(host: Host, code: string | undefined, timeoutMs: number): string {
  switch (code) {
    case 'ECONNREFUSED':
      return `${at(host)} refused the connection: is sshd running there, on that port?`;
    case 'ETIMEDOUT':
      return `${at(host)} did not answer within ${seconds(timeoutMs)} s`;
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

function proxyDown(
  host: Host,
  proxy: NonNullable<Host['proxy']>,
  code: string | undefined,
  timeoutMs: number,
): string {
  const name = `the SOCKS5 proxy ${proxy.host}:${proxy.port}, through which ${host.name} is reached,`;
  if (code === 'ECONNREFUSED')
    return `${name} refused the connection: is tailscaled, or whatever offers it, running?`;
  if (code === 'ETIMEDOUT') return `${name} did not answer within ${seconds(timeoutMs)} s`;
  return `${name} cannot be reached (${code ?? 'unknown network error'})`;
}

function seconds(ms: number): number {
  return ms < 1000 ? ms / 1000 : Math.round(ms / 1000);
}
