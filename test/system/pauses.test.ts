/**
 * Redis goes away and comes back from its append-only file, and the program stands still for longer than its lease:
 * nothing is acknowledged that was not kept, what ran ran once, and all goes on. CHECK_DEEP=1 waits the real times.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect } from '../../src/backends/redis/client.ts';
import { until } from '../contract/until.ts';
import { recordingLogger } from '../fakes/logger.ts';
import { needs } from '../needs.ts';
import { programPath } from '../system-packages.mjs';
import { patienceMs } from './program.ts';
import { kill, newId, newRecorder, patiently, type Recorder } from './recorder.ts';

const limit = 240_000;
const deep = process.env.CHECK_DEEP === '1';
const goneMs = deep ? 60_000 : 1_000;
/** A lease is five seconds, and BullMQ's lock as well. */
const pauseMs = 12_000;

needs(
  'redis-server',
  'sshd',
  'dash',
)('a Redis of its own and a program', () => {
  let recorder: Recorder;
  let port: number;
  let redis: ChildProcess;
  beforeAll(async () => {
    port = await freePort();
    recorder = await newRecorder({ env: { REDIS_URL: `redis://127.0.0.1:${port}` } });
    redis = await startRedis(recorder, port);
    await recorder.start();
  }, limit);
  afterAll(async () => {
    kill(redis?.pid, 'SIGKILL');
    await recorder?.close();
  }, limit);

  const asked = async (tag: string, host: string, command: 'record' | 'record_slow' = 'record') => {
    const { thread } = await recorder.ask({ id: newId(), command, tag, host });
    return { thread, card: await recorder.card(thread) };
  };

  it(
    `go on when it was gone for ${goneMs / 1000} s: nothing was acknowledged meanwhile, a running change ran once`,
    async () => {
      const open = await asked('open', 'web-1');
      const running = await asked('running', 'web-2', 'record_slow');
      await recorder.press('ada', running.card);
      await until('it to run', () => recorder.ran('running').length === 1, patienceMs);
      kill(redis.pid, 'SIGKILL');

      const id = newId();
      const again = { id, command: 'record', host: 'web-3', params: { tag: 'meanwhile' } };
      const [request, click] = await Promise.all([
        recorder.as('owner', '/api/run', again),
        recorder.as('ada', '/api/decide', {
          approval: open.card.approvalId,
          verdict: 'approve',
          digest: open.card.digest,
          id: newId(),
        }),
      ]);
      for (const { status, body } of [request, click]) {
        expect(status).toBe(503);
        expect(JSON.stringify(body)).toContain('nothing was kept');
      }
      await delay(goneMs);
      redis = await startRedis(recorder, port);

      const told = await patiently('the end', () => recorder.ended(running.thread));
      expect(told.call?.outcome).toBe('exit 0');
      expect(recorder.ran('running')).toHaveLength(1);
      // The click that was refused counts for nothing; pressed again it does.
      expect((await recorder.card(open.thread)).verdict).toBe('pending');
      expect(recorder.ran('open')).toEqual([]);
      expect(await recorder.press('ada', open.card)).toMatchObject({ kind: 'counted' });
      expect((await recorder.ended(open.thread)).call?.outcome).toBe('exit 0');
      // The same request, sent again, is taken in, once.
      expect(await recorder.as('owner', '/api/run', again)).toMatchObject({ status: 200 });
      expect(recorder.ran('open')).toHaveLength(1);
    },
    limit,
  );

  it.runIf(deep)(
    `go on when the program stood still for ${pauseMs / 1000} s, longer than its lease, while a change ran`,
    async () => {
      const { thread, card } = await asked('paused', 'web-4', 'record_slow');
      const { program } = recorder.pids();
      await recorder.press('ada', card);
      await until('it to run', () => recorder.ran('paused').length === 1, patienceMs);

      kill(program, 'SIGSTOP');
      await delay(pauseMs);
      kill(program, 'SIGCONT');

      expect((await recorder.ended(thread)).call?.outcome).toBe('exit 0');
      expect(recorder.ran('paused')).toHaveLength(1);
      expect(recorder.pids().program).toBe(program);
    },
    limit,
  );
});

/** With an append-only file, as docs ask for; on loopback. */
async function startRedis({ program }: Recorder, port: number): Promise<ChildProcess> {
  const dir = join(program.dir, 'own-redis');
  mkdirSync(dir, { recursive: true });
  const child = spawn(
    programPath('redis-server') ?? '',
    ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, '--appendonly', 'yes', '--save', ''],
    { stdio: 'ignore', cwd: dir },
  );
  const probe = connect({ url: `redis://127.0.0.1:${port}` }, recordingLogger());
  try {
    await until('redis to answer', async () => (await probe.ping().catch(() => '')) === 'PONG', patienceMs);
  } finally {
    probe.disconnect();
  }
  return child;
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
