import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Host } from '../../../src/core/command.ts';
import { needs } from '../../needs.ts';
import { type SocksOptions, type SocksProxy, startSocksProxy } from '../../twins/socks.ts';
import { type Sshd, startSshd } from '../../twins/sshd.ts';
import { output, testPool } from './pooled.ts';

needs('sshd')('a SOCKS5 proxy', () => {
  let sshd: Sshd;
  const proxies: SocksProxy[] = [];
  const pool = testPool();
  beforeAll(async () => {
    sshd = await startSshd();
  });
  afterAll(async () => {
    pool.close();
    for (const proxy of proxies) await proxy.stop();
    await sshd.stop();
  });

  const start = async (options?: SocksOptions) => {
    const proxy = await startSocksProxy(options);
    proxies.push(proxy);
    return proxy;
  };
  const through = (port: number, over: Partial<Host> = {}): Host =>
    sshd.host({ name: `by-${port}`, proxy: { host: '127.0.0.1', port }, ...over });
  const problemOf = async (options: SocksOptions) => {
    const { port } = await start(options);
    const text = await output(testPool({ connectTimeoutMs: 300 }), through(port, { address: 'web.ts.net' }));
    return text.replaceAll(String(port), 'PORT').replaceAll(String(sshd.port), '22');
  };

  it('resolves the name itself, and carries whole conversations', async () => {
    const { port, asked } = await start({ names: { 'web-1.tail1234.ts.net': '127.0.0.1' } });
    const host = through(port, { address: 'web-1.tail1234.ts.net' });

    const text = await output(pool, host, 'head -c 1000000 /dev/zero | tr "\\0" x');

    expect([text.length, /^x+$/.test(text)]).toEqual([1_000_000, true]);
    expect(asked).toEqual([`web-1.tail1234.ts.net:${sshd.port}`]);
  });

  it('is asked for IPv4 and IPv6 addresses as they are', async () => {
    const { port, asked } = await start({
      names: { 'fd7a:115c:a1e0:0000:0000:0000:0000:0001': '127.0.0.1' },
    });

    expect(await output(pool, through(port))).toBe('here\n');
    expect(await output(pool, through(port, { address: 'fd7a:115c:a1e0::1' }))).toBe('here\n');
    expect(asked).toEqual([`127.0.0.1:${sshd.port}`, `fd7a:115c:a1e0:0000:0000:0000:0000:0001:${sshd.port}`]);
  });

  it('may be what leads to a jump host', async () => {
    const { port, asked } = await start();
    const jumping = testPool({ inventory: [through(port, { name: 'bastion' })] });

    expect(await output(jumping, sshd.host({ jump: 'bastion' }))).toBe('here\n');
    expect(asked).toHaveLength(1);
    jumping.close();
  });

  it('is named when it is down', async () => {
    const proxy = await startSocksProxy();
    await proxy.stop();

    expect(await output(pool, through(proxy.port, { name: 'web-1' }))).toBe(
      `the SOCKS5 proxy 127.0.0.1:${proxy.port}, through which web-1 is reached, refused the connection: is tailscaled, or whatever offers it, running?`,
    );
  });

  const HOST = 'by-PORT (web.ts.net:22)';
  it.each([
    [1, `could not connect to ${HOST}`],
    [2, `does not allow connections to ${HOST}`],
    [3, `has no route to the network of ${HOST}: is the tailnet up there?`],
    [4, `cannot reach ${HOST}: is it online, and its name right?`],
    [5, `says that ${HOST} refused the connection: is sshd running there?`],
    [6, `got no answer from ${HOST} in time`],
    [7, `does not do what is asked for ${HOST}`],
    [8, `does not do what is asked for ${HOST}`],
    [99, `does not do what is asked for ${HOST}`],
  ])('says reply code %d in one sentence', async (reply, sentence) => {
    expect(await problemOf({ reply })).toBe(`the SOCKS5 proxy 127.0.0.1:PORT ${sentence}`);
  });

  it.each([
    ['login', 'wants a login, which is not supported: offer one without'],
    ['silent', `did not answer for ${HOST} within 1 s`],
    ['closes', `ended the connection that was to lead to ${HOST}`],
    ['http', 'does not speak SOCKS5: check its address'],
  ] as const)('that %s is told in one sentence', async (mood, sentence) => {
    expect(await problemOf({ mood })).toBe(`the SOCKS5 proxy 127.0.0.1:PORT ${sentence}`);
  });
});
