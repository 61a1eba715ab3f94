/**
 * Connections to Redis and what their failures mean. Store connections fail fast, so that nobody waits for a
 * dead store; queue connections (BullMQ's) wait for it to come back.
 */
import { Redis, type RedisOptions } from 'ioredis';
import { OpsError } from '../../core/errors.ts';
import type { Logger } from '../../core/ports.ts';

/** Where Redis is: a `redis://` URL, or the unix socket of the embedded one. */
export type RedisAddress = { readonly url: string } | { readonly socket: string };

/** Every key of ours begins with this, so that a shared Redis can be limited to it by an ACL. */
export const keyPrefix = 'opsagent:';

const commandTimeoutMs = 3_000;

/** A connection for store operations: each fails within seconds while Redis is away. */
export function connect(address: RedisAddress, logger: Logger): Redis {
  return open(address, logger, { maxRetriesPerRequest: 3, commandTimeout: commandTimeoutMs });
}

/** A connection that waits for Redis to come back: BullMQ's, and those that listen. */
export function connectPatiently(address: RedisAddress, logger: Logger): Redis {
  return open(address, logger, { maxRetriesPerRequest: null });
}

function open(
  address: RedisAddress,
  logger: Logger,
  options: Pick<RedisOptions, 'maxRetriesPerRequest' | 'commandTimeout'>,
): Redis {
  const all = {
    replyMapping: 'legacy' as const,
    connectTimeout: 2_000,
    retryStrategy: (attempt: number) => Math.min(50 * 2 ** Math.min(attempt, 6), 2_000),
    maxRetriesPerRequest: options.maxRetriesPerRequest ?? null,
    ...(options.commandTimeout ? { commandTimeout: options.commandTimeout } : {}),
  };
  const redis = 'url' in address ? new Redis(address.url, all) : new Redis({ path: address.socket, ...all });
  // Without a listener ioredis prints to stderr itself; each refused try would be a line.
  let down = false;
  redis.on('error', (error: Error) => {
    if (!down) logger.warn({ err: withoutCredentials(error.message) }, 'redis connection lost');
    down = true;
  });
  redis.on('ready', () => {
    if (down) logger.info({}, 'redis connection is back');
    down = false;
  });
  return redis;
}

/** Runs one store operation; a dead Redis becomes `store-unavailable`, a bug of ours (TypeError) stays one. */
export async function reaching<T>(operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    if (error instanceof OpsError || error instanceof TypeError) throw error;
    if (error instanceof Error && error.name === 'ReplyError') throw refusedBy(error);
    throw new OpsError(
      'store-unavailable',
      'The run store (Redis) cannot be reached, so nothing was kept.',
      'Try again in a moment; `opsagent doctor` tells whether Redis is up.',
      { cause: error },
    );
  }
}

/** Somebody made a list, say, under a key where we keep a hash. */
export function isOtherKind(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError' && error.message.includes('WRONGTYPE');
}

/** Redis is there and says no: what it says is what helps. It names no secret, and no value of a key. */
function refusedBy(error: Error): OpsError {
  if (isOtherKind(error))
    return new OpsError(
      'store-unavailable',
      'Redis holds something of another kind under a key of opsagent, so nothing was kept.',
      `Somebody else writes to this Redis: remove what is not ours among its ${keyPrefix}* keys, and shut them out.`,
      { cause: error },
    );
  const said = withoutCredentials(error.message).slice(0, 200);
  return new OpsError(
    'store-unavailable',
    `The run store (Redis) refused, so nothing was kept: ${said}`,
    'Put that right; `opsagent doctor` tells whether Redis is up.',
    { cause: error },
  );
}

/** For people: the address without its password. */
export function addressText(address: RedisAddress): string {
  return 'url' in address ? withoutCredentials(address.url) : address.socket;
}

function withoutCredentials(text: string): string {
  return text.replace(/(rediss?:\/\/)[^@\s/]*@/g, '$1');
}
