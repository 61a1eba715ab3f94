import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Host, HostKeySource } from '../../../src/core/command.ts';
import type { Pool } from '../../../src/whitelist/ssh/pool.ts';
import { trustHost } from '../../../src/whitelist/ssh/trust.ts';
import { needs } from '../../needs.ts';
import { makeKey, type Sshd, startSshd } from '../../twins/sshd.ts';
import { output, testPool, until } from './pooled.ts';

const REACHED = 'here\n';

needs('sshd')('host keys', () => {
  let sshd: Sshd;
  let other: string;
  let pool: Pool;
  let logged = 0;
  beforeAll(async () => {
    // At this level sshd names every step of a login, also one that is given up.
    sshd = await startSshd({ config: ['LogLevel DEBUG1'] });
    pool = testPool();
    const [type, encoded] = readFileSync(`${makeKey(join(sshd.dir, 'other'))}.pub`, 'utf8').split(' ');
    other = `${type} ${encoded?.trim()}`;
  });
  afterAll(async () => {
    pool.close();
    for (const one of [sshd, ...others]) await one.stop();
  });
  afterEach(async () => {
    await until(() => connections(sshd.log()).settled);
    logged = sshd.log().length;
  });

  const others: Sshd[] = [];
  const another = async (options: Parameters<typeof startSshd>[0]) => {
    const started = await startSshd(options);
    others.push(started);
    return started;
  };
  const run = (host: Host) => output(pool, host);
  const knownHosts = (...lines: string[]): HostKeySource => {
    const file = join(sshd.dir, `known_hosts-${lines.length}-${Math.random()}`);
    writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
    return { kind: 'known-hosts', file };
  };
  const name = () => `[127.0.0.1]:${sshd.port}`;
  /** What sshd logs of a connection that got as far as asking for authentication. */
  const authAttempts = () =>
    sshd
      .log()
      .slice(logged)
      .split('\n')
      .filter((line) =>
        /Accepted|Failed|Postponed|authenticating user|invalid user|userauth|user-?auth/i.test(line),
      );

  /** Ports of the connections that sshd has logged, and those of them whose login or end it has logged too. */
  const connections = (log: string) => {
    const ports = [...log.matchAll(/^Connection from \S+ port (\d+)/gm)].map(([, port]) => port);
    const settled = (port: string | undefined) =>
      new RegExp(`^(?!Connection from).*\\bport ${port}\\b`, 'm').test(log);
    return { count: ports.length, settled: ports.every(settled) };
  };
  /** The host was reached, sshd has written down the end of each connection, and of no authentication before it. */
  const nothingTried = async () => {
    const found = () => connections(sshd.log().slice(logged));
    await until(() => found().count > 0 && found().settled);
    expect(authAttempts()).toEqual([]);
  };

  it('runs on a host whose key is pinned, in either spelling, and logs one login', async () => {
    const sha256 = sshd.hostKeySha256.replace('SHA256:', '');

    expect(await run(sshd.host())).toEqual(REACHED);
    expect(await run(sshd.host({ name: 'b', hostKey: { kind: 'fingerprint', sha256 } }))).toEqual(REACHED);
    expect(authAttempts().filter((line) => line.includes('Accepted publickey'))).toHaveLength(2);
  });

  it('runs on a host whose key is in known_hosts', async () => {
    expect(await run(sshd.host({ hostKey: knownHosts(`${name()} ${sshd.hostKeyLine}`) }))).toEqual(REACHED);
  });

  it('does not even dial a host with no known key, and ends with the line to type', async () => {
    const found = await run(sshd.host({ name: 'known' }));
    logged = sshd.log().length;
    expect(found).toEqual(REACHED);

    for (const hostKey of [knownHosts(), { kind: 'known-hosts', file: '/nonexistent' } as const]) {
      const problem = await run(sshd.host({ hostKey }));

      expect(problem).toMatch(/is not known in .*\nopsagent hosts trust web-1$/s);
    }
    expect(sshd.log().slice(logged)).not.toContain('Connection from');
  });

  it('stops at a changed key, naming both fingerprints, before any login', async () => {
    const hostKey = knownHosts('# a comment', `${name()} ${other}`);
    const problem = await run(sshd.host({ hostKey }));

    expect(problem).toMatch(/has changed: known SHA256:\S{43} \(\S+known_hosts\S+:2\), shown SHA256:/);
    expect(problem).toContain(`shown ${sshd.hostKeySha256}`);
    expect(`${problem}`.match(/SHA256:/g)).toHaveLength(2);
    await nothingTried();
  });

  it('names every key that is known for the host, each with its line', async () => {
    const another = readFileSync(`${makeKey(join(sshd.dir, 'another'))}.pub`, 'utf8').trim();
    const problem = await run(sshd.host({ hostKey: knownHosts(`* ${other}`, `${name()} ${another}`) }));

    expect(problem).toMatch(/known SHA256:\S+ \(\S+:1\), SHA256:\S+ \(\S+:2\), shown SHA256:/);
  });

  it('looks at the known keys again each time, also while a host is left alone after a failure', async () => {
    const file = join(sshd.dir, 'corrected');
    const host = sshd.host({ name: 'corrected', hostKey: { kind: 'known-hosts', file } });
    writeFileSync(file, `${name()} ${other}\n`);
    expect(await run(host)).toContain('has changed');
    const from = sshd.log().length;
    expect(await run(host)).toMatch(/has changed.*\(tried \d s ago; next try in \d s\)$/);
    expect(sshd.log().slice(from)).not.toContain('Connection from');

    writeFileSync(file, `${name()} ${sshd.hostKeyLine}\n`);

    expect(await run(host)).toEqual(REACHED);
    expect(await trustHost(host, file, async () => false)).toMatchObject({ kind: 'known' });
  });

  it('stops at the key of another host of the inventory', async () => {
    const hostKey = knownHosts(`web-2 ${sshd.hostKeyLine}`, `${name()} ${other}`);

    expect(await run(sshd.host({ hostKey }))).toContain('has changed');
    await nothingTried();
  });

  it('stops at a key other than the pinned one', async () => {
    const sha256 = `SHA256:${'A'.repeat(43)}`;

    expect(await run(sshd.host({ hostKey: { kind: 'fingerprint', sha256 } }))).toContain(`pinned ${sha256}`);
    await nothingTried();
  });

  it('refuses a revoked key even if it is also known', async () => {
    const hostKey = knownHosts(`${name()} ${sshd.hostKeyLine}`, `@revoked * ${sshd.hostKeyLine}`);

    expect(await run(sshd.host({ hostKey }))).toContain('@revoked');
    await nothingTried();
  });

  it('says that certificate authorities cannot be checked', async () => {
    expect(await run(sshd.host({ hostKey: knownHosts(`@cert-authority * ${sshd.hostKeyLine}`) }))).toContain(
      '@cert-authority',
    );
  });

  it('asks a host for a known RSA key by SHA-2 alone', async () => {
    const rsa = await another({ hostKeyType: 'rsa', config: ['LogLevel DEBUG1'] });
    const known = knownHosts(`[127.0.0.1]:${rsa.port} ${rsa.hostKeyLine}`);

    expect(await run(rsa.host({ name: 'rsa', hostKey: known }))).toEqual(REACHED);
    expect(rsa.log()).toMatch(/kex: host key algorithm: rsa-sha2-512/);
  });

  it('says when a host has no key of the type that is known', async () => {
    const [type, encoded] = readFileSync(`${makeKey(join(sshd.dir, 'ecdsa'), 'ecdsa')}.pub`, 'utf8').split(
      ' ',
    );

    expect(await run(sshd.host({ hostKey: knownHosts(`${name()} ${type} ${encoded}`) }))).toBe(
      `web-1 (127.0.0.1:${sshd.port}) has no host key of a known type (ecdsa-sha2-nistp256)`,
    );
    await nothingTried();
  });

  it('asks a host for the key type that is known, though it would show another first', async () => {
    const two = await another({ secondHostKey: 'rsa' });
    const [type, encoded] = readFileSync(`${two.dir}/host2.pub`, 'utf8').split(' ');
    const printed =
      execFileSync('ssh-keygen', ['-lf', `${two.dir}/host2.pub`], { encoding: 'utf8' }).split(' ')[1] ?? '';
    const twoName = `[127.0.0.1]:${two.port}`;

    const byFile = await run(two.host({ hostKey: knownHosts(`${twoName} ${type} ${encoded}`) }));
    const byPin = await run(two.host({ hostKey: { kind: 'fingerprint', sha256: printed } }));

    expect([byFile, byPin]).toMatchObject([REACHED, REACHED]);
  });

  it('trust: shows the key without logging in and writes it only after yes', async () => {
    const file = join(sshd.dir, 'new', 'known_hosts');
    const host = sshd.host({ hostKey: { kind: 'known-hosts', file } });

    const declined = await trustHost(host, file, async () => false);
    expect(declined).toMatchObject({
      kind: 'declined',
      type: 'ssh-ed25519',
      fingerprint: sshd.hostKeySha256,
    });
    expect(() => statSync(file)).toThrow();

    expect(await trustHost(host, file, async () => true)).toMatchObject({ kind: 'added' });
    expect(readFileSync(file, 'utf8')).toBe(`${name()} ${sshd.hostKeyLine}\n`);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await nothingTried();
    expect(await trustHost(host, file, async () => false)).toMatchObject({ kind: 'known' });
    expect(await run(host)).toEqual(REACHED);
  });

  it('trust: never writes over a different key', async () => {
    const file = join(sshd.dir, 'changed');
    writeFileSync(file, `${name()} ${other}`);

    const outcome = await trustHost(sshd.host(), file, async () => true);

    expect(outcome).toMatchObject({ kind: 'failed', problem: expect.stringContaining('another key') });
    expect(readFileSync(file, 'utf8')).toBe(`${name()} ${other}`);
  });
});
