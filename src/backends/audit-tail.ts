/**
 * The end of one writer's log, being written: what is surely on disk, what is written but not yet flushed, and how
 * either is made good after a failure. Its callers take turns; it never runs twice at once.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { auditFileName } from './audit-files.ts';

export interface Tail {
  /** Appends whole lines to the day's file, and with `flush` resolves once they and all before them are on disk. */
  write(day: string, lines: Buffer, flush: boolean): Promise<void>;
  flush(): Promise<void>;
  /** True while lines that were written are not known to be on disk. */
  unflushed(): boolean;
  close(): Promise<void>;
}

interface Day {
  readonly day: string;
  handle?: FileHandle;
  /** Where the last line that is surely on disk ends; unknown until the file was first opened. */
  end?: number;
  /** Lines after `end` whose events have gone ahead: after a failure they are written again before anything else. */
  waiting: Buffer[];
  /** A write or flush failed: what the file holds after `end` is not known. */
  broken: boolean;
}

export function openTail(dir: string, writer: string): Tail {
  let file: Day | undefined;

  /** The file of that day, its end known and nothing of a failed write behind it. The day before is flushed first. */
  async function ready(day: string): Promise<FileHandle> {
    if (file && file.day !== day) {
      if (file.waiting.length > 0) await flushed(await ready(file.day));
      await file.handle?.close();
      file = undefined;
    }
    file ??= { day, waiting: [], broken: false };
    file.handle ??= await opened(file);
    // Deleted under us, it would take every line and keep none.
    if ((await file.handle.stat()).nlink === 0) throw new Error('the audit file was deleted');
    return file.handle;
  }

  async function opened(of: Day): Promise<FileHandle> {
    const handle = await open(join(dir, auditFileName(of.day, writer)), 'a', 0o600);
    try {
      const folder = await open(dir, 'r');
      await folder.sync().finally(() => folder.close());
      const { size } = await handle.stat();
      of.end = Math.min(size, of.end ?? size);
      if (size > of.end) await handle.truncate(of.end);
      if (of.waiting.length > 0) await handle.appendFile(Buffer.concat(of.waiting));
      return handle;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async function flushed(handle: FileHandle): Promise<void> {
    await handle.datasync();
    if (!file) return;
    file.end = (file.end ?? 0) + bytesOf(file.waiting);
    file.waiting = [];
    file.broken = false;
  }

  /** Whoever reads the file meanwhile shall find no half line; it is put right before the next write in any case. */
  async function failed(): Promise<void> {
    if (!file) return;
    const { handle, end = 0 } = file;
    file.broken = true;
    delete file.handle;
    if (!handle) return;
    const good = end + bytesOf(file.waiting);
    const size = await handle.stat().then(
      (stat) => stat.size,
      () => 0,
    );
    if (size > good) await handle.truncate(good).catch(() => {});
    await handle.close().catch(() => {});
  }

  return {
    async write(day, lines, flush) {
      try {
        const handle = await ready(day);
        await handle.appendFile(lines);
        if (!file) return;
        const before = file.waiting;
        file.waiting = [...before, lines];
        try {
          if (flush || file.broken) await flushed(handle);
        } catch (error) {
          file.waiting = before;
          throw error;
        }
      } catch (error) {
        await failed();
        throw error;
      }
    },
    async flush() {
      if (!file || file.waiting.length === 0) return;
      try {
        await flushed(await ready(file.day));
      } catch (error) {
        await failed();
        throw error;
      }
    },
    unflushed: () => (file?.waiting.length ?? 0) > 0,
    async close() {
      await file?.handle?.close();
      file = undefined;
    },
  };
}

function bytesOf(buffers: readonly Buffer[]): number {
  return buffers.reduce((sum, buffer) => sum + buffer.length, 0);
}
