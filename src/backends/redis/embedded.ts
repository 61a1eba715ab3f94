/**
 * A Redis of our own when none is configured: the installed server as a private child on a unix socket with its
 * append-only file in the data directory. It ends when we do, however we end.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { OpsError } from '../../core/errors.ts';
import type { Logger } from '../../core/ports.ts';

export interface EmbeddedRedis {
  readonly kind: 'redis-server' | 'valkey-server' | 'stand-in';
  readonly socket: string;
  /** A killed instance had left its Redis running: that one was ended and its data taken over. */
  readonly takenOver: boolean;
  stop(): Promise<void>;
}

/** sun_path is 108 bytes on Linux and 104 on macOS, terminator included. */
const longestSocketPath = 100;
const standardPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const readyWithinMs = 10_000;
const stopWithinMs = 3_000;
const restartAfterMs = 500;

// The shell holds the read end of a pipe from us. When we are gone, even by SIGKILL, the pipe closes and it ends Redis.
const keeper = `"$@" </dev/null >&2 &
redis=$!
exec 3<&0
(cat <&3 >/dev/null; kill -TERM $redis 2>/dev/null) &
guard=$!
wait $redis
kill $guard 2>/dev/null`;

/**
 * Starts it. One that still answers on the socket is ended first: the caller holds the data directory's lock, so
 * whoever started that one is gone, and only a child of ours ends with us. `path` is where programs are found, and all that the server sees of our
 * environment: the tokens are in the rest. Throws OpsError `store-unavailable` when it does not come up.
 */
export async function startEmbeddedRedis(
  dataDir: string,
  logger: Logger,
  path = standardPath,
): Promise<EmbeddedRedis> {
  const dir = join(dataDir, 'redis');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  chmodSync(dir, 0o700);
  const socket = socketPath(dir);

  const takenOver = existsSync(socket) && (await answers(socket));
  if (takenOver) {
    logger.warn({ socket }, 'embedded redis of a killed instance ended, its data is kept');
    await shutDown(socket);
  }
  rmSync(socket, { force: true });
  const kind = installedServer(path);
  if (!kind) {
    // Loaded only here: it brings an interpreter along that nobody with a Redis needs.
    const { startStandIn } = await import('./stand-in.ts');
    return { kind: 'stand-in', socket, takenOver, stop: await startStandIn(socket) };
  }

  const stop = await keepServer(
    () => startServer(kind, dir, socket, path),
    () => answers(socket),
    logger,
  );
  return { kind, socket, takenOver, stop };
}

function socketPath(dir: string): string {
  const near = join(dir, 'redis.sock');
  if (Buffer.byteLength(near) <= longestSocketPath) return near;
  const { uid } = userInfo();
  const far = join(
    tmpdir(),
    `opsagent-${uid}-${createHash('sha256').update(dir).digest('hex').slice(0, 12)}`,
  );
  mkdirSync(far, { recursive: true, mode: 0o700 });
  chmodSync(far, 0o700);
  return join(far, 'redis.sock');
}

/** Which server is installed here, if any; without a path, on that of this process. */
export function installedServer(path?: string): 'redis-server' | 'valkey-server' | undefined {
  const env = path === undefined ? {} : { env: { PATH: path } };
  return (['redis-server', 'valkey-server'] as const).find(
    (name) => spawnSync(name, ['--version'], { stdio: 'ignore', ...env }).status === 0,
  );
}

interface Server {
  readonly exited: Promise<void>;
  stop(): Promise<void>;
}

/** Starts it, and again whenever it ends by itself: all that waits for people is in its file, not in its memory. */
async function keepServer(
  start: () => Promise<Server>,
  isThere: () => Promise<boolean>,
  logger: Logger,
): Promise<() => Promise<void>> {
  let server = await start();
  let isStopping = false;
  const watch = async (): Promise<void> => {
    await server.exited;
    while (!isStopping) {
      logger.error({}, 'the embedded redis has ended, starting it again');
      await new Promise((resolve) => setTimeout(resolve, restartAfterMs));
      // Somebody who took the directory over has one there: it is theirs to keep.
      if (isStopping || (await isThere())) return;
      try {
        server = await start();
      } catch (err) {
        logger.error({ err }, 'the embedded redis did not start again');
        continue;
      }
      // Stopped while it was being started: it ends as if it had been there.
      if (isStopping) return server.stop();
      await server.exited;
    }
  };
  const watching = watch();
  return async () => {
    isStopping = true;
    await server.stop();
    await watching;
  };
}

async function startServer(name: string, dir: string, socket: string, path: string): Promise<Server> {
  const settings = {
    port: '0',
    unixsocket: socket,
    unixsocketperm: '700',
    dir,
    appendonly: 'yes',
    appendfsync: 'everysec',
    save: '',
    'maxmemory-policy': 'noeviction',
    daemonize: 'no',
    logfile: join(dir, 'redis.log'),
  };
  const args = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, value]);
  // Its own process group: Ctrl-C in the terminal is for us, and we stop Redis last.
  const child = spawn('/bin/sh', ['-c', keeper, 'sh', name, ...args], {
    stdio: ['pipe', 'ignore', 'ignore'],
    env: { PATH: path },
    detached: true,
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  let ended = false;
  void exited.then(() => {
    ended = true;
  });

  const giveUp = Date.now() + readyWithinMs;
  while (!(await answers(socket))) {
    if (ended || Date.now() > giveUp) {
      child.stdin.end();
      throw new OpsError(
        'store-unavailable',
        `The embedded ${name} did not start.`,
        `See ${join(dir, 'redis.log')}, or set REDIS_URL to use another Redis.`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    exited,
    async stop() {
      child.stdin.end();
      const late = setTimeout(() => {
        if (child.pid && !ended) process.kill(-child.pid, 'SIGKILL');
      }, stopWithinMs);
      await exited;
      clearTimeout(late);
    },
  };
}

async function answers(socket: string): Promise<boolean> {
  return (await once(socket, (redis) => redis.ping())) === 'PONG';
}

async function shutDown(socket: string): Promise<void> {
  await once(socket, (redis) => redis.shutdown());
  const giveUp = Date.now() + stopWithinMs;
  while (await answers(socket)) {
    if (Date.now() > giveUp)
      throw new OpsError('store-unavailable', `The Redis that was left running on ${socket} does not end.`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** One command on a connection of its own that never retries; undefined when nobody answers. */
async function once<T>(socket: string, command: (redis: Redis) => Promise<T>): Promise<T | undefined> {
  const redis = new Redis({
    path: socket,
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    commandTimeout: 2_000,
  });
  redis.on('error', () => {});
  try {
    await redis.connect();
    return await command(redis);
  } catch {
    return undefined;
  } finally {
    redis.disconnect();
  }
}
