/**
 * `opsagent gate print` and `install` as the command line runs them, with the shipped catalogue.
 */
import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { needs } from '../needs.ts';
import { makeKey } from '../twins/sshd.ts';
import { newPlace, type Place } from './hosts-harness.ts';

needs('sshd')('opsagent gate', () => {
  let place: Place;
  let key = '';
  beforeEach(({ onTestFinished }) => {
    place = newPlace({ WEB_PASSPHRASE: 'passphrase-value' });
    onTestFinished(() => place.close());
    key = makeKey(join(place.dir, 'key'), 'ed25519', 'passphrase-value');
    const keyed = { key, passphrase_env: 'WEB_PASSPHRASE' };
    const web = { address: 'web-1.example', user: 'ops', tags: ['web'], path: '/opt/bin:/usr/bin:/bin' };
    place.inventory(
      { name: 'web-1', ...web, ...keyed },
      { name: 'agent', address: 'a.example', user: 'ops' },
    );
  });
  const publicKey = () => readFileSync(`${key}.pub`, 'utf8').trim().split(' ').slice(0, 2).join(' ');

  it('prints a script that sh can read, with the commands and the PATH of the host', async () => {
    const { code, stdout, stderr } = await place.run('gate', 'print', 'web-1');

    expect([code, stderr]).toEqual([0, '']);
    execFileSync('sh', ['-n'], { input: stdout });
    expect(stdout).toMatch(/^#!\/bin\/sh\n# The opsagent gate of web-1, for \d+ commands\./);
    expect(stdout).toContain("\n'disk_usage')\n");
    expect(stdout).toContain("PATH='/opt/bin:/usr/bin:/bin'");
  });

  it('prints what an administrator runs, with the public half of the key and the tailnet alone', async () => {
    const { code, stdout } = await place.run('gate', 'install', 'web-1');

    expect(code).toBe(0);
    execFileSync('sh', ['-n'], { input: stdout });
    expect(stdout).toContain(
      `'restrict,command="/usr/local/lib/opsagent/gate",from="100.64.0.0/10,fd7a:115c:a1e0::/48" ${publicKey()} opsagent'`,
    );
    expect(stdout).not.toContain('PRIVATE KEY');
    expect(stdout).not.toContain('passphrase-value');
  });

  it('takes other addresses, another place and a public key by itself', async () => {
    const options = ['--from', '192.168.1.0/24', '--path', '/opt/gate/run', '--public-key', `${key}.pub`];

    const { code, stdout } = await place.run('gate', 'install', 'agent', ...options);

    expect(code).toBe(0);
    expect(stdout).toContain(
      `'restrict,command="/opt/gate/run",from="192.168.1.0/24" ${publicKey()} opsagent'`,
    );
  });

  it('says what is wrong, and prints nothing', async () => {
    const wrong = [
      [['print', 'web-2'], /There is no host web-2.*web-1, agent/s],
      [['install', 'agent'], /no key file.*--public-key/s],
      [['install', 'agent', '--public-key', '/nowhere'], /\/nowhere cannot be read/],
      [['install', 'agent', '--public-key', '/etc/hostname'], /is not a key/],
      [['install', 'web-1', '--from', '1.2.3.4" ssh-rsa x'], /--from is not a list/],
      [['print', 'web-1', '--path', '/gate'], /--path is not/],
      [['print', 'web-1', '--path', '/a b/$(id)'], /--path is not/],
    ] as const;
    for (const [args, said] of wrong) {
      const { code, stdout, stderr } = await place.run('gate', ...args);

      expect([args, code, stdout]).toEqual([args, 2, '']);
      expect(stderr).toMatch(said);
    }
  });

  describe('for a command that the gate cannot check', () => {
    it('prints a gate without it and says so', async () => {
      const catalogue = `
  - name: odd
    description: Odd
    category: test
    command_template: echo {x}
    parameters: { x: { type: text, pattern: '^[a-z]+\\b$', description: X } }
    risk: read
`;
      appendFileSync(join(place.dir, 'config/commands.yaml'), catalogue);

      const { code, stdout, stderr } = await place.run('gate', 'print', 'web-1');

      expect([code, stderr.split('\n').length]).toEqual([0, 2]);
      expect(stdout).not.toContain("'odd')");
      expect(stderr).toContain('odd is not in the gate of web-1: sh cannot check the pattern ^[a-z]+\\b$');
    });
  });
});
