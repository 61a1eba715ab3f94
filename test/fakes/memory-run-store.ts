/**
 * Runs in memory behind the RunStore port; passes the same suite as the one on Redis. `failAt` makes its n-th
 * write die before or after it took hold, for crash tests.
 */
import { conversationKey } from '../../src/core/conversation.ts';
import { OpsError } from '../../src/core/errors.ts';
import type { RunId } from '../../src/core/ids.ts';
import type { RunStore } from '../../src/core/ports.ts';
import { dueAt, eventIds, type Run, waitingSince } from '../../src/core/run.ts';

export interface MemoryRunStore extends RunStore {
  /** All writes so far. */
  readonly writes: () => number;
  /** The process dies at this write (counted from 1): nothing after it happens, also not what follows in code. */
  dieAt(write: number, how: 'before' | 'after'): void;
  all(): readonly Run[];
}

export function createMemoryRunStore(shared = new Map<RunId, string>()): MemoryRunStore {
  let writes = 0;
  let death: { write: number; how: 'before' | 'after' } | undefined;
  let dead = false;

  const read = (id: RunId) => {
    const text = shared.get(id);
    return text === undefined ? undefined : (JSON.parse(text) as Run);
  };
  const all = () => [...shared.keys()].flatMap((id) => read(id) ?? []);
  const alive = () => {
    // A dead process makes no further call; rejecting lets the test's code unwind instead of hanging.
    if (dead) throw new OpsError('store-unavailable', 'this process is dead');
  };
  const write = (run: Run) => {
    writes += 1;
    const dies = death?.write === writes;
    if (dies && death?.how === 'before') dead = true;
    alive();
    shared.set(run.id, JSON.stringify(run));
    if (dies) dead = true;
    alive();
  };

  return {
    writes: () => writes,
    dieAt(at, how) {
      death = { write: at, how };
    },
    all,
    async create(run) {
      alive();
      if (shared.has(run.id)) return 'exists';
      write(run);
      return 'created';
    },
    async load(id) {
      alive();
      return read(id);
    },
    async update(id, change) {
      alive();
      const stored = read(id);
      if (!stored) return undefined;
      const changed = change(stored);
      if (changed !== undefined && changed !== stored) write(changed);
      return changed;
    },
    async due(now, limit) {
      alive();
      return all()
        .flatMap((run) => {
          const at = dueAt(run);
          return at !== undefined && at <= now ? [{ id: run.id, at }] : [];
        })
        .sort((a, b) => a.at - b.at)
        .slice(0, limit)
        .map((r) => r.id);
    },
    async history(conversation, limit) {
      alive();
      return all()
        .filter((r) => conversationKey(r.conversation) === conversationKey(conversation))
        .sort((a, b) => a.createdAt - b.createdAt)
        .slice(-limit);
    },
    async byEvent(platform, eventId) {
      alive();
      return all().find((r) => r.conversation.platform === platform && eventIds(r).includes(eventId))?.id;
    },
    async waiting(limit) {
      alive();
      return all()
        .flatMap((run) => {
          const since = waitingSince(run);
          return since === undefined ? [] : [{ run, since }];
        })
        .sort((a, b) => a.since - b.since)
        .slice(0, limit)
        .map((r) => r.run);
    },
  };
}
