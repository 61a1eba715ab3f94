/**
 * A turn at a file of the data directory, for the few milliseconds between reading and writing it: one at a time over
 * all processes. The lock is a symbolic link, which is made whole or not at all and names its holder in its target.
 */
import { randomBytes } from 'node:crypto';
import { lstat, readlink, rename, symlink, unlink } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { isAlive, type Owner, thisProcess } from '../system/owner.ts';

/** A holder on another machine or in another container cannot be seen; none needs a turn for so long. */
const staleAfterMs = 60_000;

/** Waits at most `patienceMs` for it; undefined when it did not come. What comes back gives it up and never rejects. */
export async function takeTurn(lock: string, patienceMs: number): Promise<(() => Promise<void>) | undefined> {
  const { pid, started, machine } = thisProcess();
  const own = [pid, started, machine, randomBytes(6).toString('hex')].join(' ');
  const until = performance.now() + patienceMs;
  while (!(await taken(lock, own))) {
    if (performance.now() >= until) return undefined;
    await delay(2 + Math.random() * 8);
  }
  return async () => {
    if ((await holderOf(lock).catch(() => undefined)) === own) await unlink(lock).catch(() => {});
  };
}

/**
 * Takes it when it is free or its holder is dead. Only who holds the lock of the heir may replace a dead holder's, so
 * that nobody puts aside what somebody else has just taken; an heir who dies at it has an heir in turn.
 */
async function taken(lock: string, own: string): Promise<boolean> {
  if (await linked(own, lock)) return true;
  const holder = await holderOf(lock);
  if (holder === undefined || !(await isStale(holder, lock))) return false;
  const heir = `${lock}.heir`;
  if (!(await taken(heir, own))) return false;
  if ((await holderOf(lock)) === holder) {
    await rename(heir, lock);
    return true;
  }
  await unlink(heir);
  return false;
}

async function linked(own: string, lock: string): Promise<boolean> {
  try {
    await symlink(own, lock);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function holderOf(lock: string): Promise<string | undefined> {
  try {
    return await readlink(lock);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function isStale(holder: string, lock: string): Promise<boolean> {
  const [pid, started = '', machine = ''] = holder.split(' ');
  const owner: Owner = { pid: Number(pid), started, machine };
  if (machine === thisProcess().machine) return !isAlive(owner);
  const made = await lstat(lock).catch(() => undefined);
  return made !== undefined && Date.now() - made.mtimeMs > staleAfterMs;
}
