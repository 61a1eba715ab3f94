/**
 * Watches over the requests of MCP clients in the data directory: takes in what is new, and writes beside each how it
 * stands, until it has ended. Nothing is kept in memory that a restart would miss.
 */
import type { RequestFiles } from '../backends/request-files.ts';
import { type ClientRequest, type ClientRequestState, isFinal } from '../core/client-request.ts';
import type { Clock, Logger } from '../core/ports.ts';

const lookEveryMs = 300;
/** The whitelist server believes it for ten seconds. */
const sayEveryMs = 3_000;
const warnEveryMs = 60_000;

export interface RequestWatch {
  stop(): Promise<void>;
}

export function watchRequests(parts: {
  readonly files: RequestFiles;
  readonly take: (request: ClientRequest) => Promise<ClientRequestState>;
  readonly clock: Clock;
  readonly logger: Logger;
}): RequestWatch {
  const { files, take, clock, logger } = parts;
  const told = new Map<string, string>();
  let saidAt = Number.NEGATIVE_INFINITY;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let warnedAt = Number.NEGATIVE_INFINITY;

  async function look(): Promise<void> {
    if (Math.abs(clock.now() - saidAt) >= sayEveryMs) {
      saidAt = clock.now();
      await files.watching(saidAt);
    }
    for (const request of await files.open()) {
      if (stopped) return;
      // One that fails is looked at again, and keeps no other from being looked at.
      await one(request).catch(failed);
    }
  }

  async function one(request: ClientRequest): Promise<void> {
    const state = await take(request);
    const text = JSON.stringify(state);
    if (told.get(request.id) === text) return;
    await files.tell(request.id, state);
    if (isFinal(state)) told.delete(request.id);
    else told.set(request.id, text);
  }

  function failed(error: unknown): void {
    const now = clock.now();
    if (Math.abs(now - warnedAt) < warnEveryMs) return;
    warnedAt = now;
    logger.warn({ err: error }, 'requests of MCP clients cannot be looked at now');
  }

  async function again(): Promise<void> {
    await look().catch(failed);
    if (!stopped) timer = setTimeout(next, lookEveryMs);
  }

  let looking = Promise.resolve();
  function next(): void {
    looking = again();
  }
  next();
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await looking;
      await files.leave();
    },
  };
}
