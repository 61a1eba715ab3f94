/**
 * The built program run as a person would: `opsagent …` in an empty folder, with nothing configured but where to
 * keep its data and which port to take.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../contract/until.ts';

export const main = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));
export const patienceMs = 40_000;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Program {
  readonly dir: string;
  readonly dataDir: string;
  readonly port: number;
  readonly env: NodeJS.ProcessEnv;
  /** One command line to its end. */
  run(...args: string[]): Promise<Ended>;
  /** `opsagent start`, resolved when it is ready. */
  start(env?: NodeJS.ProcessEnv): Promise<Started>;
  /** A request to the console's API, signed in. */
  api<T>(path: string, body?: object): Promise<T>;
  close(): Promise<void>;
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  printed(): string;
}

export async function newProgram(): Promise<Program> {
  const dir = mkdtempSync(join(tmpdir(), 'opsagent-program-'));
  const dataDir = join(dir, '.opsagent');
  mkdirSync(join(dir, 'home'));
  const port = await freePort();
  const env: NodeJS.ProcessEnv = {
    PATH: process.env.PATH,
    HOME: join(dir, 'home'),
    UI_PORT: String(port),
  };
  const children = new Set<ChildProcess>();

  const launch = (args: readonly string[], more: NodeJS.ProcessEnv = {}): Started => {
    const child = spawn(process.execPath, [main, ...args], { cwd: dir, env: { ...env, ...more } });
    children.add(child);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const ended = new Promise<Ended>((resolve) => {
      child.once('close', (code) => {
        children.delete(child);
        resolve({ code, stdout, stderr });
      });
    });
    return { child, ended, printed: () => stdout + stderr };
  };

  return {
    dir,
    dataDir,
    port,
    env,
    run: (...args) => launch(args).ended,
    async start(more) {
      const started = launch(['start'], more);
      await until(
        'opsagent to be ready',
        async () => {
          if (started.child.exitCode !== null) throw new Error(`it ended:\n${started.printed()}`);
          const health = await fetch(`http://127.0.0.1:${port}/healthz`).catch(() => undefined);
          return health?.ok === true && started.printed().includes('is ready');
        },
        patienceMs,
      );
      return started;
    },
    async api(path, body) {
      const token = readFileSync(join(dataDir, 'console.token'), 'utf8').trim();
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}),
      });
      return (await response.json()) as never;
    },
    async close() {
      for (const child of children) child.kill('SIGKILL');
      await until('every process to end', () => children.size === 0, patienceMs);
      rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
