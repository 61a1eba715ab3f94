/**
 * Calls to Slack's Web API: retried for a bounded time, then one OpsError `chat-unavailable` that names the remedy.
 * A limited method waits for itself alone; the client never pauses its other calls.
 */
import { setTimeout as delay } from 'node:timers/promises';
import {
  WebAPIHTTPError,
  WebAPIPlatformError,
  WebAPIRateLimitedError,
  WebAPIRequestError,
  WebClient,
} from '@slack/web-api';
import { OpsError } from '../../src/core/errors.ts';
import type { Logger } from '../../src/core/ports.ts';
import { quietLogger } from './sdk-logger.ts';

export interface Api {
  /**
   * Makes one call. `inDoubt` is asked before a repeat when Slack may have acted on an attempt whose answer was lost:
   * a result it finds is taken instead of calling again.
   */
  call<T>(
    method: string,
    request: (client: WebClient) => Promise<T>,
    inDoubt?: () => Promise<T | undefined>,
  ): Promise<T>;
}

const attempts = 4;
const firstPauseMs = 200;
const mostWaitMs = 60_000;
const callLimitMs = 10_000;

export function createApi(token: string, apiUrl: string | undefined, logger: Logger): Api {
  const client = new WebClient(token, {
    ...(apiUrl ? { slackApiUrl: apiUrl } : {}),
    logger: quietLogger(logger),
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    timeout: callLimitMs,
  });
  /** By method, the time from which it may be called again. */
  const freeAt = new Map<string, number>();

  return {
    async call(method, request, inDoubt) {
      const deadline = performance.now() + mostWaitMs;
      for (let attempt = 1; ; attempt++) {
        await delay(Math.max(0, (freeAt.get(method) ?? 0) - performance.now()));
        try {
          return await request(client);
        } catch (thrown) {
          const error = unwrapped(thrown);
          const waitMs = pauseBefore(error, attempt);
          if (waitMs === undefined || performance.now() + waitMs > deadline) throw unavailable(method, error);
          if (error instanceof WebAPIRateLimitedError) {
            freeAt.set(method, performance.now() + waitMs);
            logger.info({ method, waitMs }, 'slack rate limit');
            attempt--;
            continue;
          }
          logger.debug({ method, attempt, waitMs }, 'slack call repeated');
          await delay(waitMs);
          const found = await inDoubt?.();
          if (found !== undefined) return found;
        }
      }
    },
  };
}

/** Milliseconds until the next attempt; undefined when there is to be none. */
function pauseBefore(error: unknown, attempt: number): number | undefined {
  if (error instanceof WebAPIRateLimitedError) return error.retryAfter * 1000;
  const passing =
    error instanceof WebAPIRequestError ||
    (error instanceof WebAPIHTTPError && error.statusCode >= 500) ||
    (error instanceof WebAPIPlatformError && passingCodes.has(error.data.error));
  return passing && attempt < attempts ? firstPauseMs * 2 ** (attempt - 1) : undefined;
}

const passingCodes = new Set(['internal_error', 'fatal_error', 'service_unavailable', 'request_timeout']);

const tokenCodes = new Set([
  'invalid_auth',
  'not_authed',
  'account_inactive',
  'token_revoked',
  'token_expired',
  'not_allowed_token_type',
]);

function unavailable(method: string, error: unknown): OpsError {
  const code = slackCode(error);
  const said = code ? `Slack refused ${method}: ${code}.` : `Slack cannot be reached (${method}).`;
  return new OpsError('chat-unavailable', said, remedyFor(code), { cause: error });
}

function remedyFor(code: string | undefined): string {
  if (!code) return 'It is tried again with the next message.';
  if (tokenCodes.has(code)) return 'Check SLACK_BOT_TOKEN and SLACK_APP_TOKEN.';
  if (code === 'missing_scope') return 'Update the app from config/slack-manifest.json and reinstall it.';
  if (code === 'not_in_channel' || code === 'channel_not_found' || code === 'is_archived')
    return 'Invite the bot to the channel with /invite.';
  return 'The log has the details.';
}

/** Slack's own word for why it refused, from an error or what it was caused by. */
export function slackCode(error: unknown): string | undefined {
  if (error instanceof WebAPIPlatformError) return error.data.error;
  return error instanceof Error && error.cause !== undefined ? slackCode(error.cause) : undefined;
}

export function isTokenRefused(error: unknown): boolean {
  return tokenCodes.has(slackCode(error) ?? '');
}

/** The retry helper inside the SDK may hand the error over in an envelope. */
function unwrapped(thrown: unknown): unknown {
  const inner = (thrown as { originalError?: unknown } | undefined)?.originalError;
  return inner instanceof Error ? inner : thrown;
}
