// One build: the compiler into dist, the adapters' static files beside it, leftovers of deleted sources removed.
// dist carries its stamp only between a finished build and the next one.

import { cpSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { clearBuildStamp, sourceDigest, sourceFiles, writeBuildStamp } from './stamp.mjs';
import { run } from './step.mjs';

/**
 * @param {string} root
 * @param {Parameters<typeof run>[2]} at
 * @returns {Promise<string | undefined>} what the compiler says against the sources, undefined when it is built
 */
export async function compile(root, at) {
  const sources = sourceDigest(root); // taken first: an edit during the build makes it stale
  clearBuildStamp(root);

  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { code, output } = await run(process.execPath, [compiler, '-p', join(root, 'tsconfig.json')], at);
  if (code !== 0) return output.trim() || `tsc ended with exit code ${code}`;

  copyAssets(root);
  removeLeftovers(root);
  writeBuildStamp(root, sources);
  return undefined;
}

function copyAssets(root) {
  for (const file of assets(root)) cpSync(join(root, file), join(root, 'dist', file));
}

function removeLeftovers(root) {
  const made = new Set(assets(root));
  for (const folder of ['src', 'adapters']) {
    for (const file of sourceFiles(join(root, 'dist'), folder)) {
      const source = file.replace(/\.js(\.map)?$/, '.ts');
      if (!made.has(file) && !existsSync(join(root, source))) rmSync(join(root, 'dist', file));
    }
  }
}

const assets = (root) => sourceFiles(root, 'adapters').filter((file) => !file.endsWith('.ts'));
