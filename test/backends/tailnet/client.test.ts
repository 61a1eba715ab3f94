import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTailnet } from '../../../src/backends/tailnet/client.ts';
import { fixedClock } from '../../fakes/fixed-clock.ts';
import { startTailscaled, type Tailscaled } from '../../twins/tailscaled.ts';

describe('what tailscaled says', () => {
  let tailscaled: Tailscaled;
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'opsagent-tailscale-cli-'));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  afterEach(async () => {
    await tailscaled?.stop();
  });

  const asking = (over: { socket?: string; programs?: readonly string[] } = {}) => {
    const clock = fixedClock();
    const tailnet = createTailnet({
      socket: tailscaled.socket,
      programs: [],
      clock,
      timeoutMs: 300,
      ...over,
    });
    return { tailnet, clock };
  };
  const program = (name: string, script: string): string => {
    const file = join(dir, name);
    writeFileSync(file, `#!/bin/sh\n${script}\n`);
    chmodSync(file, 0o755);
    return file;
  };

  it('tells nodes with their names, addresses, tags, keys and times', async () => {
    tailscaled = await startTailscaled([
      { HostName: 'Web-1', address: '100.64.0.7', Tags: ['tag:web'], KeyExpiry: '2026-03-01T00:00:00Z' },
      { HostName: 'db', address: '100.64.0.8', Online: false, LastSeen: '2026-01-02T03:04:05Z' },
      { HostName: 'old', address: '100.64.0.9', Expired: true, sshHostKeys: ['ssh-ed25519 AAAA'] },
    ]);

    const status = await asking().tailnet.status();

    expect(status).toMatchObject({ kind: 'running', tailnet: 'example.org', suffix: 'tail1234.ts.net' });
    if (status.kind !== 'running') return;
    expect(status.self).toMatchObject({ hostName: 'bot', tags: ['tag:opsagent'] });
    expect(status.nodes[0]).toEqual({
      hostName: 'Web-1',
      dnsName: 'web-1.tail1234.ts.net',
      addresses: ['100.64.0.7', 'fd7a:115c:a1e0::2'],
      os: 'linux',
      tags: ['tag:web'],
      online: true,
      keyExpiry: Date.parse('2026-03-01T00:00:00Z'),
      expired: false,
      hostKeys: [],
    });
    expect(status.nodes[1]).toMatchObject({ online: false, lastSeen: Date.parse('2026-01-02T03:04:05Z') });
    expect(status.nodes[2]).toMatchObject({ expired: true, hostKeys: ['ssh-ed25519 AAAA'] });
  });

  it.each([
    ['NeedsLogin', 'tailscale up'],
    ['Stopped', 'tailscale up'],
    ['NeedsMachineAuth', 'approve this machine'],
    ['Starting', 'wait'],
  ])('is down while its backend is in state %s, with what to do', async (state, remedy) => {
    tailscaled = await startTailscaled();
    tailscaled.set({ state });

    const status = await asking().tailnet.status();

    expect(status).toMatchObject({ kind: 'down', state });
    expect('problem' in status && status.problem).toContain(remedy);
  });

  it.each([
    ['text that is no JSON', { says: 'hello' }, /no JSON/],
    [
      'another form',
      { says: '{"BackendState":"Running","Peer":{"k":{"Online":"yes"}}}' },
      /unknown form at Peer/,
    ],
    ['an empty object', { says: '{}' }, /unknown form at BackendState/],
    ['no answer', 'hangs', /did not answer within 0\.3 s/],
    ['a refusal', 'refuses', /HTTP 403/],
    ['half an answer', 'cuts', /ended the conversation/],
  ] as const)('fails in a sentence for %s', async (_, behaviour, problem) => {
    tailscaled = await startTailscaled();
    tailscaled.set({ behaviour });

    const status = await asking().tailnet.status();

    expect(status).toMatchObject({ kind: 'failed', problem: expect.stringMatching(problem) });
  });

  it('is absent where there is neither socket nor program', async () => {
    tailscaled = await startTailscaled();

    const status = await asking({
      socket: '/nonexistent/tailscaled.sock',
      programs: ['/nonexistent/tailscale'],
    }).tailnet.status();

    expect(status).toEqual({
      kind: 'absent',
      problem: 'there is no tailscaled on this machine (no socket /nonexistent/tailscaled.sock)',
    });
  });

  it('is absent where a stopped tailscaled left its socket behind', async () => {
    tailscaled = await startTailscaled();
    const { tailnet } = asking({ socket: join(dir, 'left.sock') });
    writeFileSync(join(dir, 'left.sock'), '');

    expect(await tailnet.status()).toMatchObject({ kind: 'absent' });
  });

  it('asks `tailscale status --json` where there is no socket, whatever it exits with', async () => {
    tailscaled = await startTailscaled([{ HostName: 'web-1', address: '100.64.0.7' }]);
    writeFileSync(join(dir, 'status.json'), tailscaled.status());
    const file = program('tailscale', `[ "$*" = "status --json" ] && cat ${dir}/status.json; exit 1`);

    const status = await asking({
      socket: '/nonexistent/sock',
      programs: ['/nonexistent/tailscale', file],
    }).tailnet.status();

    expect(status).toMatchObject({ kind: 'running', nodes: [{ hostName: 'web-1' }] });
  });

  it('gives a program that hangs no more time than the socket', async () => {
    tailscaled = await startTailscaled();
    const file = program('hanging', 'exec sleep 60');

    const status = await asking({ socket: '/nonexistent/sock', programs: [file] }).tailnet.status();

    expect(status).toMatchObject({ kind: 'failed', problem: expect.stringContaining('within 0.3 s') });
  });

  it('is asked once by callers at the same time, and again only after some seconds', async () => {
    tailscaled = await startTailscaled();
    const { tailnet, clock } = asking();

    await Promise.all([tailnet.status(), tailnet.status(), tailnet.status()]);
    await tailnet.status();
    expect(tailscaled.asked()).toBe(1);
    clock.advance(3_000);
    tailscaled.set({ state: 'Stopped' });

    expect(await tailnet.status()).toMatchObject({ kind: 'down' });
    expect(tailscaled.asked()).toBe(2);
  });
});
