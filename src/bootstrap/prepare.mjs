// Installs dependencies and builds, one process at a time, until the program can be imported.
// Everything that can go wrong here ends as one sentence with its remedy, never as a stack trace.

import { constants } from 'node:os';
import { join } from 'node:path';
import { compile } from './compile.mjs';
import { acquire } from './lock.mjs';
import { progress, run } from './step.mjs';

const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const NPM_OPTIONS = [
  '--include=dev', // said outright, because NODE_ENV=production would leave the compiler out
  '--ignore-scripts',
  '--no-audit',
  '--no-fund',
  '--fetch-retries=3',
  '--fetch-retry-mintimeout=1000', // npm's own pauses let someone offline wait for minutes
  '--fetch-retry-maxtimeout=5000',
];
const OFFLINE =
  /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED|ERR_SOCKET_TIMEOUT)\b/;

/**
 * @param {string} root
 * @param {() => { install: boolean, build: boolean }} need asked again once the lock is held: another process may
 *   have done it all meanwhile
 * @returns {Promise<import('../bootstrap.mjs').Problem | undefined>}
 */
export async function prepare(root, need) {
  const report = progress();
  const stopping = new AbortController();
  const stop = (name) => stopping.abort(name);
  for (const name of STOP_SIGNALS) process.once(name, stop);

  try {
    const problem = await locked(root, need, report, stopping.signal);
    report.end(problem ? undefined : 'ready');
    return stopping.signal.aborted ? interrupted(stopping.signal.reason) : problem;
  } catch (error) {
    report.end();
    if (stopping.signal.aborted) return interrupted(stopping.signal.reason);
    if (error.code === undefined) throw error;
    return { message: `cannot install or build in this folder: ${error.message}.`, exitCode: 1 };
  } finally {
    for (const name of STOP_SIGNALS) process.removeListener(name, stop);
  }
}

async function locked(root, need, report, signal) {
  const onWait = (pid) => report.step(`waiting for process ${pid}, which installs or builds here`);
  const lock = await acquire(join(root, '.cache'), { signal, onWait });

  try {
    const before = need();
    const at = { cwd: root, signal, onSpawn: lock.child };
    const problem = before.install ? await install(at, report) : undefined;
    if (problem || signal.aborted) return problem;
    if (need().install) return failed('npm ci ended well, but not all of package-lock.json is installed');

    return before.build ? await build(root, at, report) : undefined;
  } finally {
    lock.release();
  }
}

async function install(at, report) {
  report.step('installing dependencies (npm ci)');
  const { code, output, missing } = await run('npm', ['ci', ...NPM_OPTIONS], at);
  if (missing) return failed('npm was not found on the PATH; it comes with Node');
  if (code === 0) return undefined;

  const offline = OFFLINE.exec(output)?.[0];
  if (offline)
    return failed(
      `the npm registry could not be reached (${offline}); check network and proxy, then try again`,
    );
  return failed(
    `npm ci failed: ${firstError(output) ?? `exit code ${code}`}; run "npm ci" here to see all of it`,
  );
}

async function build(root, at, report) {
  report.step('building (tsc)');
  const errors = await compile(root, at);

  return errors === undefined ? undefined : { message: `the build failed:\n${errors}`, exitCode: 1 };
}

// npm puts `code EUSAGE` first and the sentence after it.
function firstError(output) {
  const lines = [...output.matchAll(/^npm (?:error|ERR!) (.+)$/gm)].map((match) => match[1].trim());
  const code = lines.find((line) => line.startsWith('code '))?.slice(5);
  const sentence = lines.find((line) => !/^(code|errno|syscall|path|dest|A complete log)\b/.test(line));

  return [code, sentence].filter(Boolean).join(', ').replace(/[.;]$/, '') || undefined;
}

function failed(reason) {
  return { message: `could not install the dependencies: ${reason}.`, exitCode: 1 };
}

function interrupted(name) {
  return { message: `stopped by ${name}; the next start goes on.`, exitCode: 128 + constants.signals[name] };
}
