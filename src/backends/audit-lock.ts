/**
 * One writer a chain: a lock file beside the log names the process that writes it. A second process of the same
 * role gets the next name, `whitelist-2`, and a chain of its own.
 */
import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, statSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, thisProcess } from '../system/owner.ts';

export interface WriterLock {
  /** The name that was free: the one asked for, or it with a number. */
  readonly writer: string;
  release(): void;
}

/** A holder on another machine or in another container shows that it lives by touching its lock this often. */
const touchEveryMs = 20_000;
const staleAfterMs = 60_000;

/** Takes the first free name. Throws where the folder cannot be written. */
export function lockWriter(dir: string, writer: string): WriterLock {
  for (let n = 1; n <= 64; n++) {
    const name = n === 1 ? writer : `${writer}-${n}`;
    const file = join(dir, `.${name}.lock`);
    if (!take(file)) continue;
    const timer = setInterval(() => touch(file), touchEveryMs);
    timer.unref();
    return {
      writer: name,
      release() {
        clearInterval(timer);
        remove(file);
      },
    };
  }
  throw new Error(`more than 64 writers named ${writer}`);
}

function take(file: string): boolean {
  // Written aside and linked: a lock is never seen without its holder in it.
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  const { pid, started, machine } = thisProcess();
  const own = `${pid} ${started} ${machine}\n`;
  writeFileSync(draft, own, { mode: 0o600, flag: 'wx' });
  try {
    if (linked(draft, file)) return true;
    if (!isStale(file)) return false;
    // Only one may clear a dead holder's lock, else two could clear each other's fresh ones.
    const clearing = `${file}.clearing`;
    if (!linked(draft, clearing)) return false;
    try {
      if (isStale(file)) remove(file);
      return linked(draft, file);
    } finally {
      remove(clearing);
    }
  } finally {
    remove(draft);
  }
}

function isStale(file: string): boolean {
  try {
    const [pid, started = '', machine = ''] = readFileSync(file, 'utf8').trimEnd().split(' ');
    const holder = { pid: Number(pid), started, machine };
    if (machine !== thisProcess().machine) return Date.now() - statSync(file).mtimeMs > staleAfterMs;
    return !isAlive(holder);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function touch(file: string): void {
  try {
    utimesSync(file, new Date(), new Date());
  } catch {
    // The folder is gone or full; the next record says so.
  }
}

function remove(file: string): void {
  try {
    unlinkSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
