/**
 * The console's secrets: the owner's token, configured or made at first start, which the command line finds in the
 * data directory; and the key that its sessions are made with, so that they outlive a restart and fit no other instance.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export function consoleToken(dataDir: string, configured: string | undefined): string {
  return configured ?? kept(join(dataDir, 'console.token'), 24);
}

export function consoleSessionKey(dataDir: string): string {
  return kept(join(dataDir, 'keys', 'console-session.key'), 32);
}

/** A secret of so many random bytes in a file that only the owner can read. */
function kept(file: string, bytes: number): string {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  if (!existsSync(file))
    writeFileSync(file, `${randomBytes(bytes).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
  return readFileSync(file, 'utf8').trim();
}
