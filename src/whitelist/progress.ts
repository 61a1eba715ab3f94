/**
 * Tells a client that asked for it how a long call is coming along: seconds, and bytes of output so far. Never what
 * the host printed.
 */
import type { ServerContext } from '@modelcontextprotocol/server';

export interface Progress {
  readonly bytes: (soFar: number) => void;
  end(): void;
}

/** Does nothing for a client that sent no progress token. */
export function progressOf(ctx: ServerContext, everyMs: number): Progress {
  const progressToken = ctx.mcpReq._meta?.progressToken;
  if (progressToken === undefined) return { bytes: () => {}, end: () => {} };
  let bytes = 0;
  let ticks = 0;
  const timer = setInterval(() => {
    ticks += 1;
    const seconds = Math.round((ticks * everyMs) / 100) / 10;
    const params = {
      progressToken,
      progress: seconds,
      message: `${seconds} s, ${bytes} bytes of output so far`,
    };
    // A client that has gone needs no progress.
    ctx.mcpReq.notify({ method: 'notifications/progress', params }).catch(() => {});
  }, everyMs);
  return {
    bytes: (soFar) => {
      bytes = soFar;
    },
    end: () => clearInterval(timer),
  };
}
