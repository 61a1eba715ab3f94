import { describe, expect, it } from 'vitest';
import type { Host } from '../../src/core/command.ts';
import {
  fingerprintsOf,
  isTailnetAddress,
  listsKey,
  nodeOf,
  nodeProblem,
  type TailnetNode,
  type TailnetStatus,
} from '../../src/core/tailnet.ts';
import { nodeText, tailnetText } from '../../src/core/tailnet-text.ts';

const now = Date.UTC(2026, 0, 10, 12, 0);
const node = (over: Partial<TailnetNode> = {}): TailnetNode => ({
  hostName: 'web-1',
  dnsName: 'web-1.tail1234.ts.net',
  addresses: ['100.64.0.7', 'fd7a:115c:a1e0::7'],
  os: 'linux',
  tags: [],
  online: true,
  expired: false,
  hostKeys: [],
  ...over,
});
const running = (...nodes: TailnetNode[]): TailnetStatus => ({
  kind: 'running',
  tailnet: 'example.org',
  suffix: 'tail1234.ts.net',
  self: node({ dnsName: 'bot.tail1234.ts.net', addresses: ['100.64.0.1'] }),
  nodes,
});
const host = (over: Partial<Host> = {}): Host => ({
  name: 'web-1',
  address: '100.64.0.7',
  port: 22,
  user: 'ops',
  hostKey: { kind: 'tailnet' },
  tags: [],
  tier: 'test',
  ...over,
});

describe('which node a host is', () => {
  it.each([
    '100.64.0.7',
    'fd7a:115c:a1e0:0::7',
    'FD7A:115C:A1E0:0:0:0:0:7',
    'web-1',
    'WEB-1.tail1234.ts.net',
    'web-1.tail1234.ts.net.',
  ])('is found by %s', (address) => {
    expect(nodeOf(running(node()), host({ address }))?.hostName).toBe('web-1');
  });

  it.each(['100.64.0.70', 'web', 'web-1.example.org', '10.0.0.7', 'web-1.tail1234.ts.net.evil.org'])(
    'is not found by %s',
    (address) => {
      expect(nodeOf(running(node()), host({ address }))).toBeUndefined();
    },
  );

  it('is never found by what a machine calls itself', () => {
    const liar = node({ hostName: 'db', dnsName: 'laptop.tail1234.ts.net', addresses: ['100.64.0.66'] });

    expect(nodeOf(running(liar), host({ address: 'db' }))).toBeUndefined();
  });

  it('is our own node for our own address', () => {
    expect(nodeOf(running(), host({ address: 'bot' }))?.addresses).toEqual(['100.64.0.1']);
  });

  it('leaves a bare name behind a jump host to that host, and knows an address there', () => {
    expect(nodeOf(running(node()), host({ address: 'web-1', jump: 'gate' }))).toBeUndefined();
    expect(nodeOf(running(node()), host({ jump: 'gate' }))).toBeDefined();
  });

  it('is none of a tailnet that is down', () => {
    expect(nodeOf({ kind: 'down', state: 'Stopped', problem: '' }, host())).toBeUndefined();
  });
});

describe('what is said of a node', () => {
  it('names nothing wrong with a node that is online', () => {
    expect(nodeProblem(node({ keyExpiry: now + 1 }), host(), now)).toBeUndefined();
  });

  it.each([
    [150_000, '2 minutes ago (2026-01-10 11:57 UTC)'],
    [3600_000 * 5, '5 hours ago (2026-01-10 07:00 UTC)'],
    [86_400_000 * 40, '40 days ago (2025-12-01 12:00 UTC)'],
  ])('tells an offline node %i ms later', (ms, text) => {
    expect(nodeProblem(node({ online: false, lastSeen: now - ms }), host(), now)).toBe(
      `web-1 (100.64.0.7) is offline in the tailnet, last seen ${text}`,
    );
  });

  it('passes over what is no key, so that such a list counts as none', () => {
    const odd = node({ hostKeys: ['', 'ssh-ed25519', 'ssh-ed25519 AAAA', 'x'.repeat(50)] });

    expect(fingerprintsOf(odd)).toEqual([]);
    expect(listsKey(odd, ['SHA256:x'])).toBe(true);
  });

  it('warns of a node key in its last two weeks, and not before', () => {
    expect(nodeText(node({ keyExpiry: now + 9.5 * 86_400_000 }), now)).toContain(
      'node key expires in 9 days',
    );
    expect(nodeText(node({ keyExpiry: now + 14 * 86_400_000 }), now)).not.toContain('expires');
  });

  it('shows hidden characters of names and tags escaped', () => {
    expect(nodeText(node({ tags: ['tag:web\u202e\n'] }), now)).toContain('tag:web\\u202e\\n');
  });

  it('is nothing where there is no tailnet, and the reason where it cannot be told', () => {
    expect(tailnetText({ kind: 'absent', problem: 'none' }, host(), now)).toBeUndefined();
    expect(tailnetText({ kind: 'failed', problem: 'it hangs' }, host(), now)).toBe('Tailnet: it hangs.');
    expect(tailnetText(running(), host(), now)).toBe('Tailnet: web-1 is not one of its nodes.');
    expect(tailnetText(running(node({ tags: ['tag:web'] })), host(), now)).toBe(
      'Tailnet: web-1 is online, tag:web, 100.64.0.7 fd7a:115c:a1e0::7.',
    );
  });

  it.each([
    ['100.64.0.1', true],
    ['100.127.255.255', true],
    ['100.128.0.1', false],
    ['100.63.0.1', false],
    ['fd7a:115c:a1e0::1', true],
    ['web.tail1.ts.net', true],
    ['10.0.0.1', false],
    ['localhost', false],
  ])('knows whether %s is an address of a tailnet: %s', (address, yes) => {
    expect(isTailnetAddress(address)).toBe(yes);
  });
});
