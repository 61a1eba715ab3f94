import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { parse } from 'yaml';
import { verifyAudit } from '../../src/backends/audit-verify.ts';
import { needs } from '../needs.ts';
import { makeKey, type Sshd, startSshd } from '../twins/sshd.ts';
import { startTailscaled, type Tailscaled } from '../twins/tailscaled.ts';
import { newPlace, type Place } from './hosts-harness.ts';

const OTHER_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJCtyGlhn8Xqjwd6zRkEFUkbpCh8XN4JGRlb9q2hZk6f';
const inDays = (days: number) => new Date(Date.now() + (days + 0.5) * 86_400_000).toISOString();

needs('sshd')('opsagent hosts', () => {
  let sshd: Sshd;
  let tailscaled: Tailscaled;
  let place: Place;
  beforeAll(async () => {
    sshd = await startSshd({ addresses: ['127.0.0.1', '127.0.0.2', '127.0.0.3'] });
    tailscaled = await startTailscaled();
  });
  afterAll(async () => {
    await sshd.stop();
    await tailscaled.stop();
  });
  beforeEach(({ onTestFinished }) => {
    tailscaled.set({ state: 'Running', behaviour: 'answers', peers: [] });
    place = newPlace({ TS_SOCKET: tailscaled.socket, WEB_PASSPHRASE: 'passphrase-value' });
    onTestFinished(() => place.close());
  });

  const entry = (name: string, over: Readonly<Record<string, unknown>> = {}) => ({
    name,
    address: '127.0.0.1',
    port: sshd.port,
    user: sshd.user,
    key: sshd.clientKeyFile,
    host_key: sshd.hostKeySha256,
    tier: 'test',
    ...over,
  });
  const connections = () => sshd.log().split('Connection from').length;

  it('list shows login, way, gate, key, tier and tags, and no passphrase', async () => {
    const key = makeKey(join(sshd.dir, 'locked'), 'ed25519', 'passphrase-value');
    place.inventory(
      entry('bastion', { tags: ['eu'] }),
      entry('web-1', { jump: 'bastion', key, passphrase_env: 'WEB_PASSPHRASE', tags: ['web', 'eu'] }),
      { name: 'db', address: 'db.tail1234.ts.net', user: 'ops', auth: 'none', host_key: 'tailnet' },
      entry('gated', { gate: true, proxy: 'socks5://localhost:1055', host_key: undefined }),
    );

    const { code, stdout } = await place.run('hosts', 'list');
    const json = await place.run('hosts', 'list', '--json');

    expect(code).toBe(0);
    const lines = stdout.split('\n').map((line) => line.split(/ {2,}/));
    expect(lines[0]).toEqual(['HOST', 'ADDRESS', 'TIER', 'TAGS', 'LOGIN', 'WAY', 'HOST KEY']);
    expect(lines[2]?.slice(2, 6)).toEqual(['test', '@web @eu', key, 'through bastion']);
    expect(lines[3]?.slice(2)).toEqual(['production', '-', 'Tailscale SSH', 'direct', 'the tailnet']);
    expect(lines[4]?.slice(4, 6)).toEqual([`${sshd.clientKeyFile}, remote gate`, 'SOCKS5 localhost:1055']);
    expect(JSON.parse(json.stdout)).toHaveLength(4);
    expect(stdout + json.stdout).not.toContain('passphrase-value');
  });

  it('check tells way, key, login and tailnet of each host, and fails when one is not fine', async () => {
    tailscaled.set({
      peers: [
        { HostName: 'web-1', address: '127.0.0.1', Tags: ['tag:web'], KeyExpiry: inDays(9) },
        { HostName: 'web-2', address: '127.0.0.2', Online: false, LastSeen: inDays(-3) },
        { HostName: 'web-3', address: '127.0.0.3', sshHostKeys: [OTHER_KEY] },
      ],
    });
    place.inventory(
      entry('web-1', { tags: ['web'] }),
      entry('web-2', { address: '127.0.0.2' }),
      entry('web-3', { address: '127.0.0.3' }),
      entry('closed', { port: 1 }),
      entry('stranger', { key: makeKey(join(sshd.dir, 'stranger')) }),
    );
    const before = connections();

    const { code, stdout } = await place.run('hosts', 'check', 'all');

    expect(code).toBe(1);
    const rows = Object.fromEntries(
      stdout.split('\n').map((line) => [line.split(/ {2,}/)[0], line.split(/ {2,}/)]),
    );
    expect(rows['web-1']).toEqual(['web-1', 'yes', 'yes', 'yes', expect.stringMatching(/ms$/), 'online']);
    expect(rows['web-2']?.slice(1, 4)).toEqual(['-', '-', '-']);
    expect(rows['web-2']?.[5]).toMatch(/^offline, last seen 2 days ago/);
    expect(rows['web-3']?.slice(1, 4)).toEqual(['-', '-', '-']);
    expect(rows.closed?.slice(1, 4)).toEqual(['NO', '-', '-']);
    expect(rows.stranger?.slice(1, 4)).toEqual(['yes', 'yes', 'NO']);
    expect(stdout).toContain('· web-1 in the tailnet: online, tag:web, 127.0.0.1 fd7a:115c:a1e0::2');
    expect(stdout).toContain('! web-1: its node key expires in 9 days');
    expect(stdout).toContain('✗ web-3: the host key of web-3 is not one that the tailnet lists');
    expect(stdout).toContain('1 of 5 hosts are fine.');
    // web-1 and the stranger; the two that the tailnet refused were never dialled.
    expect(connections() - before).toBe(2);
  });

  it('check of one group is fine, and says all of it as JSON', async () => {
    tailscaled.set({ peers: [{ HostName: 'web-1', address: '127.0.0.1', KeyExpiry: inDays(100) }] });
    place.inventory(entry('web-1', { tags: ['web', 'eu'] }), entry('closed', { port: 1, tags: ['web'] }));

    const { code, stdout } = await place.run('hosts', 'check', '@web&eu', '--json');

    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      tailnet: { kind: 'running', name: 'example.org' },
      hosts: [
        {
          name: 'web-1',
          ok: true,
          reached: 'ok',
          key: 'ok',
          login: 'ok',
          hostKey: sshd.hostKeySha256,
          ms: expect.any(Number),
          tailnet: expect.objectContaining({ online: true, lastSeen: null, keyDaysLeft: 100 }),
        },
      ],
    });
  });

  it('check refuses a name that no host has, and has nothing to do without hosts', async () => {
    place.inventory(entry('web-1'));
    const wrong = await place.run('hosts', 'check', 'web-l');
    place.inventory();
    const none = await place.run('hosts', 'check');

    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('did you mean web-1') });
    expect(none).toMatchObject({ code: 0, stdout: expect.stringContaining('No host is configured') });
  });

  it('check works without a tailnet and says why there is none', async () => {
    place.close();
    place = newPlace({ TS_SOCKET: '/nonexistent/tailscaled.sock' });
    place.inventory(entry('web-1'));

    const { code, stdout } = await place.run('hosts', 'check', 'web-1');

    expect(code).toBe(0);
    expect(stdout).toContain('· tailnet: there is no tailscaled on this machine');
  });

  it('discover proposes what is not in the inventory, as YAML that loads once it is pasted', async () => {
    tailscaled.set({
      peers: [
        { HostName: 'web-1', address: '127.0.0.1', Tags: ['tag:web'] },
        { HostName: 'Web 2.local', address: '100.64.0.8', Tags: ['tag:web', 'tag:no'], Online: false },
        { HostName: 'web-l', address: '100.64.0.9', Tags: ['tag:web'], sshHostKeys: [sshd.hostKeyLine] },
        { HostName: 'x\n- name: evil\u202e', address: '100.64.0.10', Tags: ['tag:web'] },
        { HostName: 'db', address: '100.64.0.11', Tags: ['tag:db'] },
      ],
    });
    place.inventory(entry('web-1'));
    const before = readFileSync(join(place.dir, 'config/hosts.yaml'), 'utf8');

    const { code, stdout, stderr } = await place.run('hosts', 'discover', '--tag', 'tag:web');

    expect(code).toBe(0);
    expect(parse(`hosts:\n${stdout}`)).toEqual({
      hosts: [
        { name: 'web-2', address: '100.64.0.8', user: 'ops', tags: ['web', 'no'] },
        {
          name: 'web-l',
          address: '100.64.0.9',
          user: 'ops',
          auth: 'none',
          host_key: 'tailnet',
          tags: ['web'],
        },
        { name: 'x-name-evil', address: '100.64.0.10', user: 'ops', tags: ['web'] },
      ],
    });
    expect(stdout).toContain('# looks like web-1');
    expect(stdout).toContain(sshd.hostKeySha256);
    expect(stdout).toContain('# then: opsagent hosts trust web-2');
    expect(stdout).toMatch(/offline/);
    expect(stderr).toBe(
      '3 proposed with "tag:web"; left out: 1 in the inventory already. Nothing was added.\n',
    );
    expect(readFileSync(join(place.dir, 'config/hosts.yaml'), 'utf8')).toBe(before);
  });

  it('discover without a tailnet fails in a sentence', async () => {
    tailscaled.set({ state: 'NeedsLogin' });
    place.inventory();

    const { code, stdout, stderr } = await place.run('hosts', 'discover');

    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('not connected (NeedsLogin): run `tailscale up`');
  });

  it('trust says whether the tailnet lists the key, pins it only when agreed to, and records it', async () => {
    const file = join(place.dir, 'known_hosts');
    place.inventory(entry('web-1', { host_key: undefined, known_hosts: file }));
    const agree = ['hosts', 'trust', 'web-1', '--fingerprint', sshd.hostKeySha256] as const;

    tailscaled.set({ peers: [{ HostName: 'web-1', address: '127.0.0.1', sshHostKeys: [OTHER_KEY] }] });
    const other = await place.run('hosts', 'trust', 'web-1', '--fingerprint', `SHA256:${'A'.repeat(43)}`);
    expect(other).toMatchObject({ code: 3, stdout: expect.stringContaining('lists OTHER keys') });
    expect(existsSync(file)).toBe(false);

    tailscaled.set({
      peers: [{ HostName: 'web-1', address: '127.0.0.1', sshHostKeys: [sshd.hostKeyLine] }],
    });
    const same = await place.run(...agree);
    expect(same).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('The tailnet lists the same key for it.'),
    });
    expect(readFileSync(file, 'utf8')).toContain(sshd.hostKeyLine);
    expect(verifyAudit(join(place.dir, '.opsagent/audit'))).toMatchObject([{ ok: true }]);
    const { stdout } = await place.run('audit', 'show', '--json');
    expect(stdout).toContain('"kind":"host.trusted"');
    expect(stdout).toContain(
      JSON.stringify({ host: 'web-1', fingerprint: sshd.hostKeySha256, tailnet: 'same' }),
    );

    expect(await place.run('hosts', 'check')).toMatchObject({ code: 0 });
  });

  it('trust has nothing to pin where inventory or tailnet have the key', async () => {
    place.inventory(entry('pinned'), {
      name: 'db',
      address: '127.0.0.1',
      user: 'ops',
      auth: 'none',
      host_key: 'tailnet',
    });

    expect(await place.run('hosts', 'trust', 'pinned')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is pinned in config/hosts.yaml'),
    });
    expect(await place.run('hosts', 'trust', 'db')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('nothing to pin'),
    });
  });

  it('doctor tells the tailnet in a line', async () => {
    tailscaled.set({ peers: [{ HostName: 'db', address: '100.64.0.8', Online: false }] });
    place.inventory(entry('web-1'));
    expect((await place.run('doctor')).stdout).toMatch(
      /✓ tailnet +example\.org: 0 of 1 other nodes are online/,
    );

    tailscaled.set({ behaviour: { says: 'nonsense' } });
    expect((await place.run('doctor')).stdout).toMatch(/✗ tailnet +tailscaled answers with no JSON/);
  });
});
