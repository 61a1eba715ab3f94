import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createTailnet } from '../../src/backends/tailnet/client.ts';
import type { Host } from '../../src/core/command.ts';
import { createSshRunner } from '../../src/whitelist/ssh/runner.ts';
import { guardByTailnet, tailnetKeysFrom } from '../../src/whitelist/tailnet-guard.ts';
import { renderedCommand } from '../contract/command-runner.ts';
import { recordingLogger } from '../fakes/logger.ts';
import { needs } from '../needs.ts';
import { type Sshd, startSshd } from '../twins/sshd.ts';
import { type Peer, startTailscaled, type Tailscaled } from '../twins/tailscaled.ts';

const OTHER_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJCtyGlhn8Xqjwd6zRkEFUkbpCh8XN4JGRlb9q2hZk6f';

needs('sshd')('a runner guarded by the tailnet', () => {
  let sshd: Sshd;
  let tailscaled: Tailscaled;
  let runner: ReturnType<typeof createSshRunner>;
  let dialled = 0;
  const logger = recordingLogger();
  const clock = { now: () => Date.now() };
  beforeAll(async () => {
    sshd = await startSshd();
    tailscaled = await startTailscaled();
    // Every connection is a new one, so that the server's log tells each.
    runner = createSshRunner({ clock, logger, idleMs: 0 });
  });
  afterAll(async () => {
    await runner.close();
    await sshd.stop();
    await tailscaled.stop();
  });
  beforeEach(() => {
    dialled = connections();
    tailscaled.set({ state: 'Running', behaviour: 'answers', peers: [] });
  });

  const connections = () => sshd.log().split('Connection from').length;
  const web = (over: Partial<Peer> = {}): Peer => ({ HostName: 'web-1', address: '127.0.0.1', ...over });
  const tailnet = (socket = tailscaled.socket) =>
    createTailnet({ socket, programs: [], clock, timeoutMs: 200, keepMs: 0 });
  const run = async (host: Host, { hosts = [host], socket = tailscaled.socket } = {}) => {
    const guarded = guardByTailnet(runner, { tailnet: tailnet(socket), hosts, clock, logger });
    const { end } = await guarded.run(renderedCommand({}), host, new AbortController().signal);
    return end.kind === 'unreachable' ? end.problem : end;
  };
  const nothingDialled = () => expect(connections()).toBe(dialled);

  it('runs on a host that is online and lists the pinned key', async () => {
    tailscaled.set({ peers: [web({ sshHostKeys: [OTHER_KEY, sshd.hostKeyLine] })] });

    expect(await run(sshd.host())).toEqual({ kind: 'exited', code: 0 });
    expect(connections()).toBe(dialled + 1);
  });

  it('refuses a host that is offline, with when it was last seen, before a connection is made', async () => {
    const LastSeen = new Date(Date.now() - 3 * 3600_000).toISOString();
    tailscaled.set({ peers: [web({ Online: false, LastSeen })] });

    const problem = await run(sshd.host());

    expect(problem).toBe(
      `web-1 (127.0.0.1) is offline in the tailnet, last seen 3 hours ago (${LastSeen.slice(0, 16).replace('T', ' ')} UTC)`,
    );
    nothingDialled();
  });

  it('refuses a host whose node key has expired, said by tailscaled or by the time', async () => {
    tailscaled.set({ peers: [web({ Expired: true })] });
    expect(await run(sshd.host())).toContain('has expired');

    tailscaled.set({ peers: [web({ KeyExpiry: '2025-01-02T03:04:05Z' })] });
    expect(await run(sshd.host())).toContain('has expired on 2025-01-02');
    nothingDialled();
  });

  it('refuses a re-keyed host with both fingerprints, though sshd would show the pinned key', async () => {
    tailscaled.set({ peers: [web({ sshHostKeys: [OTHER_KEY] })] });

    const problem = await run(sshd.host());

    expect(problem).toContain(`pinned ${sshd.hostKeySha256}, the tailnet lists SHA256:`);
    expect(`${problem}`.match(/SHA256:/g)).toHaveLength(2);
    nothingDialled();
  });

  it('compares the keys of a known_hosts file too, and runs when one of them is listed', async () => {
    const file = join(sshd.dir, 'known_hosts');
    writeFileSync(file, `[127.0.0.1]:${sshd.port} ${sshd.hostKeyLine}\n`);
    const host = sshd.host({ hostKey: { kind: 'known-hosts', file } });

    tailscaled.set({ peers: [web({ sshHostKeys: [OTHER_KEY] })] });
    expect(await run(host)).toContain(`known ${sshd.hostKeySha256}, the tailnet lists SHA256:`);
    nothingDialled();

    tailscaled.set({ peers: [web({ sshHostKeys: [sshd.hostKeyLine] })] });
    expect(await run(host)).toEqual({ kind: 'exited', code: 0 });
  });

  it('leaves a host with no known key to the strict check of SSH', async () => {
    tailscaled.set({ peers: [web({ sshHostKeys: [OTHER_KEY] })] });

    const problem = await run(sshd.host({ hostKey: { kind: 'known-hosts', file: '/nonexistent' } }));

    expect(problem).toMatch(/is not known in \/nonexistent/);
    nothingDialled();
  });

  it('does not ask a refused host what became of an earlier command: its outcome stays unknown', async () => {
    tailscaled.set({ peers: [web({ Online: false })] });
    const host = sshd.host();
    const guarded = guardByTailnet(runner, { tailnet: tailnet(), hosts: [host], clock, logger });

    const result = await guarded.collect('call-1', renderedCommand({}), host, new AbortController().signal);

    expect(result?.end).toEqual({
      kind: 'lost',
      problem: 'web-1 (127.0.0.1) is offline in the tailnet',
    });
    nothingDialled();
  });

  it('refuses a host behind a jump host that is offline', async () => {
    tailscaled.set({ peers: [{ HostName: 'gateway', address: '100.64.0.9', Online: false }] });
    const gateway = sshd.host({ name: 'gateway', address: 'gateway' });
    const host = sshd.host({ jump: 'gateway' });

    expect(await run(host, { hosts: [gateway, host] })).toBe(
      'the jump host of web-1: gateway (gateway) is offline in the tailnet',
    );
    nothingDialled();
  });

  it('changes nothing for a host that is not in the tailnet', async () => {
    tailscaled.set({ peers: [{ HostName: 'db', address: '100.64.0.8', Online: false }] });

    expect(await run(sshd.host())).toEqual({ kind: 'exited', code: 0 });
  });

  it('changes nothing where there is no tailscaled, and where it is not connected', async () => {
    expect(await run(sshd.host(), { socket: '/nonexistent/tailscaled.sock' })).toEqual({
      kind: 'exited',
      code: 0,
    });
    tailscaled.set({ state: 'NeedsLogin' });
    expect(await run(sshd.host())).toEqual({ kind: 'exited', code: 0 });
  });

  it('goes on to SSH with a logged warning where tailscaled hangs or talks nonsense', async () => {
    for (const behaviour of ['hangs', { says: 'nonsense' }] as const) {
      tailscaled.set({ behaviour });

      expect(await run(sshd.host())).toEqual({ kind: 'exited', code: 0 });
      expect(logger.lines.at(-1)).toMatchObject({ message: 'tailnet status not known' });
    }
  });

  it('says that our own tailscaled is stopped when a tailnet address cannot be reached', async () => {
    tailscaled.set({ state: 'Stopped' });
    const quick = createSshRunner({ clock, logger, connectTimeoutMs: 100 });
    const host = sshd.host({ address: '100.127.255.254' });
    const guarded = guardByTailnet(quick, { tailnet: tailnet(), hosts: [host], clock, logger });

    const { end } = await guarded.run(renderedCommand({}), host, new AbortController().signal);
    await guarded.close();

    expect(end).toMatchObject({ kind: 'unreachable', problem: expect.stringContaining('`tailscale up`') });
  });

  it('gives the keys of a node to whoever checks them, and a reason where there are none', async () => {
    const keys = tailnetKeysFrom(tailnet());
    const host = sshd.host({ hostKey: { kind: 'tailnet' } });

    tailscaled.set({ peers: [web({ sshHostKeys: ['nonsense', sshd.hostKeyLine] })] });
    expect(await keys(host)).toEqual({
      ok: true,
      keys: [Buffer.from(sshd.hostKeyLine.split(' ')[1] ?? '', 'base64')],
    });
    tailscaled.set({ peers: [web()] });
    expect(await keys(host)).toEqual({ ok: true, keys: [] });
    tailscaled.set({ peers: [] });
    expect(await keys(host)).toMatchObject({ ok: false, problem: expect.stringContaining('no node with') });
    tailscaled.set({ state: 'Stopped' });
    expect(await keys(host)).toMatchObject({ ok: false, problem: expect.stringContaining('not connected') });
  });
});
