import { spawnSync } from 'node:child_process';
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

  it('takes over one that still answers, and ends it at its stop', async () => {
    const left = await startEmbeddedRedis(dir, logger);

    const taken = await startEmbeddedRedis(dir, logger);
    expect(taken).toMatchObject({ adopted: true, socket: left.socket });
    await taken.stop();

    const fresh = await startEmbeddedRedis(dir, logger);
    expect(fresh.adopted).toBe(false);
    await fresh.stop();
    await left.stop();
  });

  it('starts it again when it was ended by somebody else, with all that it had on disk', async () => {
    const redis = await startEmbeddedRedis(dir, logger);
    const client = connect({ socket: redis.socket }, logger);
    await client.set('kept', 'yes');
    await client.bgrewriteaof();
    await until('the file to be written', async () =>
      (await client.info('persistence')).includes('aof_rewrite_in_progress:0'),
    );
    const pid = async () => /process_id:(\d+)/.exec(await client.info('server'))?.[1];
    const first = Number(await pid());

    process.kill(first, 'SIGKILL');

    await until('another one', async () => Number(await pid().catch(() => first)) !== first, 10_000);
    expect(await client.get('kept')).toBe('yes');
    client.disconnect();
    await redis.stop();
    expect(existsSync(redis.socket)).toBe(false);
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

    expect(redis.adopted).toBe(false);
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
