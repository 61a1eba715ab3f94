/**
 * What a part of the bench has opened and must close again, also when it fails half-way; and its rounds, bounded in
 * time so that a busy machine costs rounds and not minutes.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Scope {
  /** Closed in the reverse order; at once where the scope itself has been closed. */
  add(close: () => unknown): void;
  /** A new private folder, removed at the end. */
  folder(): string;
  close(): Promise<void>;
}

export function createScope(): Scope {
  const closers: (() => unknown)[] = [];
  let closed = false;
  const add = (close: () => unknown) => {
    if (closed) void quietly(close);
    else closers.push(close);
  };
  return {
    add,
    folder() {
      const dir = mkdtempSync(join(tmpdir(), 'opsagent-bench-'));
      add(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }));
      return dir;
    },
    async close() {
      closed = true;
      for (let close = closers.pop(); close; close = closers.pop()) await quietly(close);
    },
  };
}

async function quietly(close: () => unknown): Promise<void> {
  try {
    await close();
  } catch (error) {
    process.stderr.write(`bench: not closed: ${String(error)}\n`);
  }
}

/** How often, and until when more rounds are begun, in ms; three are always made. */
export interface Rounds {
  readonly most: number;
  readonly withinMs: number;
}

/** Runs rounds one after another; each returns one value for every name, all measured in that round. */
export async function inRounds<Name extends string>(
  { most, withinMs }: Rounds,
  round: (n: number) => Promise<Readonly<Record<Name, number>>>,
): Promise<{ readonly of: (name: Name) => readonly number[]; readonly rounds: number }> {
  const until = performance.now() + withinMs;
  const all: Readonly<Record<Name, number>>[] = [];
  for (let n = 0; n < most && (n < 3 || performance.now() < until); n++) all.push(await round(n));
  return { of: (name) => all.map((values) => values[name]), rounds: all.length };
}

/** Milliseconds that the work takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
