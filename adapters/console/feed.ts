/**
 * Server-sent events of every put. A reader that is slow gets the newest state of each entry, never a growing queue;
 * one that comes back names what it has and is sent what it missed.
 */
import type { BoardEntry } from '../../src/core/ports.ts';

export interface Feed {
  publish(entry: BoardEntry): void;
  /**
   * Opens one reader's stream; undefined when there are too many. `replay` is read after it began to listen.
   * Nothing is sent any more once `mayRead` says no.
   */
  open(
    replay: () => Promise<readonly BoardEntry[]>,
    mayRead: () => boolean,
  ): ReadableStream<Uint8Array> | undefined;
  /** Ends the streams of readers who may not read any more. */
  check(): void;
  /** Tells readers that the line is alive; the page then re-reads what it shows. */
  beat(): void;
  close(): void;
}

interface Reader {
  mayRead(): boolean;
  push(entry: BoardEntry): void;
  beat(): void;
  end(): void;
}

const maxReaders = 64;

export function createFeed(): Feed {
  const readers = new Set<Reader>();
  return {
    publish: (entry) => {
      for (const reader of readers) reader.push(entry);
    },
    beat: () => {
      for (const reader of readers) reader.beat();
    },
    close: () => {
      for (const reader of readers) reader.end();
    },
    check: () => {
      for (const reader of readers) if (!reader.mayRead()) reader.end();
    },
    open: (replay, mayRead) => (readers.size < maxReaders ? openReader(readers, replay, mayRead) : undefined),
  };
}

function openReader(
  readers: Set<Reader>,
  replay: () => Promise<readonly BoardEntry[]>,
  mayRead: () => boolean,
) {
  const utf8 = new TextEncoder();
  const pending = new Map<string, BoardEntry>();
  let beat = false;
  let ended = false;
  let wake = () => {};

  const reader: Reader = {
    mayRead,
    push(entry) {
      const key = `${entry.thread}/${entry.key}`;
      const had = pending.get(key);
      if (had && had.seq >= entry.seq) return;
      pending.delete(key);
      pending.set(key, entry);
      wake();
    },
    beat() {
      beat = true;
      wake();
    },
    end() {
      ended = true;
      readers.delete(reader);
      wake();
    },
  };

  return new ReadableStream<Uint8Array>({
    async start(controller) {
      readers.add(reader);
      controller.enqueue(utf8.encode('retry: 1000\nevent: hello\ndata: {}\n\n'));
      try {
        for (const entry of await replay()) reader.push(entry);
      } catch (error) {
        reader.end();
        throw error;
      }
    },
    async pull(controller) {
      if (pending.size === 0 && !beat && !ended) await new Promise<void>((resolve) => (wake = resolve));
      wake = () => {};
      if (!mayRead()) reader.end();
      if (ended) {
        controller.close();
        return;
      }
      const texts = [...pending.values()].map(eventText);
      pending.clear();
      if (beat) texts.push('event: beat\ndata: {}\n\n');
      beat = false;
      controller.enqueue(utf8.encode(texts.join('')));
    },
    cancel() {
      // Nobody reads any more; a pull that waits must not touch the controller again.
      readers.delete(reader);
      wake = () => {};
    },
  });
}

function eventText(entry: BoardEntry): string {
  return `id: ${entry.thread}:${entry.seq}\nevent: entry\ndata: ${JSON.stringify(entry)}\n\n`;
}
