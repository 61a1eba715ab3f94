/**
 * The data directory: private to its owner, and used by one running instance at a time.
 */
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { OpsError } from '../core/errors.ts';

const instanceSchema = z.object({ pid: z.number().int(), born: z.string(), url: z.string().optional() });

/** Who runs on a data directory; `url` is the console's, once it listens. */
export type Instance = z.infer<typeof instanceSchema>;

const fileOf = (dataDir: string) => join(dataDir, 'instance.json');

/** Makes the directory with mode 0700. Throws OpsError `config-invalid` when that is not possible. */
export function prepareDataDir(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    chmodSync(dataDir, 0o700);
  } catch (cause) {
    throw new OpsError(
      'config-invalid',
      `The data directory ${dataDir} cannot be written.`,
      'Set OPSAGENT_DATA_DIR to a directory of your own.',
      { cause },
    );
  }
}

/** Takes the directory for this process. Throws OpsError `config-invalid` while another live process has it. */
export function lockDataDir(dataDir: string): { announce(url: string): void; release(): void } {
  const mine: Instance = { pid: process.pid, born: birthOf(process.pid) };
  const file = fileOf(dataDir);
  for (let attempt = 0; ; attempt++) {
    try {
      writeFileSync(file, JSON.stringify(mine), { flag: 'wx', mode: 0o600 });
      break;
    } catch (cause) {
      if (!isCode(cause, 'EEXIST') || attempt > 2)
        throw new OpsError('config-invalid', `The data directory ${dataDir} cannot be written.`, undefined, {
          cause,
        });
      const other = runningInstance(dataDir);
      if (other)
        throw new OpsError(
          'config-invalid',
          `opsagent already runs on ${dataDir} as process ${other.pid}${other.url ? ` (${other.url})` : ''}.`,
          'Stop it first, or set OPSAGENT_DATA_DIR to another directory.',
        );
      rmSync(file, { force: true });
    }
  }
  return {
    announce: (url) => writeFileSync(file, JSON.stringify({ ...mine, url }), { mode: 0o600 }),
    release: () => rmSync(file, { force: true }),
  };
}

/** The live process that has the directory, if any. */
export function runningInstance(dataDir: string): Instance | undefined {
  try {
    const found = instanceSchema.parse(JSON.parse(readFileSync(fileOf(dataDir), 'utf8')));
    process.kill(found.pid, 0);
    // A recycled process number is somebody else.
    return found.born === birthOf(found.pid) ? found : undefined;
  } catch (error) {
    return isCode(error, 'EPERM') ? { pid: -1, born: '' } : undefined;
  }
}

/** When a process began, in the kernel's ticks; empty where there is no /proc. */
function birthOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field holds the program's name in brackets and may hold spaces; then the state, the 22nd is the start.
    const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? 'ended' : (rest[18] ?? '');
  } catch {
    return '';
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
