/**
 * The way to a host behind a jump host: a channel forwarded over the kept connection to that one, which has a key
 * check and a login of its own. The jump host sees the bytes of the inner SSH connection, nothing inside.
 */
import type { Client } from 'ssh2';
import type { Host } from '../../core/command.ts';
import { at, type Reach } from './reached.ts';

/** A connection held open for what is forwarded over it. */
interface Held {
  readonly client: Client;
  release(): void;
}

interface JumpOptions {
  readonly inventory: readonly Host[];
  hold(
    host: Host,
  ): Promise<{ readonly ok: true; readonly held: Held } | { readonly ok: false; readonly problem: string }>;
}

export function createTunnel({ inventory, hold }: JumpOptions): Reach {
  return async (host, timeoutMs) => {
    const chain = jumpsOf(host, inventory);
    if ('problem' in chain) return { ok: false, problem: chain.problem };
    const { jump } = chain;
    const outer = await hold(jump);
    if (!outer.ok) {
      const problem = `${host.name} is reached through ${jump.name}, and that failed: ${outer.problem}`;
      return { ok: false, onTheWay: true, problem };
    }
    const { client, release } = outer.held;
    return new Promise((resolve) => {
      let waiting = true;
      const failed = (problem: string): void => {
        if (!waiting) return;
        waiting = false;
        clearTimeout(timer);
        resolve({ ok: false, problem });
      };
      const timer = setTimeout(
        () =>
          failed(
            `${at(host)} did not answer ${jump.name}, through which it is reached, within ${timeoutMs / 1000} s`,
          ),
        timeoutMs,
      );
      try {
        client.forwardOut('127.0.0.1', 0, host.address, host.port, (error, channel) => {
          if (error !== undefined) {
            release();
            return failed(forwardProblem(host, jump, error));
          }
          channel.once('close', release);
          if (!waiting) return channel.destroy();
          waiting = false;
          clearTimeout(timer);
          resolve({ ok: true, stream: channel });
        });
      } catch {
        release();
        failed(`the connection to ${jump.name}, through which ${host.name} is reached, was closed`);
      }
    });
  };
}

/** The next host on the way; the whole chain is followed first, for one that leads back to itself never ends. */
function jumpsOf(
  host: Host,
  inventory: readonly Host[],
): { readonly jump: Host } | { readonly problem: string } {
  const passed = [host.name];
  let first: Host | undefined;
  for (let next = host.jump; next !== undefined; ) {
    const jump = inventory.find(({ name }) => name === next);
    if (jump === undefined)
      return { problem: `${passed.at(-1)} is reached through ${next}, which is not in the inventory` };
    if (passed.includes(jump.name))
      return { problem: `the jump hosts of ${host.name} lead back to ${jump.name}` };
    passed.push(jump.name);
    first ??= jump;
    next = jump.jump;
  }
  return first === undefined ? { problem: `${host.name} has no jump host` } : { jump: first };
}

/** Reasons of RFC 4254, section 5.1. */
function forwardProblem(host: Host, jump: Host, error: Error & { reason?: unknown }): string {
  const way = `${jump.name}, through which ${host.name} is reached,`;
  if (error.reason === undefined) return `the connection to ${way} was lost`;
  if (error.reason === 1 || error.reason === 'ADMINISTRATIVELY_PROHIBITED')
    return `${way} does not forward connections for ${jump.user}: allow it there (AllowTcpForwarding, permitopen)`;
  if (error.reason === 2 || error.reason === 'CONNECT_FAILED') {
    const detail = /refused/i.test(error.message) ? 'refused the connection' : 'cannot be reached from there';
    return `${way} answers, and ${at(host)} ${detail}`;
  }
  return `${way} opens no further channel`;
}
