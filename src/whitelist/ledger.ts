/**
 * What was run and asked for, a line each, in the data directory: quotas count in it, so a restart resets nothing.
 * One file a day (UTC); every process over the same data directory appends to the same one.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Risk } from '../core/command.ts';

/** One command that was let through, or one question that was put to people. */
export interface LedgerEntry {
  readonly kind: 'run' | 'question';
  readonly at: number;
  /** undefined: a caller without a signed request. */
  readonly run?: string;
  readonly call: string;
  /** People by name, strangers by account; with everybody who joined the run. */
  readonly who: readonly string[];
  readonly command: string;
  readonly category: string;
  readonly risk: Risk;
  readonly host: string;
  /** Digest of its values. */
  readonly values: string;
}

export interface Ledger {
  /** Everything of the day of `now` and the day before it. */
  read(
    now: number,
  ): Promise<{ readonly today: readonly LedgerEntry[]; readonly before: readonly LedgerEntry[] }>;
  /** Throws when the line cannot be written. */
  append(entry: LedgerEntry): Promise<void>;
}

interface Day {
  bytes: number;
  entries: LedgerEntry[];
}

const dayMs = 86_400_000;
const keptDays = 8;

/** Opens `<dataDir>/quota` (0700) and forgets days that are long over. */
export function openLedger(dataDir: string, now: number): Ledger {
  const dir = join(dataDir, 'quota');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(dir)) if (name < fileName(now - keptDays * dayMs)) rmSync(join(dir, name));
  const days = new Map<string, Day>();

  /** Reads on from where the last reading ended: the file only grows, by us and by others. */
  const readDay = async (name: string): Promise<readonly LedgerEntry[]> => {
    const day = days.get(name) ?? { bytes: 0, entries: [] };
    days.set(name, day);
    const file = await open(join(dir, name), 'r').catch(unlessMissing);
    if (!file) return day.entries;
    try {
      const { size } = await file.stat();
      if (size <= day.bytes) return day.entries;
      const buffer = Buffer.alloc(size - day.bytes);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, day.bytes);
      // The last line may still be in the writing; it is read the next time.
      const end = buffer.subarray(0, bytesRead).lastIndexOf(10) + 1;
      day.bytes += end;
      day.entries.push(...buffer.toString('utf8', 0, end).split('\n').flatMap(entryIn));
      return day.entries;
    } finally {
      await file.close();
    }
  };

  return {
    async read(now) {
      for (const name of days.keys()) if (name < fileName(now - dayMs)) days.delete(name);
      return { today: await readDay(fileName(now)), before: await readDay(fileName(now - dayMs)) };
    },
    async append(entry) {
      const file = await open(join(dir, fileName(entry.at)), 'a', 0o600);
      try {
        // It begins a line of its own whatever a process that died left behind.
        await file.writeFile(`\n${JSON.stringify(entry)}\n`);
      } finally {
        await file.close();
      }
    },
  };
}

function fileName(at: number): string {
  return `${new Date(at).toISOString().slice(0, 10)}.jsonl`;
}

/** A line cut short is of something that was not run: its writer died before it could go on. */
function entryIn(line: string): LedgerEntry[] {
  if (line === '') return [];
  try {
    return [JSON.parse(line) as LedgerEntry];
  } catch {
    return [];
  }
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
}
