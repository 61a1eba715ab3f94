/**
 * The emergency stop: `freeze.json` in the data directory, for every process over it. While it says frozen no change
 * begins and running ones are ended; it is lifted by an order only. A file that cannot be read means frozen.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { OpsError } from '../core/errors.ts';
import { takeTurn } from './turn.ts';

export interface FreezeState {
  readonly frozen: boolean;
  /** When it was last frozen, ms, another for every stop: nothing that was asked for before then ever runs. */
  readonly frozenAt?: number;
  /** Who gave the last order, and why, for people. */
  readonly by?: string;
  readonly reason?: string;
  /** When the newest order was given, ms: an unfreeze from before then is a repetition, or was overtaken. */
  readonly orderAt?: number;
  /** The last stops, so that one that comes again after it was lifted is told from a new one. */
  readonly stops?: readonly string[];
}

interface Order {
  readonly frozen: boolean;
  readonly by: string;
  readonly reason?: string;
  /** When it was given, ms. */
  readonly at: number;
  /** By the clock of whoever obeys, where another gave it. */
  readonly now?: number;
}

interface FreezeWatch {
  /** Aborts when it is frozen, or was frozen since `seen`. */
  readonly signal: AbortSignal;
  /** Looks at once; the signal says what was found when it resolves. */
  look(): Promise<void>;
  release(): void;
}

export interface Freeze {
  read(): Promise<FreezeState>;
  /**
   * On disk when it resolves, and a stop has then reached every process. A stop is refused only as a repetition of
   * one that was lifted, an unfreeze when an order as new as this was obeyed: undefined. Throws OpsError
   * `store-unavailable` when another process writes and does not end.
   */
  obey(order: Order): Promise<FreezeState | undefined>;
  /** For what was let through when the state was `seen`. */
  watch(seen: FreezeState): FreezeWatch;
}

const lookEveryMs = 150;
/** How long another process is waited for; a stop then goes on without its turn. */
const patienceMs = 2_000;
const stopsKept = 50;

const State = z.object({
  frozen: z.boolean(),
  frozenAt: z.number().optional(),
  by: z.string().optional(),
  reason: z.string().optional(),
  orderAt: z.number().optional(),
  stops: z.array(z.string()).optional(),
});

const unreadable: FreezeState = {
  frozen: true,
  by: 'nobody: freeze.json cannot be read',
  frozenAt: Number.MAX_SAFE_INTEGER,
};

export function openFreeze(dataDir: string): Freeze {
  const file = join(dataDir, 'freeze.json');
  const watching = new Set<AbortController>();
  let last: Promise<unknown> = Promise.resolve();

  async function read(): Promise<FreezeState> {
    try {
      return State.parse(JSON.parse(await readFile(file, 'utf8'))) as FreezeState;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ENOENT' ? { frozen: false } : unreadable;
    }
  }

  async function write(order: Order): Promise<FreezeState | undefined> {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const release = await takeTurn(join(dataDir, 'freeze.lock'), patienceMs);
    try {
      if (!release && !order.frozen) throw busy(dataDir);
      const before = await read();
      const known = before === unreadable ? undefined : before;
      const next = after(order, known);
      if (next === known || !next) return next;
      const text = JSON.stringify(before);
      // A stop does not wait for ever for its turn: an unfreeze looks whether one came meanwhile.
      const still = async () => order.frozen || JSON.stringify(await read()) === text;
      return (await replace(file, JSON.stringify(next), still)) ? next : undefined;
    } finally {
      await release?.();
    }
  }

  async function obey(order: Order): Promise<FreezeState | undefined> {
    const written = last.then(() => write(order));
    last = written.catch(() => {});
    const state = await written;
    if (!order.frozen || !state) return state;
    for (const watch of watching) watch.abort();
    // The other processes look this often: only then is it true that no change begins.
    await delay(2 * lookEveryMs);
    return state;
  }

  return {
    read,
    obey,
    watch(seen) {
      const controller = new AbortController();
      watching.add(controller);
      const look = async () => {
        const { frozen, frozenAt } = await read();
        if (frozen || frozenAt !== seen.frozenAt) controller.abort();
      };
      const timer = setInterval(() => void look(), lookEveryMs);
      return {
        signal: controller.signal,
        look,
        release() {
          clearInterval(timer);
          watching.delete(controller);
        },
      };
    },
  };
}

/** The state with this order obeyed: `known` itself when it is in force already, undefined when it is refused. */
function after(
  { frozen, by, reason, at, now = at }: Order,
  known: FreezeState | undefined,
): FreezeState | undefined {
  const { orderAt = 0, stops = [] } = known ?? {};
  const mark = `${at} ${by}`;
  // The very order that was obeyed, brought by another way or kept for who was away.
  if (frozen && known?.frozen && stops.includes(mark)) return known;
  // Where the clock went back since, it may be a new one of the same millisecond.
  if (frozen && stops.includes(mark) && orderAt <= now) return undefined;
  if (!frozen && known && !known.frozen && orderAt === at && known.by === by) return known;
  if (!frozen && orderAt >= at) return undefined;
  const frozenAt = frozen || !known ? Math.max(at, now, (known?.frozenAt ?? -1) + 1) : known.frozenAt;
  return {
    frozen,
    by,
    ...(reason ? { reason } : {}),
    orderAt: Math.max(at, orderAt),
    ...(frozenAt === undefined ? {} : { frozenAt }),
    stops: (frozen ? [...stops, mark] : stops).slice(-stopsKept),
  };
}

function busy(dataDir: string): OpsError {
  return new OpsError(
    'store-unavailable',
    'Another process is writing freeze.json and does not end, so nothing was lifted.',
    `Try again; if nobody is, remove ${join(dataDir, 'freeze.lock')}.`,
  );
}

/** The whole of the new text or the whole of the old one, whatever happens meanwhile; false when not `still` wanted. */
async function replace(file: string, text: string, still: () => Promise<boolean>): Promise<boolean> {
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  if (await still()) {
    await rename(draft, file);
    return true;
  }
  await unlink(draft);
  return false;
}
