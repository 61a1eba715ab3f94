/**
 * `opsagent freeze` and `unfreeze`: the emergency stop, straight in the data directory, whether or not anything runs.
 * Every whitelist server over that directory obeys within a fraction of a second.
 */
import { userInfo } from 'node:os';
import { openAuditLog } from '../backends/audit-log.ts';
import { prepareDataDir } from '../backends/data-dir.ts';
import { loadPlace } from '../config/place.ts';
import { readEnvironment } from '../config.ts';
import { OpsError } from '../core/errors.ts';
import { openFreeze } from '../whitelist/freeze.ts';
import { openWindows } from '../whitelist/windows.ts';

export async function freeze(options: { readonly reason?: string }): Promise<void> {
  const left = await order(true, options.reason);
  process.stdout.write(
    'All changes are stopped: none begins, those that run are being ended, and a restart changes nothing of it.\n' +
      'Reads go on. `opsagent unfreeze` lifts it; what was asked for before stays stopped.\n' +
      (left
        ? 'Some files in windows/ of the data directory could not be removed; they hold no longer all the same.\n'
        : ''),
  );
}

export async function unfreeze(): Promise<void> {
  await order(false, undefined);
  process.stdout.write('Changes may be asked for again. What was asked for before stays stopped.\n');
}

/** Whether files of windows were left that could not be removed. */
async function order(frozen: boolean, reason: string | undefined): Promise<boolean> {
  const { dataDir } = loadPlace(readEnvironment(), process.cwd());
  prepareDataDir(dataDir);
  const by = `${userInfo().username} on the command line`;
  const at = Date.now();
  // The stop comes before its line in the log: a full disk must not keep it from being given.
  const state = await openFreeze(dataDir).obey({ frozen, by, at, ...(reason ? { reason } : {}) });
  if (!state)
    throw new OpsError(
      'config-invalid',
      'An order from the future is in force: the clock of this machine has gone back.',
      `Look at ${dataDir}/freeze.json.`,
    );
  const left = frozen && (await openWindows(dataDir).revoke(undefined)).left;
  const audit = await openAuditLog({
    dir: `${dataDir}/audit`,
    writer: 'cli',
    clock: { now: () => Date.now() },
    redact: (text) => text,
  });
  const kind = frozen ? 'changes.frozen' : 'changes.thawed';
  await audit.record({
    kind,
    who: `cli:${userInfo().username}`,
    data: { ...(reason ? { reason } : {}), ...(left ? { left } : {}) },
  });
  await audit.close();
  return left;
}
