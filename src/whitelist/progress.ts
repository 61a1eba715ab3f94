/**
 * Tells a client that asked for it how a long call is coming along: seconds, bytes of output and, of a group, hosts so far. Never what
 * the host printed.
 */
import type { ServerContext } from '@modelcontextprotocol/server';
import type { SoFar } from './calls.ts';

export interface Progress {
  readonly tell: (soFar: SoFar) => void;
  end(): void;
}

/** Does nothing for a client that sent no progress token. */
export function progressOf(ctx: ServerContext, everyMs: number): Progress {
  const progressToken = ctx.mcpReq._meta?.progressToken;
  if (progressToken === undefined) return { tell: () => {}, end: () => {} };
  let now: SoFar = { bytes: 0 };
  let ticks = 0;
  const timer = setInterval(() => {
    ticks += 1;
    const seconds = Math.round((ticks * everyMs) / 100) / 10;
    const hosts = now.hosts ? `${now.hosts.ended} of ${now.hosts.of} hosts, ` : '';
    const message = `${seconds} s, ${hosts}${now.bytes} bytes of output so far`;
    const params = { progressToken, progress: seconds, message };
    // A client that has gone needs no progress.
    ctx.mcpReq.notify({ method: 'notifications/progress', params }).catch(() => {});
  }, everyMs);
  return {
    tell: (soFar) => {
      now = soFar;
    },
    end: () => clearInterval(timer),
  };
}
