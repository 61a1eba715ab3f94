/**
 * A whole `opsagent start` of its own for the bench, as a person would have it: built program, embedded Redis,
 * rehearsal model, shipped catalogue and policy; only port and data directory are set, and a host where one is given.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, stopChild } from './process.ts';
import { type Scope, sleep } from './scope.ts';

/** The top of the tree: this file runs as dist/bench/opsagent.js. */
export const root = fileURLToPath(new URL('../..', import.meta.url));
export const mainFile = join(root, 'dist', 'src', 'main.js');

export interface Opsagent {
  readonly pid: number;
  /** From the start of the process to the first 200 of /healthz, in ms. */
  readonly readyMs: number;
  readonly port: number;
  readonly token: string;
  readonly redisSocket: string;
  stop(): Promise<void>;
}

const giveUpMs = 30_000;

/** The variables that opsagent gets: of ours only what programs need to run at all. */
export function environment(dataDir: string, more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const { PATH, LANG } = process.env;
  return {
    ...(PATH === undefined ? {} : { PATH }),
    ...(LANG === undefined ? {} : { LANG }),
    HOME: dataDir,
    OPSAGENT_DATA_DIR: dataDir,
    OPSAGENT_CONFIG_DIR: join(root, 'config'),
    LOG_LEVEL: 'warn',
    ...more,
  };
}

/** Starts it and waits until it is ready. `stop` may be called more than once; the scope does it too. */
export async function startOpsagent(
  scope: Scope,
  dataDir: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Opsagent> {
  const port = await freePort();
  const began = performance.now();
  const child = spawn(process.execPath, [mainFile, 'start'], {
    cwd: dataDir,
    env: environment(dataDir, { ...env, UI_PORT: String(port) }),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const stop = () => stopChild(child);
  scope.add(stop);
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2_000);
  });
  let problem: string | undefined;
  child.once('error', (error) => {
    problem = error.message;
  });
  child.once('exit', (code, signal) => {
    problem = `it ended with ${code ?? signal}`;
  });

  while (!(await isReady(port))) {
    if (problem !== undefined) throw new Error(`opsagent did not start: ${problem}. ${said.trim()}`);
    if (performance.now() - began > giveUpMs)
      throw new Error(`opsagent was not ready in time. ${said.trim()}`);
    await sleep(4);
  }
  const readyMs = performance.now() - began;
  return {
    pid: child.pid ?? 0,
    readyMs,
    port,
    token: readFileSync(join(dataDir, 'console.token'), 'utf8').trim(),
    redisSocket: join(dataDir, 'redis', 'redis.sock'),
    stop,
  };
}

const oneRequestEach = new Agent({ keepAlive: false });

function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path: '/healthz', agent: oneRequestEach }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode === 200));
    });
    request.once('error', () => resolve(false));
  });
}
