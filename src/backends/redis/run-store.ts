/**
 * Runs in Redis: one hash a run with a version, changed by compare-and-set in a script, with the indexes that are
 * needed to find it again (due, thread, platform event) written in the same step.
 */
import type { Redis } from 'ioredis';
import type { Conversation, Platform } from '../../core/conversation.ts';
import { conversationKey } from '../../core/conversation.ts';
import { OpsError } from '../../core/errors.ts';
import type { RunId } from '../../core/ids.ts';
import { isRunId } from '../../core/ids.ts';
import type { Logger, RunStore } from '../../core/ports.ts';
import type { Run } from '../../core/run.ts';
import { dueAt, eventIds, waitingSince } from '../../core/run.ts';
import { isOtherKind, keyPrefix, reaching } from './client.ts';
import { readRun } from './run-schema.ts';

const keepMs = 30 * 24 * 3_600_000;
/** Beyond this a run is not ours: our own budgets end one long before. */
const maxRunBytes = 1024 * 1024;
const attempts = 50;

// KEYS: run, due index, waiting index, thread index, then one key an event.
// ARGV: version expected, run, due or '', id, created, ttl, waiting since or ''.
const saveScript = `
local version = redis.call('HGET', KEYS[1], 'version') or '0'
if version ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'version', tonumber(version) + 1, 'run', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
if ARGV[3] == '' then redis.call('ZREM', KEYS[2], ARGV[4]) else redis.call('ZADD', KEYS[2], ARGV[3], ARGV[4]) end
if ARGV[7] == '' then redis.call('ZREM', KEYS[3], ARGV[4]) else redis.call('ZADD', KEYS[3], ARGV[7], ARGV[4]) end
redis.call('ZADD', KEYS[4], ARGV[5], ARGV[4])
redis.call('PEXPIRE', KEYS[4], ARGV[6])
for i = 5, #KEYS do redis.call('SET', KEYS[i], ARGV[4], 'PX', ARGV[6]) end
return 1
`;

const runKey = (id: RunId) => `${keyPrefix}run:${id}`;
const threadKey = (c: Conversation) => `${keyPrefix}thread:${conversationKey(c)}`;
const eventKey = (platform: Platform, eventId: string) => `${keyPrefix}event:${platform}:${eventId}`;
const dueKey = `${keyPrefix}due`;
const waitingKey = `${keyPrefix}waiting`;

/** Hears, once for each, of what stands where a run should and is none. */
export type OnIgnored = (what: { readonly runId?: RunId; readonly why: string }) => void;

/** So many are told apart; more would only be more of the same. */
const mostTold = 1_000;

export function createRedisRunStore(redis: Redis, logger: Logger, onIgnored: OnIgnored = () => {}): RunStore {
  const told = new Set<string>();

  async function read(id: RunId): Promise<{ run: Run; version: string } | undefined> {
    const size = await redis.hstrlen(runKey(id), 'run').catch(unlessOtherKind);
    // One such key must not keep a whole thread or list from being read.
    if (size === undefined) return ignore(id, 'a key of another kind');
    if (size === 0) return undefined;
    if (size > maxRunBytes) return ignore(id, 'too large');
    const [text, version] = await redis.hmget(runKey(id), 'run', 'version');
    if (!text || !version) return undefined;
    const run = readRun(text);
    return run?.id === id ? { run, version } : ignore(id, 'not a run');
  }

  function ignore(id: RunId, why: string): undefined {
    logger.error({ runId: id, why }, 'stored run ignored');
    const once = `${id} ${why}`;
    if (!told.has(once) && told.size < mostTold) {
      told.add(once);
      onIgnored({ runId: id, why });
    }
    return undefined;
  }

  async function save(run: Run, version: string): Promise<boolean> {
    const text = JSON.stringify(run);
    // What could not be read back would be a run that nobody ever ends.
    if (Buffer.byteLength(text) > maxRunBytes || !readRun(text))
      throw new TypeError(`run ${run.id} is not of the shape that is kept, so it was not saved`);
    const events = eventIds(run).map((e) => eventKey(run.conversation.platform, e));
    const keys = [runKey(run.id), dueKey, waitingKey, threadKey(run.conversation), ...events];
    const due = dueAt(run);
    const saved = await redis.eval(
      saveScript,
      keys.length,
      ...keys,
      version,
      text,
      due === undefined || due === Number.MAX_SAFE_INTEGER ? '' : String(due),
      run.id,
      String(run.createdAt),
      String(keepMs),
      String(waitingSince(run) ?? ''),
    );
    return saved === 1;
  }

  return {
    create: (run) => reaching(async () => ((await save(run, '0')) ? 'created' : 'exists')),

    load: (id) => reaching(async () => (await read(id))?.run),

    update: (id, change) =>
      reaching(async () => {
        for (let attempt = 0; attempt < attempts; attempt++) {
          const stored = await read(id);
          if (!stored) return undefined;
          const changed = change(stored.run);
          if (changed === undefined || changed === stored.run) return changed;
          if (await save(changed, stored.version)) return changed;
        }
        throw new OpsError('store-unavailable', `Run ${id} is being changed too often to be saved.`);
      }),

    due: (now, limit) =>
      reaching(async () => {
        const ids = await redis.zrangebyscore(dueKey, '-inf', String(now), 'LIMIT', 0, limit);
        const live = await Promise.all(
          ids.map(async (id) => {
            if (isRunId(id) && (await redis.exists(runKey(id)))) return [id];
            await redis.zrem(dueKey, id);
            return [];
          }),
        );
        return live.flat();
      }),

    history: (conversation, limit) =>
      reaching(async () => {
        const ids = await redis.zrange(threadKey(conversation), String(-limit), '-1');
        const runs = await Promise.all(ids.filter(isRunId).map(read));
        return runs.flatMap((r) => (r ? [r.run] : []));
      }),

    byEvent: (platform, eventId) =>
      reaching(async () => {
        const id = await redis.get(eventKey(platform, eventId));
        if (!id || !isRunId(id)) return undefined;
        // Believed only where the run itself says so: an index that points elsewhere would swallow the event.
        const stored = await read(id);
        return stored && eventIds(stored.run).includes(eventId) ? id : undefined;
      }),

    waiting: (limit) =>
      reaching(async () => {
        const ids = await redis.zrange(waitingKey, '0', String(limit - 1));
        const runs = await Promise.all(
          ids.map(async (id) => {
            const run = isRunId(id) ? (await read(id))?.run : undefined;
            // As with events: only the run itself says whether it waits.
            if (run && waitingSince(run) !== undefined) return [run];
            await redis.zrem(waitingKey, id);
            return [];
          }),
        );
        return runs.flat();
      }),
  };
}

function unlessOtherKind(error: unknown): undefined {
  if (!isOtherKind(error)) throw error;
  return undefined;
}
