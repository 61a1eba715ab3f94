/**
 * Outputs at rest: the whole clean text of a command under an id, on this server's disk for a day and within a quota.
 * Each belongs to whoever made it, a conversation or a client; for everybody else it does not exist.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../core/ports.ts';

export interface KeptOutput {
  /** The conversation or client that made it. */
  readonly owner: string;
  readonly host: string;
  readonly command: string;
  /** Clean: secrets are out before anything is kept. */
  readonly text: string;
}

export interface OutputStore {
  keep(output: KeptOutput): Promise<string>;
  /** undefined for an id that is unknown, too old or somebody else's. */
  read(id: string, owner: string): Promise<KeptOutput | undefined>;
  /** Removes what is too old, then the oldest until the rest is within the quota. */
  prune(): Promise<void>;
}

export interface OutputStoreOptions {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly maxAgeMs?: number;
  /** Bytes of all outputs together. */
  readonly quotaBytes?: number;
}

const idForm = /^o[0-9a-f]{12}$/;

export async function openOutputStore(options: OutputStoreOptions): Promise<OutputStore> {
  const { clock, maxAgeMs = 24 * 3600_000, quotaBytes = 64 * 1024 * 1024 } = options;
  const dir = join(options.dataDir, 'outputs');
  await mkdir(dir, { recursive: true, mode: 0o700 });
  let sincePruned = 0;

  const store: OutputStore = {
    async keep(output) {
      const id = `o${randomBytes(6).toString('hex')}`;
      const { text, ...about } = output;
      const file = join(dir, id);
      const draft = `${file}.draft`;
      const body = `${JSON.stringify(about)}\n${text}`;
      await writeFile(draft, body, { mode: 0o600, flag: 'wx' });
      const at = clock.now() / 1000;
      await utimes(draft, at, at);
      await rename(draft, file);
      sincePruned += Buffer.byteLength(body);
      if (sincePruned > quotaBytes / 10) await store.prune();
      return id;
    },

    async read(id, owner) {
      if (!idForm.test(id)) return undefined;
      const file = join(dir, id);
      try {
        if ((await stat(file)).mtimeMs < clock.now() - maxAgeMs) return undefined;
        const body = await readFile(file, 'utf8');
        const end = body.indexOf('\n');
        const about = JSON.parse(body.slice(0, end)) as Omit<KeptOutput, 'text'>;
        return about.owner === owner ? { ...about, text: body.slice(end + 1) } : undefined;
      } catch {
        return undefined;
      }
    },

    async prune() {
      sincePruned = 0;
      const names = await readdir(dir);
      const files = await Promise.all(
        names.map(async (name) => {
          const about = await stat(join(dir, name)).catch(() => undefined);
          return { name, size: about?.size ?? 0, at: about?.mtimeMs ?? 0 };
        }),
      );
      files.sort((a, b) => b.at - a.at);
      let total = 0;
      for (const { name, size, at } of files) {
        total += size;
        // Nine tenths, so that the next tenth may come before anybody looks again.
        if (at >= clock.now() - maxAgeMs && total <= quotaBytes * 0.9) continue;
        await unlink(join(dir, name)).catch(() => {});
      }
    },
  };
  await store.prune();
  return store;
}
