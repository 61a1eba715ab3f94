import { execFileSync, spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Host } from '../../../src/core/command.ts';
import { needs } from '../../needs.ts';
import { makeKey, type Sshd, startSshd } from '../../twins/sshd.ts';
import { CHECK_LINK, startTailscaleSsh, type TailscaleSsh } from '../../twins/tailscale-ssh.ts';
import { output, testPool, until } from './pooled.ts';

const withoutKey = ({ keyFile: _, ...host }: Host): Host => host;

needs('sshd')('the login', () => {
  let sshd: Sshd;
  let socket: string;
  let agent: ReturnType<typeof spawn>;
  beforeAll(async () => {
    sshd = await startSshd({ config: ['LogLevel DEBUG1'] });
    socket = join(sshd.dir, 'agent');
    agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
    await until(() => existsSync(socket));
  });
  afterAll(async () => {
    agent.kill();
    await sshd.stop();
  });

  const add = (file: string) =>
    execFileSync('ssh-add', ['-q', file], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'pipe' });
  const removeAll = () =>
    execFileSync('ssh-add', ['-q', '-D'], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'pipe' });
  const once = async (host: Host, agentSocket?: string, line?: string) => {
    const pool = testPool(agentSocket === undefined ? {} : { agent: agentSocket });
    const text = await output(pool, host, line);
    pool.close();
    return text;
  };

  it('uses the key file, and tries it alone', async () => {
    const from = sshd.log().length;
    add(makeKey(join(sshd.dir, 'in-the-agent')));

    expect(await once(sshd.host(), socket)).toBe('here\n');

    const tries = sshd
      .log()
      .slice(from)
      .match(/userauth-request for user \S+ service ssh-connection method \S+/g);
    expect(new Set(tries?.map((line) => line.split(' ').at(-1)))).toEqual(new Set(['publickey']));
    expect(
      sshd
        .log()
        .slice(from)
        .match(/Accepted key/g)?.length,
    ).toBeGreaterThan(0);
    expect(sshd.log().slice(from)).not.toContain('Failed publickey');
    removeAll();
  });

  it('uses the keys of the ssh-agent where no key file is set, and never forwards it', async () => {
    add(sshd.clientKeyFile);
    const from = sshd.log().length;
    process.env.OPSAGENT_TEST_SECRET = 'not for the host';

    const env = await once(withoutKey(sshd.host()), socket, 'env; tty');

    delete process.env.OPSAGENT_TEST_SECRET;
    expect(env).toContain('SSH_CONNECTION=');
    expect(env).toContain('not a tty');
    expect(env).not.toMatch(/SSH_AUTH_SOCK|OPSAGENT|DISPLAY|not for the host/);
    // All that the channel was asked for; the server's own global requests are not ours.
    const requests = sshd
      .log()
      .slice(from)
      .match(/server_input_channel_req: channel \d+ request \S+/g);
    expect(requests?.map((line) => line.split(' ').at(-1))).toEqual(['exec']);
    expect(sshd.log().slice(from)).not.toMatch(/auth-agent-req|tcpip-forward|x11-req|pty-req/);
    removeAll();
  });

  it('says what is wrong with the agent', async () => {
    const host = withoutKey(sshd.host());
    const nobody = join(sshd.dir, 'no-agent');

    expect(await once(host)).toContain('has no key file set and there is no ssh-agent');
    expect(await once(host, nobody)).toBe(
      `web-1 has no key file set, and the ssh-agent at ${nobody} (SSH_AUTH_SOCK) does not answer: start it, or set a key file`,
    );
    expect(await once(host, socket)).toContain('holds no key: add one with ssh-add');
    add(makeKey(join(sshd.dir, 'stranger')));
    expect(await once(host, socket)).toContain('refused the login of');
    for (const n of [1, 2, 3, 4, 5, 6, 7]) add(makeKey(join(sshd.dir, `many-${n}`)));
    expect(await once(host, socket)).toContain('too many keys were offered');
    removeAll();
  });

  it('says what is wrong with the key file, without its passphrase', async () => {
    const encrypted = makeKey(join(sshd.dir, 'encrypted'), 'ed25519', 'open sesame');
    const text = join(sshd.dir, 'text');
    writeFileSync(text, 'not a key');

    expect(await once(sshd.host({ keyFile: encrypted }))).toBe(
      `the key file ${encrypted} for web-1 is encrypted and no passphrase is set for it`,
    );
    const wrong = await once(sshd.host({ keyFile: encrypted, passphrase: 'letmein99' }));
    expect(wrong).toBe(
      `the key file ${encrypted} for web-1 cannot be opened with the passphrase that is set`,
    );
    expect(await once(sshd.host({ keyFile: text }))).toContain('is not a private key that can be used');
    expect(await once(sshd.host({ keyFile: `${sshd.clientKeyFile}.pub` }))).toContain('holds a public key');
  });

  it('tries nothing but `none` where the inventory says so', async () => {
    const from = sshd.log().length;

    expect(await once({ ...sshd.host(), auth: 'none' }, socket)).toBe(
      `web-1 (127.0.0.1:${sshd.port}) refused the login of ${sshd.user} with no key at all (auth: none, which is for Tailscale SSH)`,
    );
    expect(sshd.log().slice(from)).toContain('method none');
    expect(sshd.log().slice(from)).not.toContain('method publickey');
  });
});

describe('Tailscale SSH', () => {
  const servers: TailscaleSsh[] = [];
  const pool = testPool({ connectTimeoutMs: 60_000 });
  afterAll(async () => {
    pool.close();
    for (const server of servers) await server.stop();
  });
  const start = async (policy: 'accept' | 'check' | 'deny') => {
    const server = await startTailscaleSsh({ policy });
    servers.push(server);
    const host: Host = {
      name: policy,
      address: '127.0.0.1',
      port: server.port,
      user: 'ops',
      auth: 'none',
      hostKey: { kind: 'fingerprint', sha256: server.hostKeySha256 },
      tags: [],
      tier: 'test',
    };
    return { server, host };
  };

  it('lets us in with no key, whatever it greets us with', async () => {
    const { server, host } = await start('accept');

    expect(await output(pool, host, 'uptime')).toBe('uptime');
    expect(server.tried).toEqual(['none']);
  });

  it('fails at once where the policy wants a browser, and keeps the link to itself', async () => {
    const { host } = await start('check');

    // The pool would wait a minute, and the server for ever.
    const problem = await output(pool, host);

    expect(problem).toContain("tailnet's policy wants a person to confirm the login on check");
    expect(problem).toContain('change "action": "check" to "accept"');
    expect(problem).not.toContain(CHECK_LINK);
    expect(problem).not.toContain('http');
  });

  it('says that the policy does not permit the login', async () => {
    const { server, host } = await start('deny');

    expect(await output(pool, host)).toContain("the tailnet's policy does not permit this login on deny");
    expect(server.tried.length).toBeLessThanOrEqual(1);
  });

  it('is known by the keys that the tailnet has for the node', async () => {
    const { server, host } = await start('accept');
    const byTailnet: Host = { ...host, hostKey: { kind: 'tailnet' } };
    const asked: string[] = [];
    const answering = (answer: { ok: true; keys: Buffer[] } | { ok: false; problem: string }) =>
      testPool({
        tailnetKeys: async ({ name }) => {
          asked.push(name);
          return answer;
        },
      });
    const other = await startTailscaleSsh({ policy: 'accept' });
    servers.push(other);

    expect(
      await output(answering({ ok: true, keys: [other.hostKey, server.hostKey] }), byTailnet, 'id'),
    ).toBe('id');
    expect(asked).toEqual(['accept']);
    server.forget();
    const refused = await output(answering({ ok: true, keys: [other.hostKey] }), byTailnet);
    expect(refused).toContain(`known there ${other.hostKeySha256}, shown ${server.hostKeySha256}`);
    expect(await output(answering({ ok: true, keys: [] }), byTailnet)).toContain('is Tailscale SSH on there');
    expect(await output(answering({ ok: false, problem: 'tailscaled is not running' }), byTailnet)).toBe(
      "the host key of accept is the tailnet's to say, and tailscaled is not running",
    );
    expect(await output(testPool(), byTailnet)).toContain('which is not asked here');
    expect(server.tried).toEqual([]);
  });
});
