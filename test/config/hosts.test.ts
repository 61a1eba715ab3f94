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
    [host('', 'dЬ-1'), 'bad-value'],
    [host('', '"db-1\\u200b"'), 'bad-value'],
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
