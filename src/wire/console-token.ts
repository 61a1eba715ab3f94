/**
 * The console's token: configured, or made at first start and kept where only the owner can read it.
 * The command line finds it there.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export function consoleToken(dataDir: string, configured: string | undefined): string {
  if (configured) return configured;
  const file = join(dataDir, 'console.token');
  if (!existsSync(file))
    writeFileSync(file, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
  return readFileSync(file, 'utf8').trim();
}
