/**
 * hosts.yaml: names are ids, nothing is guessed, and one bad file for each rule with its place.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadHosts } from '../../src/config/hosts.ts';
import { problemLine } from '../../src/config/problem.ts';

const around = {
  home: '/home/me',
  knownHostsFile: '/home/me/.ssh/known_hosts',
  passphrases: { WEB_PASSPHRASE: 'open sesame' },
  keyProblem: (file: string) => (file.endsWith('missing') ? 'does not exist' : undefined),
  proxyFor: (address: string) => (address === '100.64.0.1' ? { host: 'localhost', port: 1055 } : undefined),
};
const load = (text: string) => loadHosts('hosts.yaml', text, around);
const host = (more: string, name = 'web-1') =>
  `hosts:\n  - { name: ${name}, address: 10.0.0.1, user: ops${more} }`;
const fingerprint = `SHA256:${'a'.repeat(43)}`;

describe('loadHosts', () => {
  it('reads the shipped file as nothing configured', () => {
    expect(load(readFileSync('config/hosts.yaml', 'utf8'))).toEqual({ hosts: [], problems: [] });
  });

  it('fills in what is not written', () => {
    expect(load(host('')).hosts).toEqual([
      {
        name: 'web-1',
        address: '10.0.0.1',
        port: 22,
        user: 'ops',
        hostKey: { kind: 'known-hosts', file: '/home/me/.ssh/known_hosts' },
        tags: [],
        tier: 'production',
      },
    ]);
  });

  it('reads every key', () => {
    const { hosts, problems } = load(
      host(
        `, port: 2222, key: ~/.ssh/id, passphrase_env: WEB_PASSPHRASE, host_key: "${fingerprint}", path: "/opt/bin:/bin", tags: [web], tier: staging`,
      ),
    );

    expect(problems).toEqual([]);
    expect(hosts[0]).toMatchObject({
      port: 2222,
      keyFile: '/home/me/.ssh/id',
      passphrase: 'open sesame',
      hostKey: { kind: 'fingerprint', sha256: fingerprint },
      path: '/opt/bin:/bin',
      tags: ['web'],
      tier: 'staging',
    });
  });

  it('reads a host of the tailnet: no login, the key the tailnet has, a jump host, a proxy, a gate', () => {
    const { hosts, problems } = load(
      [
        'hosts:',
        '  - { name: a, address: a.tail.ts.net, user: u, auth: none, host_key: tailnet }',
        '  - { name: b, address: b, user: u, jump: a, gate: true }',
        '  - { name: c, address: c, user: u, jump: b2, proxy: none }',
        '  - { name: b2, address: b, user: u, jump: a, gate: false }',
        '  - { name: d, address: "fd7a:115c:a1e0::1", user: u, proxy: "socks5://[::1]:1055" }',
        '  - { name: e, address: e, user: u, proxy: "socks5h://proxy.lan:1080" }',
      ].join('\n'),
    );

    expect(problems).toEqual([]);
    expect(
      hosts.map(({ auth, hostKey, jump, proxy, gate }) => ({
        auth,
        hostKey: hostKey.kind,
        jump,
        proxy,
        gate,
      })),
    ).toEqual([
      { auth: 'none', hostKey: 'tailnet' },
      { hostKey: 'known-hosts', jump: 'a', gate: true },
      { hostKey: 'known-hosts', jump: 'b2' },
      { hostKey: 'known-hosts', jump: 'a' },
      { hostKey: 'known-hosts', proxy: { host: '::1', port: 1055 } },
      { hostKey: 'known-hosts', proxy: { host: 'proxy.lan', port: 1080 } },
    ]);
  });

  it('gives a host the proxy that a variable names for its address, unless it says otherwise', () => {
    const { hosts } = load(
      [
        'hosts:',
        '  - { name: a, address: 100.64.0.1, user: u }',
        '  - { name: b, address: 100.64.0.1, user: u, proxy: none }',
        '  - { name: c, address: 100.64.0.1, user: u, proxy: "socks5://other:1" }',
        '  - { name: d, address: 100.64.0.1, user: u, jump: a }',
        '  - { name: e, address: 10.0.0.1, user: u }',
      ].join('\n'),
    );

    expect(hosts.map(({ proxy }) => proxy?.host)).toEqual([
      'localhost',
      undefined,
      'other',
      undefined,
      undefined,
    ]);
  });

  it('counts a tier that it does not know as production', () => {
    const tiers = ['production', 'staging', 'test', 'development', 'stagging', 'prod'];

    expect(tiers.map((tier) => load(host(`, tier: ${tier}`)).hosts[0]?.tier)).toEqual([
      'production',
      'staging',
      'test',
      'development',
      'production',
      'production',
    ]);
  });

  it('reports every problem of every host at once', () => {
    const text = `${host(', jump: gone, auth: none, key: /missing')}\n  - { name: web-1, address: a, user: b, jump: web-1 }`;

    expect(
      load(text)
        .problems.map(({ rule }) => rule)
        .sort(),
    ).toEqual(['duplicate-name', 'jump-cycle', 'two-logins', 'unknown-jump', 'unreadable-key']);
  });

  it('keeps no passphrase for a role that may not have it', () => {
    const { hosts, problems } = loadHosts(
      'hosts.yaml',
      host(', key: ~/k, passphrase_env: OTHER_PASSPHRASE'),
      {
        ...around,
        passphrases: undefined,
      },
    );

    expect(problems).toEqual([]);
    expect(hosts[0]).not.toHaveProperty('passphrase');
  });

  it.each([
    [host(', adress: x'), 'hosts.yaml:2:50 — unknown-key: adress is not a key here — did you mean address?'],
    [host('', 'DB-1'), 'hosts.yaml:2:13 — bad-value'],
    [
      host('', 'dЬ-1'),
      'hosts.yaml:2:13 — bad-value: hosts[1].name holds "Ь" (U+042C); names are ASCII, so that no two look alike — retype it',
    ],
    [host('', '"db-1\\u200b"'), 'bad-value: hosts[1].name holds U+200B, which cannot be seen'],
    [host('', '"db 1"'), 'bad-value: hosts[1].name holds U+0020, which cannot be seen'],
    [host(', tags: [wеb]'), 'bad-value: hosts[1].tags[1] holds "е" (U+0435)'],
    [
      host(', auth: password'),
      'hosts.yaml:2:56 — bad-value: hosts[1].auth is not a known word — use one of none',
    ],
    [
      host(', auth: none, key: /k'),
      'hosts.yaml:2:56 — two-logins: web-1 has auth: none and a key — keep one',
    ],
    [
      host(', auth: none, gate: true'),
      'hosts.yaml:2:68 — gate-without-key: web-1 has gate: true and auth: none',
    ],
    [host(', gate: maybe'), 'bad-value: hosts[1].gate is text, not true or false'],
    [
      host(', jump: bastion'),
      'hosts.yaml:2:56 — unknown-jump: the jump host bastion is not in this file — add a host',
    ],
    [host(', jump: web-1'), 'hosts.yaml:2:56 — jump-cycle: web-1 is its own jump host — name another host'],
    [
      `${host(', jump: b')}\n  - { name: b, address: b, user: u, jump: c }\n  - { name: c, address: c, user: u, jump: web-1 }`,
      'hosts.yaml:4:43 — jump-cycle: the jump hosts lead in a circle: c → web-1 → b → c — remove one jump of it',
    ],
    [
      `${host(', jump: b')}\n  - { name: b, address: b, user: u, gate: true }`,
      'hosts.yaml:2:56 — jump-through-gate: the login of b runs the gate',
    ],
    [
      `${host(', jump: b, proxy: "socks5://p:1"')}\n  - { name: b, address: b, user: u }`,
      'hosts.yaml:2:66 — two-ways: web-1 has jump and proxy',
    ],
    ...[
      'http://p:1',
      'socks5://p',
      'socks5://p:0',
      'socks5://p:70000',
      'socks5://u:pw@p:1',
      'socks5://[p]:1',
    ].map((proxy): [string, string] => [
      host(`, proxy: "${proxy}"`),
      'bad-value: hosts[1].proxy is not a SOCKS5 proxy',
    ]),
    [host('', 'local'), 'reserved-name'],
    [host('', 'all'), 'reserved-name'],
    [`${host('')}\n  - { name: web-1, address: a, user: b }`, 'hosts.yaml:3:13 — duplicate-name'],
    ['hosts: [{ name: a, address: "-oProxyCommand=x", user: b }]', 'hosts.yaml:1:29 — bad-value'],
    ['hosts: [{ name: a, address: b, user: "-l" }]', 'bad-value'],
    ['hosts: [{ name: a, address: b }]', 'hosts.yaml:1:9 — missing-key: hosts[1].user is missing'],
    [host(', port: 70000'), 'bad-value'],
    [host(', key: id_rsa'), 'begin it with "/" or "~/"'],
    [host(', key: /missing'), 'hosts.yaml:2:55 — unreadable-key: the key /missing does not exist'],
    [host(', key: /k, passphrase_env: SECRET'), 'end it with _PASSPHRASE'],
    [
      host(', key: /k, passphrase_env: NO_PASSPHRASE'),
      'missing-passphrase: the variable NO_PASSPHRASE is not set',
    ],
    [host(', passphrase_env: WEB_PASSPHRASE'), 'passphrase-without-key'],
    [host(', host_key: "SHA256:abc"'), 'bad-value'],
    [host(`, host_key: "${fingerprint}", known_hosts: /k`), 'two-host-keys'],
    [host(', path: bin'), 'bad-value'],
    [host(', tags: ["@web"]'), 'bad-value'],
    ['hosts: {}', 'hosts.yaml:1:8 — bad-value: hosts is a map, not a list'],
    ['', 'missing-key'],
  ])('%#: refuses %j: %s', (text, expected) => {
    const { hosts, problems } = load(text);

    expect(problems.map(problemLine).join('\n')).toContain(expected);
    expect(hosts).toEqual([]);
  });
});
