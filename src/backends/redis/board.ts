/**
 * What the console's threads show, in Redis: one hash a thread, an index of threads, and a channel that tells
 * every bot process of each change.
 */
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Board, BoardEntry, Clock, Logger, ThreadSummary } from '../../core/ports.ts';
import type { View } from '../../core/view.ts';
import { connectPatiently, keyPrefix, type RedisAddress, reaching } from './client.ts';

const keepMs = 30 * 24 * 3_600_000;
const channel = `${keyPrefix}board`;
const indexKey = `${keyPrefix}board-threads`;
const summaryKey = `${keyPrefix}board-summaries`;
const threadKey = (thread: string) => `${keyPrefix}board:${thread}`;

// KEYS: thread, index, summaries. ARGV: key, view, now, ttl, thread, title or '', status or ''.
const putScript = `
local order = redis.call('HGET', KEYS[1], 'order ' .. ARGV[1])
if not order then
  order = redis.call('HINCRBY', KEYS[1], 'orders', 1)
  redis.call('HSET', KEYS[1], 'order ' .. ARGV[1], order)
end
local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
redis.call('HSET', KEYS[1], 'entry ' .. ARGV[1], cjson.encode({ tonumber(order), seq, tonumber(ARGV[3]) }) .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[5])
local old = redis.call('HGET', KEYS[3], ARGV[5])
local summary = old and cjson.decode(old) or { title = '', status = '' }
if summary.title == '' then summary.title = ARGV[6] end
if ARGV[7] ~= '' then summary.status = ARGV[7] end
redis.call('HSET', KEYS[3], ARGV[5], cjson.encode(summary))
return { tonumber(order), seq }
`;

const published = z.object({ thread: z.string(), key: z.string() });
const summary = z.object({ title: z.string(), status: z.string() });
const counters = z.tuple([z.number(), z.number(), z.number()]);
/** As much of a view as its readers lean on; what they draw of it they take as text. */
const view = z.discriminatedUnion('kind', [
  z.looseObject({
    kind: z.literal('segment'),
    runId: z.string(),
    parts: z.array(z.looseObject({ kind: z.enum(['person', 'text', 'call', 'notice']) })),
    status: z.string().optional(),
    stoppable: z.boolean(),
  }),
  z.looseObject({
    kind: z.literal('card'),
    runId: z.string(),
    approvalId: z.string(),
    subject: z.looseObject({}),
    rule: z.looseObject({ approvers: z.array(z.string()) }),
    requestedBy: z.looseObject({ name: z.string() }),
    approvals: z.array(z.looseObject({ name: z.string() })),
    verdict: z.string(),
  }),
]);

export interface RedisBoard extends Board {
  close(): Promise<void>;
}

export function createRedisBoard(
  address: RedisAddress,
  redis: Redis,
  clock: Clock,
  logger: Logger,
): RedisBoard {
  const subscribers: Redis[] = [];

  async function readOne(thread: string, key: string): Promise<BoardEntry | undefined> {
    const text = await redis.hget(threadKey(thread), `entry ${key}`);
    return text ? parseEntry(thread, key, text) : undefined;
  }

  return {
    put: (thread, key, view) =>
      reaching(async () => {
        const at = clock.now();
        const reply = await redis.eval(
          putScript,
          3,
          threadKey(thread),
          indexKey,
          summaryKey,
          key,
          JSON.stringify(view),
          String(at),
          String(keepMs),
          thread,
          titleOf(view),
          statusOf(view),
        );
        const [order = 0, seq = 0] = z.array(z.number()).parse(reply);
        await redis.publish(channel, JSON.stringify({ thread, key }));
        return { thread, key, view, order, seq, at };
      }),

    threads: (limit) =>
      reaching(async () => {
        await redis.zremrangebyscore(indexKey, '-inf', clock.now() - keepMs);
        const flat = await redis.zrevrange(indexKey, 0, limit - 1, 'WITHSCORES');
        const threads: ThreadSummary[] = [];
        for (const [thread, updatedAt] of pairs(flat)) {
          const text = await redis.hget(summaryKey, thread);
          const parsed = summary.safeParse(jsonIn(text ?? ''));
          if (parsed.success) threads.push({ thread, ...parsed.data, updatedAt: Number(updatedAt) });
        }
        return threads;
      }),

    read: (thread) =>
      reaching(async () => {
        const fields = await redis.hgetall(threadKey(thread));
        return Object.entries(fields)
          .flatMap(([field, text]) => {
            const entry = field.startsWith('entry ') ? parseEntry(thread, field.slice(6), text) : undefined;
            return entry ? [entry] : [];
          })
          .sort((a, b) => a.order - b.order);
      }),

    async watch(listener) {
      const subscriber = connectPatiently(address, logger);
      subscribers.push(subscriber);
      let watching = true;
      subscriber.on('message', (_channel: string, message: string) => {
        const parsed = published.safeParse(jsonIn(message));
        if (!parsed.success) return;
        readOne(parsed.data.thread, parsed.data.key).then(
          (entry) => entry && watching && listener(entry),
          (err: unknown) => logger.warn({ err }, 'board entry not read'),
        );
      });
      await reaching(() => subscriber.subscribe(channel));
      return async () => {
        watching = false;
        subscriber.disconnect();
      };
    },

    async close() {
      for (const subscriber of subscribers) subscriber.disconnect();
    },
  };
}

/** `[order,seq,at]{view}`: the counters are written by the script, the view by us. Undefined for anything else. */
function parseEntry(thread: string, key: string, text: string): BoardEntry | undefined {
  const split = text.indexOf(']') + 1;
  const counted = counters.safeParse(jsonIn(text.slice(0, split)));
  const drawn = view.safeParse(jsonIn(text.slice(split)));
  if (!counted.success || !drawn.success) return undefined;
  const [order, seq, at] = counted.data;
  return { thread, key, order, seq, at, view: drawn.data as unknown as View };
}

/** Whoever writes Redis can write anything, and what is thrown where a message arrives would end the process. */
function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function titleOf(view: View): string {
  const first = view.kind === 'segment' ? view.parts[0] : undefined;
  return first?.kind === 'person' ? first.text.replace(/\s+/g, ' ').slice(0, 120) : '';
}

function statusOf(view: View): string {
  return view.kind === 'segment' ? (view.status ?? '') : '';
}

function pairs(flat: readonly string[]): [string, string][] {
  const out: [string, string][] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) out.push([flat[i] ?? '', flat[i + 1] ?? '']);
  return out;
}
