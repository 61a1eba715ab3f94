/**
 * The SOCKS5 request on a connection to the proxy, as a userspace tailscaled offers one. Names go to the proxy as
 * they are: it knows the tailnet's, we may not.
 */
import type { Socket } from 'node:net';
import { SocksClient } from 'socks';
import type { Host } from '../../core/command.ts';
import { at, type Reached } from './reached.ts';

/** Never rejects; a socket that led nowhere is destroyed. */
export async function throughProxy(
  socket: Socket,
  host: Host,
  proxy: NonNullable<Host['proxy']>,
  timeoutMs: number,
): Promise<Reached> {
  const early: Buffer[] = [];
  const keep = (chunk: Buffer): void => void early.push(chunk);
  try {
    await SocksClient.createConnection({
      command: 'connect',
      destination: { host: host.address, port: host.port },
      proxy: { host: proxy.host, port: proxy.port, type: 5 },
      existing_socket: socket,
      timeout: timeoutMs,
    });
  } catch (error) {
    socket.on('error', () => {}).destroy();
    const reason = error instanceof Error ? error.message : '';
    const name = `the SOCKS5 proxy ${proxy.host}:${proxy.port}`;
    return refusal(name, at(host), reason, timeoutMs);
  }
  // The client lets the socket flow one turn from now, and what the host has said by then would be lost.
  socket.on('data', keep);
  await new Promise((resolve) => setImmediate(resolve));
  socket.pause().off('data', keep);
  if (early.length > 0) socket.unshift(Buffer.concat(early));
  return { ok: true, stream: socket };
}

/** The library says the reply code of RFC 1928, section 6, by its name after a dash, and nothing but a message. */
function refusal(proxy: string, host: string, reason: string, timeoutMs: number): Reached {
  switch (/ - (\w+)$/.exec(reason)?.[1]) {
    case 'NotAllowed':
      return { ok: false, problem: `${proxy} does not allow connections to ${host}` };
    case 'NetworkUnreachable':
      return {
        ok: false,
        problem: `${proxy} has no route to the network of ${host}: is the tailnet up there?`,
      };
    case 'HostUnreachable':
      return { ok: false, problem: `${proxy} cannot reach ${host}: is it online, and its name right?` };
    case 'ConnectionRefused':
      return {
        ok: false,
        problem: `${proxy} says that ${host} refused the connection: is sshd running there?`,
      };
    case 'TTLExpired':
      return { ok: false, problem: `${proxy} got no answer from ${host} in time` };
    case 'Failure':
      return { ok: false, problem: `${proxy} could not connect to ${host}` };
    case undefined:
      break;
    default:
      return { ok: false, problem: `${proxy} does not do what is asked for ${host}` };
  }
  if (/timed out/i.test(reason))
    return {
      ok: false,
      problem: `${proxy} did not answer for ${host} within ${Math.ceil(timeoutMs / 1000)} s`,
    };
  if (/auth/i.test(reason))
    return { ok: false, problem: `${proxy} wants a login, which is not supported: offer one without` };
  if (/closed/i.test(reason))
    return { ok: false, problem: `${proxy} ended the connection that was to lead to ${host}` };
  return { ok: false, problem: `${proxy} does not speak SOCKS5: check its address` };
}
