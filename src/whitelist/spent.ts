/**
 * Spent once: the record that a change was begun, on disk before it begins, and its result after it ended.
 * `spent/<callId>` is created exclusively and never removed once anything may have run.
 */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { CallId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import { isAlive, isThisProcess, type Owner, thisProcess } from '../system/owner.ts';

/** What a change left behind, under the id of its call. */
interface Kept<Reply> {
  readonly callId: CallId;
  /** Digest of tool and arguments: the same id with other arguments is another call. */
  readonly fingerprint: string;
  readonly at: number;
  readonly reply: Reply;
}

interface Claimed {
  /** ms. */
  readonly at: number | undefined;
  /** As in `Kept`. */
  readonly fingerprint: string | undefined;
}

type SpentState = 'unspent' | 'running-here' | 'running-elsewhere' | 'over';

export interface SpentStore<Reply> {
  /** True for exactly one caller, over all processes and restarts; on disk when it resolves. */
  claim(callId: CallId, about: JsonObject & { readonly fingerprint: string }): Promise<boolean>;
  /** Takes a claim back. Only for a claim after which nothing has been started. */
  release(callId: CallId): Promise<void>;
  state(callId: CallId): Promise<SpentState>;
  /** What its record says; each is undefined where no record, or one cut short, says nothing. */
  claimed(callId: CallId): Promise<Claimed>;
  keep(kept: Kept<Reply>): Promise<void>;
  kept(callId: CallId): Promise<Kept<Reply> | undefined>;
  /** Removes records and results from before `at`, ms; never one whose process lives, nor one that says no time. */
  prune(before: number): Promise<void>;
}

/** Opens the store in the data directory, making its folders (0700). */
export async function openSpentStore<Reply>(dataDir: string): Promise<SpentStore<Reply>> {
  const spentDir = join(dataDir, 'spent');
  const resultsDir = join(dataDir, 'results');
  await mkdir(spentDir, { recursive: true, mode: 0o700 });
  await mkdir(resultsDir, { recursive: true, mode: 0o700 });

  return {
    async claim(callId, about) {
      const file = join(spentDir, callId);
      // Written aside and linked: whoever finds the record finds the whole of it, and its owner in it.
      const draft = join(spentDir, `.${callId}.${randomBytes(6).toString('hex')}`);
      await writeSynced(draft, JSON.stringify({ ...about, callId, owner: thisProcess() }));
      try {
        await link(draft, file);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
        throw error;
      } finally {
        await unlink(draft);
      }
      await syncDir(spentDir);
      return true;
    },

    async release(callId) {
      await unlink(join(spentDir, callId)).catch(unless('ENOENT'));
      await syncDir(spentDir);
    },

    async state(callId) {
      const text = await readFile(join(spentDir, callId), 'utf8').catch(unless('ENOENT'));
      if (text === undefined) return 'unspent';
      const owner = ownerIn(text);
      if (!owner) return 'over';
      if (isThisProcess(owner)) return 'running-here';
      return isAlive(owner) ? 'running-elsewhere' : 'over';
    },

    async claimed(callId) {
      const text = (await readFile(join(spentDir, callId), 'utf8').catch(unless('ENOENT'))) ?? '';
      return { at: timeIn(text), fingerprint: fingerprintIn(text) };
    },

    async keep(kept) {
      const file = join(resultsDir, `${kept.callId}.json`);
      const draft = `${file}.${randomBytes(6).toString('hex')}`;
      await writeSynced(draft, JSON.stringify(kept));
      await rename(draft, file);
      await syncDir(resultsDir);
    },

    async kept(callId) {
      const file = join(resultsDir, `${callId}.json`);
      const text = await readFile(file, 'utf8').catch(unless('ENOENT'));
      if (text === undefined) return undefined;
      try {
        return JSON.parse(text) as Kept<Reply>;
      } catch {
        return undefined;
      }
    },

    async prune(before) {
      for (const dir of [resultsDir, spentDir]) {
        for (const name of await readdir(dir)) {
          const text = await readFile(join(dir, name), 'utf8').catch(() => '');
          const owner = ownerIn(text);
          const at = timeIn(text);
          if (at === undefined || at >= before || (owner && isAlive(owner))) continue;
          await unlink(join(dir, name)).catch(unless('ENOENT'));
        }
      }
    },
  };
}

/** A record cut short by a crash still means that the call was begun. */
function ownerIn(text: string): Owner | undefined {
  try {
    return (JSON.parse(text) as { owner?: Owner }).owner;
  } catch {
    return undefined;
  }
}

function timeIn(text: string): number | undefined {
  try {
    const { at } = JSON.parse(text) as { at?: unknown };
    return typeof at === 'number' ? at : undefined;
  } catch {
    return undefined;
  }
}

function fingerprintIn(text: string): string | undefined {
  try {
    const { fingerprint } = JSON.parse(text) as { fingerprint?: unknown };
    return typeof fingerprint === 'string' ? fingerprint : undefined;
  } catch {
    return undefined;
  }
}

function unless(code: string): (error: NodeJS.ErrnoException) => undefined {
  return (error) => {
    if (error.code !== code) throw error;
    return undefined;
  };
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

async function syncDir(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
