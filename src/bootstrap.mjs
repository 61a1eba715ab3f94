// Sees in a few milliseconds whether dependencies and build are current, and has them made where they are not.
// No dependencies and no process.env: it runs before anything is installed or configured.

import { existsSync } from 'node:fs';
import module from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installedLevel, isBuilt } from './bootstrap/stamp.mjs';

/** The top of the tree that this file belongs to, whatever the working directory is. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** @typedef {{ message: string, exitCode: number }} Problem one sentence for a person, and how to exit with it */

/**
 * Installs and builds what is missing or stale. Quiet and quick when nothing is; says what it does on stderr.
 * @param {{ dev?: boolean, build?: 'when-stale' | 'always' }} [options] `dev`: the development packages are needed
 * @returns {Promise<Problem | undefined>} undefined when the program can be imported
 */
export async function ensureReady({ dev = false, build = 'when-stale' } = {}) {
  const need = whatIsNeeded(dev, build);

  if (need.broken) return { message: need.broken, exitCode: 1 };
  if (!need.install && !need.build) return undefined;

  const { prepare } = await import('./bootstrap/prepare.mjs');
  return prepare(ROOT, () => whatIsNeeded(dev, build));
}

/** Keeps compiled code beside the packages, out of the shared temporary directory where others could plant it. */
export function useCompileCache() {
  module.enableCompileCache?.(join(ROOT, 'node_modules', '.cache', 'opsagent'));
}

function whatIsNeeded(dev, build) {
  if (!existsSync(join(ROOT, 'tsconfig.json'))) return withoutSources(build);

  const stale = build === 'always' || !isBuilt(ROOT);
  const level = installedLevel(ROOT);

  return { build: stale, install: level === 'none' || (level === 'runtime' && (dev || stale)) };
}

// An image or a package holds the built program without its sources: there is nothing to compare it with.
function withoutSources(build) {
  const built = existsSync(join(ROOT, 'dist', 'src', 'main.js'));
  if (built && build !== 'always') return { build: false, install: false };

  return { broken: 'this copy holds neither a build nor the sources for one; take a fresh clone.' };
}
