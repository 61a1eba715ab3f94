/**
 * File paths of the configuration: `~/` for the home folder, and what can be said about a file before it is needed.
 */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** `~/x` under `home`; anything else as it is. */
export function filePath(text: string, home: string): string {
  return text.startsWith('~/') ? join(home, text.slice(2)) : text;
}

/** Why a file cannot be read, for people; undefined when it can. */
export function unreadable(file: string): string | undefined {
  try {
    if (!statSync(file).isFile()) return 'is not a file';
    accessSync(file, constants.R_OK);
    return undefined;
  } catch (thrown) {
    return reason(thrown);
  }
}

/** Why a folder cannot be used for writing, made first if need be; undefined when it can. */
export function unwritableFolder(folder: string): string | undefined {
  try {
    let there = folder;
    while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
    if (!statSync(there).isDirectory()) return `${there} is not a folder`;
    accessSync(there, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (thrown) {
    return reason(thrown);
  }
}

function reason(thrown: unknown): string {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  if (code === 'ENOENT') return 'does not exist';
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return 'permission denied';
  return `cannot be used (${String(code)})`;
}
