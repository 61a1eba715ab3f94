// One bootstrap at a time in one tree: a lock directory that says who holds it and that a dead holder loses.
// It appears by rename, so whoever sees it sees its owner too.

import {
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const HEARTBEAT_MS = 5_000;
const SILENT_MS = 120_000; // a holder on another machine or with a reused process id is known by its silence
const POLL_MS = 100;

/**
 * @typedef {object} Lock
 * @property {(pid: number | undefined) => void} child names the process that works for the holder and may outlive it
 * @property {() => void} release
 */

/**
 * Waits for the lock and takes it, from a dead holder too.
 * @param {string} folder where the lock directory lives
 * @param {{ signal: AbortSignal, onWait: (pid: number) => void }} options
 * @returns {Promise<Lock>} rejects when `signal` aborts the wait, or the folder cannot be written
 */
export async function acquire(folder, { signal, onWait }) {
  const path = join(folder, 'bootstrap.lock');
  const id = `${process.pid}-${Date.now()}`;
  mkdirSync(folder, { recursive: true });

  while (!tryAcquire(path, id)) {
    const holder = readOwner(path);
    if (holder && isDead(path, holder)) takeOver(path);
    else {
      if (holder) onWait(holder.pid);
      await delay(POLL_MS, undefined, { signal });
    }
  }
  return hold(path, id);
}

function tryAcquire(path, id) {
  if (readOwner(path)) return false;

  const mine = `${path}.${id}`;
  mkdirSync(mine);
  writeOwner(mine, { id, pid: process.pid, host: hostname() });

  try {
    renameSync(mine, path);
    return true;
  } catch (error) {
    rmSync(mine, { recursive: true, force: true });
    if (['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(error.code)) return false;
    throw error;
  }
}

function hold(path, id) {
  const beat = setInterval(() => {
    const now = new Date();
    if (readOwner(path)?.id === id) utimesSync(path, now, now);
  }, HEARTBEAT_MS).unref();

  return {
    child(pid) {
      if (readOwner(path)?.id === id)
        writeOwner(path, { id, pid: process.pid, child: pid, host: hostname() });
    },
    release() {
      clearInterval(beat);
      if (readOwner(path)?.id === id) discard(path, `${path}.${id}`);
    },
  };
}

function isDead(path, owner) {
  const silent = Date.now() - (mtime(path) ?? Date.now()) > SILENT_MS;

  return silent || (owner.host === hostname() && !isAlive(owner.pid) && !isAlive(owner.child));
}

// Two waiters may both find the holder dead; the second must not throw out the first one's new lock.
// So a holder is only removed, and found dead once more, inside a second lock that lasts microseconds.
function takeOver(path) {
  const guard = `${path}.takeover`;
  try {
    mkdirSync(guard);
  } catch {
    if (Date.now() - (mtime(guard) ?? Date.now()) > 10_000) rmSync(guard, { recursive: true, force: true });
    return;
  }

  const holder = readOwner(path);
  if (holder && isDead(path, holder)) discard(path, `${path}.dead-${process.pid}`);
  rmdirSync(guard);
}

// By rename first, so that nobody ever sees a lock without its owner.
function discard(path, grave) {
  try {
    renameSync(path, grave);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  rmSync(grave, { recursive: true, force: true });
}

function isAlive(pid) {
  if (pid === undefined) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function writeOwner(path, owner) {
  const file = join(path, 'owner');
  writeFileSync(`${file}.new`, JSON.stringify(owner));
  renameSync(`${file}.new`, file);
}

function readOwner(path) {
  try {
    return JSON.parse(readFileSync(join(path, 'owner'), 'utf8'));
  } catch {
    return undefined;
  }
}

function mtime(path) {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return undefined;
  }
}
