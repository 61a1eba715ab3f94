import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { connect } from '../../../src/backends/redis/client.ts';
import { startEmbeddedRedis } from '../../../src/backends/redis/embedded.ts';
import { until } from '../../contract/until.ts';
import { recordingLogger } from '../../fakes/logger.ts';
import { needs } from '../../needs.ts';

needs('redis-server')('the embedded redis', () => {
  const logger = recordingLogger();
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'opsagent-embedded-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('keeps what was written over a stop, in a folder and on a socket for its owner alone', async () => {
    const first = await startEmbeddedRedis(dir, logger);
    const client = connect({ socket: first.socket }, logger);
    await client.set('kept', 'yes');
    client.disconnect();
    await first.stop();

    const second = await startEmbeddedRedis(dir, logger);
    const again = connect({ socket: second.socket }, logger);
    expect(await again.get('kept')).toBe('yes');
    expect(statSync(join(dir, 'redis')).mode & 0o777).toBe(0o700);
    expect(statSync(second.socket).mode & 0o777).toBe(0o700);
    again.disconnect();
    await second.stop();
  });

  it('listens on no port and never evicts', async () => {
    const redis = await startEmbeddedRedis(dir, logger);
    const client = connect({ socket: redis.socket }, logger);

    expect(await client.config('GET', 'port')).toEqual(['port', '0']);
    expect(await client.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
    client.disconnect();
    await redis.stop();
  });

  it('is told nothing of our environment but where programs are: the tokens are in the rest', async () => {
    const redis = await startEmbeddedRedis(dir, logger);
    const client = connect({ socket: redis.socket }, logger);
    const pid = /process_id:(\d+)/.exec(await client.info('server'))?.[1];
    const parent = /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];

    // Redis writes over its own to name itself; the shell that keeps it shows what both were given, and adds its place.
    const variables = [pid, parent].flatMap((process) =>
      readFileSync(`/proc/${process}/environ`, 'utf8').split('\0'),
    );
    const names = variables.map((variable) => variable.replace(/=.*/s, ''));
    expect(names.filter((name) => name !== '' && name !== 'PWD')).toEqual(['PATH']);
    client.disconnect();
    await redis.stop();
  });

  it('ends one that was left running and takes over its data', async () => {
    const left = join(dir, 'redis', 'redis.sock');
    mkdirSync(join(dir, 'redis'));
    const settings = [
      '--port',
      '0',
      '--unixsocket',
      left,
      '--dir',
      join(dir, 'redis'),
      '--appendonly',
      'yes',
    ];
    const orphan = spawn('redis-server', settings, { stdio: 'ignore' });
    const before = connect({ socket: left }, logger);
    await until('the orphan to answer', () =>
      before.set('kept', 'yes').then(
        () => true,
        () => false,
      ),
    );
    before.disconnect();

    const redis = await startEmbeddedRedis(dir, logger);

    expect(redis).toMatchObject({ takenOver: true, socket: left });
    await until('the orphan to end', () => orphan.exitCode !== null);
    const after = connect({ socket: left }, logger);
    expect(await after.get('kept')).toBe('yes');
    after.disconnect();
    await redis.stop();
  });

  it('clears a socket that nobody answers on', async () => {
    mkdirSync(join(dir, 'redis'));
    spawnSync('node', [
      '-e',
      `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 9))`,
      join(dir, 'redis', 'redis.sock'),
    ]);
    expect(existsSync(join(dir, 'redis', 'redis.sock'))).toBe(true);

    const redis = await startEmbeddedRedis(dir, logger);

    expect(redis.takenOver).toBe(false);
    await redis.stop();
  });

  it('puts its socket elsewhere when the path would be too long for one', async () => {
    const deep = join(dir, 'd'.repeat(90));
    mkdirSync(deep);

    const redis = await startEmbeddedRedis(deep, logger);

    expect(Buffer.byteLength(redis.socket)).toBeLessThan(104);
    await redis.stop();
  });
});
