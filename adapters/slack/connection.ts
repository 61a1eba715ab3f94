/**
 * The Socket Mode connection, kept up by us: the SDK's own reconnecting ends the process when it fails, so it is
 * switched off, and every attempt here ends in a log line and another attempt, never in an unhandled rejection.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { SocketModeClient } from '@slack/socket-mode';
import { OpsError } from '../../src/core/errors.ts';
import type { Logger } from '../../src/core/ports.ts';
import { isTokenRefused, slackCode } from './api.ts';
import { quietLogger } from './sdk-logger.ts';

export interface Connection {
  readonly client: SocketModeClient;
  /**
   * Resolves after the first attempt, connected or not; goes on trying until `stop`. Throws OpsError
   * `chat-unavailable` only when Slack refuses the tokens, for then trying again is of no use.
   */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface ConnectionOptions {
  readonly appToken: string;
  readonly apiUrl?: string;
  readonly logger: Logger;
  /** Done before each attempt; its failure counts as the attempt's. */
  readonly prepare: () => Promise<unknown>;
  /** Pause before the first repeat, doubled up to `longestMs`. */
  readonly firstMs?: number;
  readonly longestMs?: number;
}

const helloLimitMs = 15_000;
const closeLimitMs = 1_000;
const callLimitMs = 10_000;

export function createConnection(options: ConnectionOptions): Connection {
  const { appToken, apiUrl, logger, prepare, firstMs = 250, longestMs = 30_000 } = options;
  const client = new CarefulClient({
    appToken,
    autoReconnectEnabled: false,
    logger: quietLogger(logger),
    clientOptions: {
      ...(apiUrl ? { slackApiUrl: apiUrl } : {}),
      retryConfig: { retries: 0 },
      rejectRateLimitedCalls: true,
      timeout: callLimitMs,
    },
  });
  const stopping = new AbortController();
  let running: Promise<void> | undefined;

  /** One connection from opening to its end. `connected` is called in between. */
  async function session(connected: () => void): Promise<void> {
    await prepare();
    if (stopping.signal.aborted) return;
    await within(helloLimitMs, client.start());
    const ended = new Promise<void>((resolve) => client.once('disconnected', () => resolve()));
    connected();
    await ended;
  }

  async function keepUp(firstAttempt: (refused?: OpsError) => void): Promise<void> {
    for (let failures = 0; !stopping.signal.aborted; failures++) {
      try {
        await session(() => {
          logger.info({}, 'slack connected');
          failures = 0;
          firstAttempt();
        });
        if (!stopping.signal.aborted) logger.info({}, 'slack connection ended');
      } catch (error) {
        await hangUp().catch(() => {});
        if (failures === 0 && isTokenRefused(error)) firstAttempt(refusedTokens(error));
        firstAttempt();
        logger.warn({ code: slackCode(error), failures: failures + 1 }, 'slack connection failed');
      }
      const pauseMs = Math.min(longestMs, firstMs * 2 ** Math.min(failures, 16));
      await delay(pauseMs * (0.5 + Math.random() / 2), undefined, stopping).catch(() => {});
    }
    firstAttempt();
  }

  /** Closing waits for the other side's goodbye, which may never come. */
  async function hangUp(): Promise<void> {
    // Asked twice, the SDK no longer waits.
    await within(closeLimitMs, client.disconnect()).catch(() => within(closeLimitMs, client.disconnect()));
  }

  return {
    client,
    async start() {
      const refused = await new Promise<OpsError | undefined>((resolve) => {
        running = keepUp(resolve);
      });
      if (!refused) return;
      stopping.abort();
      await running;
      throw refused;
    },
    async stop() {
      stopping.abort();
      await hangUp().catch(() => {});
      // A session in its opening ends by its own limits; nobody needs to wait for that.
      await within(closeLimitMs, running ?? Promise.resolve()).catch(() => {});
    },
  };
}

/** The SDK's handler throws into the void on an envelope without a well-formed payload. */
class CarefulClient extends SocketModeClient {
  protected override async onWebSocketMessage(data: string | ArrayBuffer, isBinary: boolean): Promise<void> {
    try {
      await super.onWebSocketMessage(data, isBinary);
    } catch {
      // Without its envelope id there is nothing to acknowledge; Slack gives up on it by itself.
    }
  }
}

function refusedTokens(error: unknown): OpsError {
  if (error instanceof OpsError) return error;
  return new OpsError(
    'chat-unavailable',
    `Slack refused the app token: ${slackCode(error)}.`,
    'Check SLACK_APP_TOKEN (it begins with xapp-).',
    { cause: error },
  );
}

async function within<T>(limitMs: number, work: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = delay(limitMs, undefined, timer).then(() => {
    throw new Error(`no answer within ${limitMs} ms`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([work, late]);
  } finally {
    timer.abort();
  }
}
