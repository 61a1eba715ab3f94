import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2, { type Client, type ConnectConfig } from 'ssh2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Loopback, newKey, startLoopback } from '../../src/whitelist/loopback.ts';

describe('the loopback SSH server', () => {
  const dir = mkdtempSync(join(tmpdir(), 'opsagent-loopback-'));
  let loopback: Loopback;
  beforeAll(async () => {
    loopback = await startLoopback({ dir: join(dir, 'keys'), shell: '/bin/sh' });
  });
  afterAll(async () => {
    await loopback.stop();
    rmSync(dir, { recursive: true });
  });

  const connect = (over: ConnectConfig = {}): Promise<Client> =>
    new Promise((resolve, reject) => {
      const client = new ssh2.Client();
      client.once('ready', () => resolve(client));
      client.on('error', reject);
      client.connect({
        host: '127.0.0.1',
        port: loopback.port,
        username: loopback.user,
        privateKey: readFileSync(loopback.clientKeyFile),
        hostVerifier: () => true,
        ...over,
      });
    });
  const failure = (act: (done: (error?: Error | null) => void) => void): Promise<string> =>
    new Promise((resolve) => act((error) => resolve(error ? error.message : 'allowed')));
  const exec = (
    client: Client,
    line: string,
  ): Promise<{ code: number | null; signal: string | undefined; out: string }> =>
    new Promise((resolve, reject) => {
      client.exec(line, (error, channel) => {
        if (error) return reject(error);
        let out = '';
        let end: { code: number | null; signal: string | undefined } = { code: null, signal: undefined };
        channel.on('data', (chunk: Buffer) => {
          out += chunk;
        });
        channel.stderr.resume();
        channel.once('exit', (code: number | null, signal?: string) => {
          end = { code, signal };
        });
        channel.once('close', () => resolve({ ...end, out }));
      });
    });

  it('keeps its keys over a restart, readable by their owner alone', async () => {
    const keys = join(dir, 'keys');
    const client = readFileSync(loopback.clientKeyFile, 'utf8');

    const second = await startLoopback({ dir: keys, shell: '/bin/sh' });

    expect(second.hostKeySha256).toBe(loopback.hostKeySha256);
    expect(readFileSync(second.clientKeyFile, 'utf8')).toBe(client);
    expect(statSync(keys).mode & 0o777).toBe(0o700);
    expect(statSync(second.clientKeyFile).mode & 0o777).toBe(0o600);
    await second.stop();
  });

  it('runs lines in the shell and reports exit status and signal', async () => {
    const client = await connect();

    expect(await exec(client, 'echo hi; exit 7')).toEqual({ code: 7, signal: undefined, out: 'hi\n' });
    expect(await exec(client, 'kill -9 $$')).toMatchObject({ code: null, signal: 'SIGKILL' });
    client.end();
  });

  it('lets in nobody but the one key, under the one name', async () => {
    const stranger = newKey();

    await expect(connect({ privateKey: stranger })).rejects.toThrow('authentication methods failed');
    await expect(connect({ username: 'somebody-else' })).rejects.toThrow('authentication methods failed');
    await expect(connect({ authHandler: ['none'] })).rejects.toThrow('authentication methods failed');
    await expect(connect({ password: 'x', authHandler: ['password'] })).rejects.toThrow(
      'authentication methods failed',
    );
  });

  it('refuses everything but commands', async () => {
    const client = await connect();

    expect(await failure((done) => client.shell((error) => done(error)))).not.toBe('allowed');
    expect(await failure((done) => client.sftp((error) => done(error)))).not.toBe('allowed');
    expect(await failure((done) => client.subsys('netconf', (error) => done(error)))).not.toBe('allowed');
    expect(await failure((done) => client.exec('true', { pty: true }, (error) => done(error)))).not.toBe(
      'allowed',
    );
    expect(
      await failure((done) => client.forwardOut('127.0.0.1', 0, '127.0.0.1', 22, (error) => done(error))),
    ).not.toBe('allowed');
    expect(await failure((done) => client.forwardIn('127.0.0.1', 0, (error) => done(error)))).not.toBe(
      'allowed',
    );
    client.end();
  });

  it('gives commands a bare environment, whatever the client sends', async () => {
    const client = await connect();
    const out = await new Promise<string>((resolve, reject) => {
      client.exec('env', { env: { LD_PRELOAD: '/evil.so' } }, (error, channel) => {
        if (error) return reject(error);
        let text = '';
        channel.on('data', (chunk: Buffer) => {
          text += chunk;
        });
        channel.once('close', () => resolve(text));
      });
    });

    expect(
      out
        .split('\n')
        .map((line) => line.split('=')[0])
        .filter(Boolean)
        .sort(),
    ).toEqual(expect.not.arrayContaining(['LD_PRELOAD', 'NODE_ENV', 'VITEST']));
    expect(out).toContain(`USER=${loopback.user}`);
    client.end();
  });

  it('ends what is still running when it stops', async () => {
    const brief = await startLoopback({ dir: join(dir, 'keys'), shell: '/bin/sh' });
    const client = await connect({ port: brief.port });
    client.on('error', () => {});
    const pid = await new Promise<number>((resolve, reject) => {
      client.exec('echo $$; sleep 331', (error, channel) => {
        if (error) return reject(error);
        channel.once('data', (chunk: Buffer) => resolve(Number(chunk)));
      });
    });
    expect(process.kill(pid, 0)).toBe(true);

    await brief.stop();

    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });
});

describe('a new key', () => {
  it('is one that can be read and used, whatever the generator gives now and then', () => {
    const good = newKey().toString();
    const given = ['', good.replace(/.{8}\n-----END/s, '\n-----END'), good];

    expect(newKey(() => given.shift() ?? '').toString()).toBe(good);
    expect(given).toEqual([]);
    expect(() => newKey(() => 'never a key')).toThrow('no readable SSH key');
  });

  it('is readable a thousand times in a row', () => {
    for (let i = 0; i < 1_000; i++) expect(ssh2.utils.parseKey(newKey())).not.toBeInstanceOf(Error);
  });
});
