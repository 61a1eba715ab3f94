/**
 * One change at a time on a host: `locks/<host>` in the data directory, created exclusively, names who holds it, for
 * all processes over that directory. Nobody waits here; the second is told who is first, and since when.
 */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, stat, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Conversation } from '../core/conversation.ts';
import { visible } from '../core/visible.ts';
import { isAlive, type Owner, thisProcess } from '../system/owner.ts';

/** Who changes something, as the next one reads it. */
export interface LockHolder {
  readonly who: string;
  /** What runs, as people call it: "restart_service nginx". */
  readonly what: string;
  readonly call: string;
  readonly run?: string;
  readonly conversation?: Conversation;
}

export type Taken =
  | { readonly ok: true; release(): Promise<void> }
  /** A sentence that names the host, its holder, the holder's thread and since when; nothing is held. */
  | { readonly ok: false; readonly problem: string };

export interface HostLocks {
  /** All of these hosts or none, at once, taken in sorted order; `release` may be called more than once. Never rejects. */
  take(hosts: readonly string[], holder: LockHolder): Promise<Taken>;
}

/** What a lock file says. `id` is new for every lock, so that a dead one is told from what followed it. */
interface LockFile extends LockHolder {
  readonly id: string;
  readonly owner: Owner;
  /** ms since the epoch. */
  readonly at: number;
}

/** A holder on another machine or in another container cannot be seen; it shows that it lives by touching its lock. */
const touchEveryMs = 20_000;
const staleAfterMs = 90_000;

/** Makes the folder (0700) when first needed. */
export function openHostLocks(dataDir: string): HostLocks {
  const dir = join(dataDir, 'locks');

  const takeOne = async (host: string, holder: LockHolder): Promise<Taken> => {
    const lock: LockFile = {
      ...holder,
      id: randomBytes(9).toString('hex'),
      owner: thisProcess(),
      at: Date.now(),
    };
    const file = join(dir, host);
    // Written aside and linked: a lock is never seen without its holder in it.
    const draft = join(dir, `.${host}.${lock.id}.draft`);
    try {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      await writeSynced(draft, JSON.stringify(lock));
      const other = await claim(file, draft, dir, host);
      if (other) return { ok: false, problem: problemText(host, other) };
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'an error';
      return {
        ok: false,
        problem: `That ${host} is being changed could not be recorded in ${dir} (${code}), so nothing was run.`,
      };
    } finally {
      await unlink(draft).catch(() => {});
    }
    return { ok: true, release: keepTouched(file, lock.id) };
  };

  return {
    async take(hosts, holder) {
      const held: (() => Promise<void>)[] = [];
      const release = async () => {
        for (const one of held.splice(0).toReversed()) await one();
      };
      for (const host of [...new Set(hosts)].sort()) {
        const taken = await takeOne(host, holder);
        if (!taken.ok) {
          await release();
          return taken;
        }
        held.push(taken.release);
      }
      return { ok: true, release };
    },
  };
}

/** Makes `draft` the lock; the live holder comes back when there is one. */
async function claim(
  file: string,
  draft: string,
  dir: string,
  host: string,
): Promise<LockFile | 'unreadable' | undefined> {
  for (;;) {
    if (await linked(draft, file)) return undefined;
    const holder = await readLock(file);
    if (holder === undefined) continue;
    if (holder === 'unreadable' || !(await isStale(holder, file))) return holder;
    const inherited = await inherit(holder, { file, draft, dir, host });
    if (inherited !== 'again') return inherited;
  }
}

/**
 * Takes over from a dead holder. Whoever links the dead lock's heir file is alone in doing so; the heirs of heirs who
 * died at it form a chain. What the lock file says is looked at once more then, because somebody may have been
 * through all of this meanwhile: only while it still names the same dead holder is it replaced.
 */
async function inherit(
  dead: LockFile,
  { file, draft, dir, host }: { file: string; draft: string; dir: string; host: string },
): Promise<LockFile | 'unreadable' | undefined | 'again'> {
  const passed: string[] = [];
  for (let last = dead; ; ) {
    const heirFile = join(dir, `.${host}.${last.id}.heir`);
    if (await linked(draft, heirFile)) {
      passed.push(heirFile);
      const now = await readLock(file);
      const same = typeof now === 'object' && now.id === dead.id;
      if (same) await rename(draft, file);
      for (const old of same ? passed : [heirFile]) await unlink(old).catch(() => {});
      return same ? undefined : 'again';
    }
    const heir = await readLock(heirFile);
    if (heir === undefined) return 'again';
    if (heir === 'unreadable' || !(await isStale(heir, heirFile))) return heir;
    passed.push(heirFile);
    last = heir;
  }
}

function keepTouched(file: string, id: string): () => Promise<void> {
  const timer = setInterval(() => {
    const now = new Date();
    // A folder that is gone or full is told by the change that runs.
    utimes(file, now, now).catch(() => {});
  }, touchEveryMs);
  timer.unref();
  return async () => {
    clearInterval(timer);
    const lock = await readLock(file).catch(() => undefined);
    if (typeof lock === 'object' && lock.id === id) await unlink(file).catch(() => {});
  };
}

async function readLock(file: string): Promise<LockFile | 'unreadable' | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const lock = JSON.parse(text) as LockFile;
    return typeof lock.id === 'string' && typeof lock.owner?.pid === 'number' ? lock : 'unreadable';
  } catch {
    return 'unreadable';
  }
}

async function isStale({ owner }: LockFile, file: string): Promise<boolean> {
  if (owner.machine === thisProcess().machine) return !isAlive(owner);
  const touched = await stat(file).catch(() => undefined);
  return touched !== undefined && Date.now() - touched.mtimeMs > staleAfterMs;
}

function problemText(host: string, holder: LockFile | 'unreadable'): string {
  if (holder === 'unreadable')
    return `${host} may be being changed: its lock in the data directory cannot be read. Remove locks/${host} when nothing runs there.`;
  const { who, what, conversation, at } = holder;
  const where = conversation ? ` in ${threadText(conversation)}` : '';
  const seconds = Math.max(0, Math.round((Date.now() - at) / 1000));
  return `${host} is being changed by ${visible(who, { keepNewlines: false })} (${visible(what, { keepNewlines: false }).slice(0, 200)})${where} since ${seconds} s; nothing was run. Ask again when that has ended.`;
}

function threadText({ platform, channel, thread }: Conversation): string {
  return platform === 'console' ? `console thread ${thread}` : `${platform} thread ${thread} of ${channel}`;
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function writeSynced(file: string, text: string): Promise<void> {
  const handle = await open(file, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
