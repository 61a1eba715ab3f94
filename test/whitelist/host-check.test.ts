import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createTailnet } from '../../src/backends/tailnet/client.ts';
import type { Host } from '../../src/core/command.ts';
import { createHostCheck, type HostCheck } from '../../src/whitelist/host-check.ts';
import { until } from '../contract/until.ts';
import { recordingLogger } from '../fakes/logger.ts';
import { needs } from '../needs.ts';
import { makeKey, type Sshd, startSshd } from '../twins/sshd.ts';
import { startTailscaled, type Tailscaled } from '../twins/tailscaled.ts';

needs('sshd')('a check of a host', () => {
  let sshd: Sshd;
  let silent: Server;
  let tailscaled: Tailscaled;
  let checks: HostCheck | undefined;
  let finished: string[] = [];
  const held: Socket[] = [];
  const clock = { now: () => Date.now() };
  beforeAll(async () => {
    sshd = await startSshd();
    tailscaled = await startTailscaled();
    silent = createServer((socket) => held.push(socket.on('error', () => {})));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    silent.close();
    await sshd.stop();
    await tailscaled.stop();
  });
  beforeEach(() => {
    tailscaled.set({ peers: [] });
    finished = [];
  });

  const checkAll = async (hosts: readonly Host[], timeoutMs = 5_000) => {
    const tailnet = createTailnet({ socket: tailscaled.socket, programs: [], clock, keepMs: 0 });
    checks = createHostCheck({ tailnet, hosts, clock, logger: recordingLogger(), timeoutMs });
    const found = await Promise.all(
      hosts.map(async (host) => {
        const checked = await checks?.check(host);
        finished.push(host.name);
        return checked;
      }),
    );
    checks.close();
    return found;
  };
  const check = async (host: Host, timeoutMs?: number) => (await checkAll([host], timeoutMs))[0];
  const silentPort = () => {
    const address = silent.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  };

  it('is fine all the way where the login runs a command', async () => {
    expect(await check(sshd.host())).toEqual({
      reached: 'ok',
      key: 'ok',
      login: 'ok',
      hostKey: sshd.hostKeySha256,
      ms: expect.any(Number),
    });
  });

  it('stops at the way: a closed port, a host that says nothing', async () => {
    const closed = await check(sshd.host({ port: 1 }));
    const hanging = await check(sshd.host({ port: silentPort() }), 300);

    expect(closed).toMatchObject({ reached: 'failed', key: 'untried', login: 'untried' });
    expect(closed?.problem).toContain('refused the connection');
    expect(hanging).toMatchObject({ reached: 'failed', key: 'untried', login: 'untried' });
  });

  it('stops at the key: unknown, or another than the pinned one, and no login is tried', async () => {
    const before = sshd.log().length;
    const unknown = await check(sshd.host({ hostKey: { kind: 'known-hosts', file: '/nonexistent' } }));
    const sha256 = `SHA256:${'A'.repeat(43)}`;
    const other = await check(sshd.host({ hostKey: { kind: 'fingerprint', sha256 } }));

    expect(unknown).toMatchObject({ reached: 'ok', key: 'failed', login: 'untried' });
    expect(unknown?.problem).toContain('opsagent hosts trust web-1');
    expect(other).toMatchObject({ reached: 'ok', key: 'failed', login: 'untried' });
    expect(other?.problem).toContain(`pinned ${sha256}`);
    expect(sshd.log().slice(before)).not.toMatch(/Accepted|authenticating user/);
  });

  it('stops at the login: a key that is refused, one that cannot be read, a shell that runs nothing', async () => {
    const refused = await check(sshd.host({ keyFile: makeKey(join(sshd.dir, 'stranger')) }));
    const unreadable = await check(sshd.host({ keyFile: '/nonexistent/key' }));
    const shell = await startSshd({ config: ['ForceCommand /bin/false'] });
    const useless = await check(shell.host());
    await shell.stop();

    expect(refused).toMatchObject({ reached: 'ok', key: 'ok', login: 'failed' });
    expect(unreadable).toMatchObject({ login: 'failed' });
    expect(unreadable?.problem).toContain('cannot be read');
    expect(useless).toMatchObject({ reached: 'ok', key: 'ok', login: 'failed' });
    expect(useless?.problem).toContain('look at the login shell');
  });

  it('asks nothing of a host that the tailnet says is offline', async () => {
    tailscaled.set({ peers: [{ HostName: 'web-1', address: '127.0.0.1', Online: false }] });
    const before = sshd.log().length;

    const checked = await check(sshd.host());

    expect(checked).toMatchObject({ reached: 'untried', key: 'untried', login: 'untried' });
    expect(checked?.problem).toBe('web-1 (127.0.0.1) is offline in the tailnet');
    expect(sshd.log().slice(before)).not.toContain('Connection from');
  });

  it('takes the key from the tailnet where the inventory leaves it to that', async () => {
    const host = sshd.host({ hostKey: { kind: 'tailnet' } });
    tailscaled.set({
      peers: [{ HostName: 'web-1', address: '127.0.0.1', sshHostKeys: [sshd.hostKeyLine] }],
    });
    expect(await check(host)).toMatchObject({ key: 'ok', login: 'ok' });

    tailscaled.set({ peers: [{ HostName: 'web-1', address: '127.0.0.1' }] });
    expect(await check(host)).toMatchObject({ reached: 'ok', key: 'failed', login: 'untried' });
  });

  it('goes through a jump host, and says so when that one is dead', async () => {
    const gateway = sshd.host({ name: 'gateway' });
    const behind = sshd.host({ name: 'behind', jump: 'gateway' });
    const [, good] = await checkAll([gateway, behind]);
    const [, bad] = await checkAll([{ ...gateway, port: 1 }, behind]);

    expect(good?.problem).toBeUndefined();
    expect(good).toMatchObject({ reached: 'ok', key: 'ok', login: 'ok' });
    expect(bad).toMatchObject({ reached: 'failed', key: 'untried' });
    expect(bad?.problem).toContain('through gateway');
  });

  it('is done with a dozen good hosts before one that hangs is given up', async () => {
    const good = Array.from({ length: 12 }, (_, i) => sshd.host({ name: `web-${i}` }));

    const hangs = sshd.host({ name: 'hangs', port: silentPort() });
    const checking = checkAll([hangs, ...good], 60_000);
    await until('the good ones', () => finished.length === good.length, 25_000);
    for (const socket of held) socket.destroy();
    const [hanging, ...others] = await checking;

    expect(hanging).toMatchObject({ reached: 'failed', key: 'untried', login: 'untried' });
    expect(others.map((one) => one?.problem)).toEqual(good.map(() => undefined));
    expect(finished.at(-1)).toBe('hangs');
  });
});
