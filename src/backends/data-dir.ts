/**
 * The data directory: private to its owner, and used by one running instance at a time.
 */
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { OpsError } from '../core/errors.ts';
import { isAlive, thisProcess } from '../system/owner.ts';

const instanceSchema = z.object({
  pid: z.number().int(),
  started: z.string(),
  machine: z.string(),
  url: z.string().optional(),
});

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
  const mine: Instance = thisProcess();
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
    return isAlive(found) ? found : undefined;
  } catch {
    return undefined;
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
