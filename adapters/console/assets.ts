/**
 * The page's files, read once from beside this module. A name outside this list does not exist.
 */
import { readdir, readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { sha256 } from '../../src/core/json.ts';

export interface Asset {
  readonly type: string;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly etag: string;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** All files of the page by name. Throws when the installation is incomplete. */
export async function readAssets(): Promise<ReadonlyMap<string, Asset>> {
  const folder = new URL('./page/', import.meta.url);
  const assets = new Map<string, Asset>();
  for (const name of await readdir(folder)) {
    const type = types[extname(name)];
    if (type === undefined) continue;
    const body = new Uint8Array(await readFile(new URL(name, folder)));
    assets.set(name, { type, body, etag: `"${sha256(body).slice(0, 32)}"` });
  }
  if (!assets.has('index.html')) throw new Error('the console page is missing from this installation');
  return assets;
}
