import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { knownName, lookUpKnown } from '../../../src/whitelist/ssh/known-hosts.ts';
import { needs } from '../../needs.ts';
import { makeKey } from '../../twins/sshd.ts';

needs('ssh-keygen')('known_hosts', () => {
  const dir = mkdtempSync(join(tmpdir(), 'opsagent-known-'));
  const keys: string[] = [];
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  beforeAll(() => {
    for (const [name, type] of [
      ['a', 'ed25519'],
      ['b', 'ecdsa'],
      ['c', 'ed25519'],
    ] as const) {
      const [kind, encoded] = readFileSync(`${makeKey(join(dir, name), type)}.pub`, 'utf8').split(' ');
      keys.push(`${kind} ${encoded?.trim()}`);
    }
  });

  /** Lines that ssh-keygen -F finds, as `marker type base64`. */
  function asSshKeygen(text: string, name: string): string[] {
    const file = join(dir, 'known_hosts');
    writeFileSync(file, text);
    try {
      const found = execFileSync('ssh-keygen', ['-F', name, '-f', file], { encoding: 'utf8', stdio: 'pipe' });
      return found
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map(withoutNames)
        .sort();
    } catch {
      return [];
    }
  }
  const withoutNames = (line: string) => {
    const words = line.trim().split(/\s+/);
    const marker = words[0]?.startsWith('@') ? words.shift() : 'plain';
    return [marker, ...words.slice(1, 3)].join(' ');
  };
  function asWe(text: string, address: string, port: number): string[] {
    const known = lookUpKnown(text, address, port);
    const line = (marker: string) => (one: { type: string; key: Buffer }) =>
      `${marker} ${one.type} ${one.key.toString('base64')}`;
    return [...known.keys.map(line('plain')), ...known.revoked.map(line('@revoked'))].sort();
  }

  it('finds the same keys as ssh-keygen -F, in every form of a name', () => {
    const [a, b, c] = keys;
    const text = [
      '# a comment',
      '',
      `web-1 ${a} someone@somewhere`,
      `WEB-2,10.0.0.2 ${b}`,
      `*.example.org,!bad.example.org ${a}`,
      `db-? ${c}`,
      `[gate]:2222 ${b}`,
      `[::1]:2200 ${b}`,
      `fe80::1 ${c}`,
      `@revoked web-1 ${c}`,
      `broken ${b?.slice(0, 30)}`,
      'half ssh-ed25519',
      `  indented\t${a}`,
      `a.b+c(d) ${a}`,
      `[*]:2022,![db]:2022 ${c}`,
      `@revoked [*]:2022 ${b}`,
    ].join('\n');
    const names: [string, number][] = [
      ...[
        'web-1',
        'WEB-1',
        'web-2',
        '10.0.0.2',
        'x.example.org',
        'bad.example.org',
        'example.org',
        'db-1',
        'db-10',
      ].map((name): [string, number] => [name, 22]),
      ['gate', 2222],
      ['::1', 2200],
      ['fe80::1', 22],
      ['half', 22],
      ['indented', 22],
      ['a.b+c(d)', 22],
      ['aXb+c(d)', 22],
      ['nobody', 22],
      ['web', 2022],
    ];

    for (const [address, port] of names) {
      expect([address, asWe(text, address, port)]).toEqual([
        address,
        asSshKeygen(text, knownName(address, port)),
      ]);
    }
    expect(asWe(text, 'web-1', 22)).toHaveLength(2);
    // ssh-keygen prints a key that cannot be read; it can match nothing a host shows.
    expect(asWe(text, 'broken', 22)).toEqual([]);
  });

  it('finds hashed names as ssh-keygen -H writes them', () => {
    const file = join(dir, 'hashed');
    writeFileSync(file, `web-1 ${keys[0]}\n[gate]:2222 ${keys[1]}\n`);
    execFileSync('ssh-keygen', ['-H', '-f', file], { stdio: 'pipe' });
    const text = readFileSync(file, 'utf8');

    expect(text).not.toContain('web-1');
    expect(asWe(text, 'web-1', 22)).toEqual([`plain ${keys[0]}`]);
    expect(asWe(text, 'GATE', 2222)).toEqual([`plain ${keys[1]}`]);
    expect(asWe(text, 'web-2', 22)).toEqual([]);
  });

  it('falls back to the bare name for another port, as ssh does, but not when the port has a key of its own', () => {
    const text = `gate ${keys[0]}\n[gate]:2222 ${keys[1]}\n`;

    expect(asWe(text, 'gate', 2200)).toEqual([`plain ${keys[0]}`]);
    expect(asWe(text, 'gate', 2222)).toEqual([`plain ${keys[1]}`]);
    expect(asWe(text, 'gate', 22)).toEqual([`plain ${keys[0]}`]);
  });

  it('tells certificate authorities apart from keys', () => {
    const known = lookUpKnown(`@cert-authority *.example.org ${keys[0]}\n`, 'web.example.org', 22);

    expect(known).toEqual({ keys: [], revoked: [], authority: true });
  });
});

describe('known_hosts without a file', () => {
  it('knows nobody', () => {
    expect(lookUpKnown('', 'web-1', 22)).toEqual({ keys: [], revoked: [], authority: false });
  });
});
