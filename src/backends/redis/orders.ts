/**
 * Orders on their way from a bot to whitelist servers elsewhere: the signed order over Redis to every worker, each of
 * which hands it to its own server and leaves the answer. Redis can hold one back or show it again, as anybody could
 * who listens, but not make one: the signature and its time are checked where it is obeyed.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { digestOf, type Json } from '../../core/json.ts';
import type { Logger, Tools } from '../../core/ports.ts';
import type { SignedOrder } from '../../core/signed.ts';
import { connectPatiently, keyPrefix, type RedisAddress, reaching } from './client.ts';

export type OrderAnswer = Awaited<ReturnType<Tools['order']>>;

export interface OrderRelay {
  /** To every worker that listens; their answers as far as they came in time. Throws OpsError `store-unavailable`. */
  send(order: SignedOrder): Promise<{ readonly workers: number; readonly answers: readonly OrderAnswer[] }>;
  /** Hands each order once to `obey`, also those of the last minutes, until the returned function has stopped it. */
  serve(obey: Tools['order']): Promise<() => Promise<void>>;
  /** Marks an order that was handed over in this process already. */
  handed(order: SignedOrder): void;
}

export interface OrderRelayOptions {
  readonly address: RedisAddress;
  readonly redis: Redis;
  readonly logger: Logger;
  /** How long answers are waited for, in ms. */
  readonly patienceMs?: number;
}

const channel = `${keyPrefix}orders`;
const keptKey = `${keyPrefix}orders-kept`;
const orderKey = (id: string) => `${keyPrefix}order:${id}`;
/** As long as a whitelist server takes an order for a new one. */
const keepMs = 5 * 60_000;
const lookEveryMs = 50;
const mostKept = 100;
const mostBytes = 64 * 1024;

/** No more than what makes it one to pass on: the server that obeys it checks the whole. */
const Order = z.looseObject({
  statement: z.looseObject({ kind: z.literal('order') }),
  signature: z.string(),
});
const Answer = z.object({ ok: z.boolean(), text: z.string().max(2_000) });

export function createOrderRelay(options: OrderRelayOptions): OrderRelay {
  const { address, redis, logger, patienceMs = 5_000 } = options;
  const name = randomBytes(8).toString('hex');
  const seen = new Set<string>();
  // Of the whole: an altered copy must not pass for the order it was made from.
  const idOf = (order: SignedOrder) => digestOf(order as unknown as Json).slice(0, 32);

  async function answersTo(id: string): Promise<readonly OrderAnswer[]> {
    const fields = Object.entries(await redis.hgetall(orderKey(id)));
    return fields.flatMap(([field, text]) => {
      const answer = field.startsWith('answer ') ? Answer.safeParse(jsonIn(text)) : undefined;
      return answer?.success ? [answer.data] : [];
    });
  }

  async function take(id: string, obey: Tools['order']): Promise<void> {
    if (seen.has(id) || (await redis.hstrlen(orderKey(id), 'order')) > mostBytes) return;
    const parsed = Order.safeParse(jsonIn((await redis.hget(orderKey(id), 'order')) ?? ''));
    const order = parsed.success ? (parsed.data as unknown as SignedOrder) : undefined;
    if (!order || idOf(order) !== id || seen.has(id)) return;
    seen.add(id);
    const answer = await obey(order);
    await redis.hset(orderKey(id), `answer ${name}`, JSON.stringify(answer));
  }

  return {
    handed: (order) => void seen.add(idOf(order)),

    async send(order) {
      const id = idOf(order);
      const workers = await reaching(async () => {
        const { at } = order.statement;
        await redis
          .multi()
          .hset(orderKey(id), 'order', JSON.stringify(order))
          .pexpire(orderKey(id), keepMs)
          .zadd(keptKey, at, id)
          .zremrangebyscore(keptKey, '-inf', at - keepMs)
          .pexpire(keptKey, keepMs)
          .exec();
        // Our own listener, if any, has it already.
        return Math.max(0, (await redis.publish(channel, id)) - (seen.has(id) ? 1 : 0));
      });
      const until = performance.now() + patienceMs;
      for (;;) {
        const answers = await answersTo(id).catch(() => []);
        if (answers.length >= workers || performance.now() >= until) return { workers, answers };
        await delay(lookEveryMs);
      }
    },

    async serve(obey) {
      const subscriber = connectPatiently(address, logger);
      const one = (id: string) =>
        take(id, obey).catch((err: unknown) => logger.error({ err }, 'an order could not be handed over'));
      subscriber.on('message', (_channel: string, id: string) => void one(id));
      /** Those that came while nobody listened here: at the start, and after Redis was away. */
      const missed = async () => {
        // In the order in which they were given: an unfreeze after its freeze.
        for (const id of await redis.zrange(keptKey, String(-mostKept), '-1')) await one(id);
      };
      subscriber.on('ready', () => {
        missed().catch((err: unknown) => logger.warn({ err }, 'earlier orders cannot be looked at now'));
      });
      await reaching(() => subscriber.subscribe(channel));
      return async () => {
        subscriber.disconnect();
      };
    },
  };
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
