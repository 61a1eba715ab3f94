import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Host, HostKeySource } from '../../../src/core/command.ts';
import { createSshRunner } from '../../../src/whitelist/ssh/runner.ts';
import { trustHost } from '../../../src/whitelist/ssh/trust.ts';
import { renderedCommand } from '../../contract/command-runner.ts';
import { recordingLogger } from '../../fakes/logger.ts';
import { needs } from '../../needs.ts';
import { makeKey, type Sshd, startSshd } from '../../twins/sshd.ts';

needs('sshd')('host keys', () => {
  let sshd: Sshd;
  let other: string;
  let runner: ReturnType<typeof createSshRunner>;
  let logged = 0;
  beforeAll(async () => {
    sshd = await startSshd();
    runner = createSshRunner({ clock: { now: () => Date.now() }, logger: recordingLogger() });
    const [type, encoded] = readFileSync(`${makeKey(join(sshd.dir, 'other'))}.pub`, 'utf8').split(' ');
    other = `${type} ${encoded?.trim()}`;
  });
  afterAll(async () => {
    await runner.close();
    await sshd.stop();
  });
  afterEach(() => {
    logged = sshd.log().length;
  });

  const run = async (host: Host) => {
    const { end } = await runner.run(renderedCommand({ script: 'true' }), host, new AbortController().signal);
    return end.kind === 'unreachable' ? end.problem : end;
  };
  const knownHosts = (...lines: string[]): HostKeySource => {
    const file = join(sshd.dir, `known_hosts-${lines.length}-${Math.random()}`);
    writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
    return { kind: 'known-hosts', file };
  };
  const name = () => `[127.0.0.1]:${sshd.port}`;
  /** A connection that got as far as authentication names the user in a VERBOSE log. */
  const authAttempts = () =>
    sshd
      .log()
      .slice(logged)
      .split('\n')
      .filter((line) => /Accepted|Failed|Postponed|authenticating user|invalid user/i.test(line));

  it('runs on a host whose key is pinned, in either spelling, and logs one login', async () => {
    const sha256 = sshd.hostKeySha256.replace('SHA256:', '');

    expect(await run(sshd.host())).toEqual({ kind: 'exited', code: 0 });
    expect(await run(sshd.host({ name: 'b', hostKey: { kind: 'fingerprint', sha256 } }))).toEqual({
      kind: 'exited',
      code: 0,
    });
    expect(authAttempts().filter((line) => line.includes('Accepted publickey'))).toHaveLength(2);
  });

  it('runs on a host whose key is in known_hosts', async () => {
    expect(await run(sshd.host({ hostKey: knownHosts(`${name()} ${sshd.hostKeyLine}`) }))).toMatchObject({
      code: 0,
    });
  });

  it('does not even dial a host with no known key, and ends with the line to type', async () => {
    const found = await run(sshd.host({ name: 'known' }));
    logged = sshd.log().length;
    expect(found).toMatchObject({ code: 0 });

    for (const hostKey of [knownHosts(), { kind: 'known-hosts', file: '/nonexistent' } as const]) {
      const problem = await run(sshd.host({ hostKey }));

      expect(problem).toMatch(/is not known in .*\nopsagent hosts trust web-1$/s);
    }
    expect(sshd.log().slice(logged)).not.toContain('Connection from');
  });

  it('stops at a changed key, naming both fingerprints, before any login', async () => {
    const problem = await run(sshd.host({ hostKey: knownHosts(`${name()} ${other}`) }));

    expect(problem).toContain('has changed');
    expect(problem).toContain(sshd.hostKeySha256);
    expect(`${problem}`.match(/SHA256:/g)).toHaveLength(2);
    expect(authAttempts()).toEqual([]);
  });

  it('stops at the key of another host of the inventory', async () => {
    const hostKey = knownHosts(`web-2 ${sshd.hostKeyLine}`, `${name()} ${other}`);

    expect(await run(sshd.host({ hostKey }))).toContain('has changed');
    expect(authAttempts()).toEqual([]);
  });

  it('stops at a key other than the pinned one', async () => {
    const sha256 = `SHA256:${'A'.repeat(43)}`;

    expect(await run(sshd.host({ hostKey: { kind: 'fingerprint', sha256 } }))).toContain(`pinned ${sha256}`);
    expect(authAttempts()).toEqual([]);
  });

  it('refuses a revoked key even if it is also known', async () => {
    const hostKey = knownHosts(`${name()} ${sshd.hostKeyLine}`, `@revoked * ${sshd.hostKeyLine}`);

    expect(await run(sshd.host({ hostKey }))).toContain('@revoked');
    expect(authAttempts()).toEqual([]);
  });

  it('says that certificate authorities cannot be checked', async () => {
    expect(await run(sshd.host({ hostKey: knownHosts(`@cert-authority * ${sshd.hostKeyLine}`) }))).toContain(
      '@cert-authority',
    );
  });

  it('asks a host for the key type that is known, though it would show another first', async () => {
    const two = await startSshd({ secondHostKey: 'rsa' });
    const [type, encoded] = readFileSync(`${two.dir}/host2.pub`, 'utf8').split(' ');
    const printed =
      execFileSync('ssh-keygen', ['-lf', `${two.dir}/host2.pub`], { encoding: 'utf8' }).split(' ')[1] ?? '';
    const twoName = `[127.0.0.1]:${two.port}`;

    const byFile = await run(two.host({ hostKey: knownHosts(`${twoName} ${type} ${encoded}`) }));
    const byPin = await run(two.host({ hostKey: { kind: 'fingerprint', sha256: printed } }));

    expect([byFile, byPin]).toMatchObject([{ code: 0 }, { code: 0 }]);
    await two.stop();
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
    expect(authAttempts()).toEqual([]);
    expect(await trustHost(host, file, async () => false)).toMatchObject({ kind: 'known' });
    expect(await run(host)).toMatchObject({ code: 0 });
  });

  it('trust: never writes over a different key', async () => {
    const file = join(sshd.dir, 'changed');
    writeFileSync(file, `${name()} ${other}`);

    const outcome = await trustHost(sshd.host(), file, async () => true);

    expect(outcome).toMatchObject({ kind: 'failed', problem: expect.stringContaining('another key') });
    expect(readFileSync(file, 'utf8')).toBe(`${name()} ${other}`);
  });
});
