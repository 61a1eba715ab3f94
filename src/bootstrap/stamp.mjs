// Whether what is installed and what is built belong to the lock file and the sources at hand.
// Told by content, not by time: a checkout, a copy or an image layer changes times and nothing else.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SOURCES = ['src', 'adapters'];
const SETTINGS = ['tsconfig.json', 'package-lock.json'];

/**
 * How much of the lock file is installed: all of it, all but development packages, or not enough to run.
 * @param {string} root
 * @returns {'all' | 'runtime' | 'none'}
 */
export function installedLevel(root) {
  const lock = readOr(join(root, 'package-lock.json'));
  const hidden = join(root, 'node_modules', '.package-lock.json');
  if (lock === undefined) return 'all';
  if (!existsSync(hidden)) return 'none';

  // npm rewrites its hidden lock file with every change, so an install by hand is noticed too.
  const key = `${digest([lock])} ${statSync(hidden).mtimeMs}`;
  const [stamped, level] = (readOr(installStamp(root)) ?? '').split('\n');
  if (stamped === key && (level === 'all' || level === 'runtime')) return level;

  const found = compareLocks(lock, readOr(hidden));
  if (found !== 'none') writeQuietly(installStamp(root), `${key}\n${found}\n`);
  return found;
}

/**
 * True when dist was made by a finished build of exactly these sources.
 * @param {string} root
 */
export function isBuilt(root) {
  return existsSync(join(root, 'dist', 'src', 'main.js')) && readOr(buildStamp(root)) === sourceDigest(root);
}

/**
 * One digest over all that goes into a build.
 * @param {string} root
 */
export function sourceDigest(root) {
  const files = [...SETTINGS, ...SOURCES.flatMap((folder) => sourceFiles(root, folder))];

  return digest(files.flatMap((file) => [file, readOr(join(root, file)) ?? '']));
}

/**
 * Every file below a source folder that a build reads, relative to the root, in a fixed order.
 * The `.mjs` files are not among them: they run as they are.
 * @param {string} root
 * @param {string} folder
 * @returns {string[]}
 */
export function sourceFiles(root, folder) {
  if (!existsSync(join(root, folder))) return [];

  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => !entry.name.startsWith('.') && !entry.name.endsWith('.mjs'))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      return entry.isDirectory() ? sourceFiles(root, path) : [path];
    });
}

/**
 * Says that dist is no longer to be trusted, before a build touches it.
 * @param {string} root
 */
export function clearBuildStamp(root) {
  rmSync(buildStamp(root), { force: true });
}

/**
 * Says that dist is a finished build of the sources with this digest.
 * @param {string} root
 * @param {string} sources
 */
export function writeBuildStamp(root, sources) {
  mkdirSync(join(root, 'dist'), { recursive: true });
  writeFileSync(buildStamp(root), sources);
}

const installStamp = (root) => join(root, 'node_modules', '.opsagent-stamp');
const buildStamp = (root) => join(root, 'dist', '.opsagent-stamp');

function compareLocks(wanted, present) {
  const want = packagesOf(wanted);
  const have = packagesOf(present);
  if (!want || !have) return 'none';

  let level = 'all';
  for (const [path, entry] of Object.entries(want)) {
    const there = have[path];
    if (path === '' || (there?.version === entry.version && there?.integrity === entry.integrity)) continue;
    if (!there && (entry.optional || entry.devOptional)) continue; // built for another platform
    if (there || !entry.dev) return 'none';
    level = 'runtime';
  }
  return level;
}

function packagesOf(text) {
  try {
    return JSON.parse(text).packages;
  } catch {
    return undefined;
  }
}

function digest(parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest('hex');
}

function readOr(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

// A tree that this user may read but not write still works, it is only compared again next time.
function writeQuietly(path, text) {
  try {
    writeFileSync(path, text);
  } catch {}
}
