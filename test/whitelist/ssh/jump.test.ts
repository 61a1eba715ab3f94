import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Host } from '../../../src/core/command.ts';
import { trustHost } from '../../../src/whitelist/ssh/trust.ts';
import { recordingLogger } from '../../fakes/logger.ts';
import { needs } from '../../needs.ts';
import { listening } from '../../twins/listening.ts';
import { type Sshd, startSshd } from '../../twins/sshd.ts';
import { output, testPool, until } from './pooled.ts';

needs('sshd')('jump hosts', () => {
  let bastion: Sshd;
  let inner: Sshd;
  const logged = new Map<Sshd, number>();
  beforeAll(async () => {
    // One session a connection, to see that what is forwarded does not count as one.
    bastion = await startSshd({ maxSessions: 1, config: ['LogLevel DEBUG1'] });
    inner = await startSshd();
  });
  afterAll(async () => {
    for (const one of [bastion, inner, ...others]) await one.stop();
  });

  const others: Sshd[] = [];
  const another = async (options?: Parameters<typeof startSshd>[0]) => {
    const started = await startSshd(options);
    others.push(started);
    return started;
  };
  const jumpHost = (over: Partial<Host> = {}) => bastion.host({ name: 'bastion', ...over });
  const target = (over: Partial<Host> = {}) => inner.host({ name: 'inner', jump: 'bastion', ...over });
  const mark = () => [bastion, inner].map((sshd) => logged.set(sshd, sshd.log().length));
  const since = (sshd: Sshd) => sshd.log().slice(logged.get(sshd));
  const logins = (sshd: Sshd) => since(sshd).match(/Accepted publickey/g)?.length ?? 0;
  const poolWith = (...inventory: Host[]) => testPool({ inventory });

  it('lead to a host over one kept connection, each with its own login', async () => {
    mark();
    const pool = poolWith(jumpHost());

    const outputs = await Promise.all(
      Array.from({ length: 20 }, (_, n) => output(pool, target({ name: `inner-${n}` }), `echo ${n}`)),
    );

    expect(outputs).toEqual(Array.from({ length: 20 }, (_, n) => `${n}\n`));
    expect([logins(bastion), logins(inner)]).toEqual([1, 20]);
    expect(since(bastion).match(/request direct-tcpip|ctype direct-tcpip/g)).toHaveLength(20);
    expect(await output(pool, jumpHost())).toBe('here\n');
    expect(logins(bastion)).toBe(1);
    pool.close();
  });

  it('may be behind one another', async () => {
    const pool = poolWith(jumpHost(), jumpHost({ name: 'second', jump: 'bastion' }));

    expect(await output(pool, target({ jump: 'second' }))).toBe('here\n');
    pool.close();
  });

  it('are not trusted with the key of the host behind them', async () => {
    mark();
    const pool = poolWith(jumpHost());
    const { hostKey } = jumpHost();

    expect(await output(pool, target({ hostKey }))).toContain('the host key of inner is not the pinned one');
    expect(since(inner)).not.toMatch(/Accepted|Failed|authenticating user/);
    pool.close();
  });

  it('are told to be at fault when they are, with nothing said against the host behind', async () => {
    const wrongKey = jumpHost({ hostKey: { kind: 'fingerprint', sha256: `SHA256:${'A'.repeat(43)}` } });
    const down = poolWith(jumpHost({ port: 1 }));
    const changed = poolWith(wrongKey);

    for (const times of ['', / \(tried \d s ago; next try in \d s\)$/]) {
      const problem = await output(down, target());
      expect(problem).toContain(
        'inner is reached through bastion, and that failed: bastion (127.0.0.1:1) refused',
      );
      expect(problem).toMatch(times);
      expect(problem.match(/tried/g)?.length ?? 0).toBe(times === '' ? 0 : 1);
    }
    expect(await output(changed, target())).toContain(
      'through bastion, and that failed: the host key of bastion',
    );
    expect(await output(poolWith(), target())).toBe(
      'inner is reached through bastion, which is not in the inventory',
    );
    const circle = [jumpHost({ jump: 'second' }), jumpHost({ name: 'second', jump: 'bastion' })];
    expect(await output(poolWith(...circle), target())).toBe('the jump hosts of inner lead back to bastion');
  });

  it('say which of the two is at fault when they answer', async () => {
    const strict = await another({ config: ['AllowTcpForwarding no'] });
    const silent = await listening(createServer());
    const pool = testPool({
      inventory: [jumpHost(), strict.host({ name: 'strict' })],
      connectTimeoutMs: 300,
    });

    expect(await output(pool, target({ port: 1 }))).toBe(
      'bastion, through which inner is reached, answers, and inner (127.0.0.1:1) refused the connection',
    );
    expect(await output(pool, target({ name: 'other', jump: 'strict' }))).toContain(
      'strict, through which other is reached, does not forward connections',
    );
    expect(await output(pool, target({ name: 'silent', port: silent.port }))).toContain('then said nothing');
    pool.close();
    await silent.stop();
  });

  it('are not idle while a host behind them is connected, and are closed after it', async () => {
    const [outer, far] = [await another(), await another()];
    const ended = (sshd: Sshd) => sshd.log().match(/Disconnected from user/g)?.length ?? 0;
    const pool = testPool({ inventory: [outer.host({ name: 'bastion' })], idleMs: 150 });
    const leased = await pool.lease(far.host({ name: 'far', jump: 'bastion' }));
    if (!leased.ok) throw new Error(leased.problem);

    // A connection of its own that comes and goes with the same idle time shows that the time has passed.
    await output(pool, far.host({ name: 'direct' }));
    await until(() => ended(far) === 1);
    expect(ended(outer)).toBe(0);

    leased.lease.release();
    await until(() => ended(outer) === 1);
    expect(ended(far)).toBe(2);
    pool.close();
  });

  it('take the connections behind them along when they go away, and are dialled anew', async () => {
    const mortal = await another();
    const pool = poolWith(mortal.host({ name: 'bastion' }), jumpHost({ name: 'spare' }));
    const leased = await pool.lease(target());
    if (!leased.ok) throw new Error(leased.problem);
    const gone = new Promise<void>((resolve) => leased.lease.client.once('close', () => resolve()));

    others.pop();
    await mortal.stop();
    await gone;
    leased.lease.release();

    expect(await output(pool, target())).toContain('inner is reached through bastion, and that failed');
    expect(await output(pool, target({ jump: 'spare' }))).toBe('here\n');
    pool.close();
  });

  it('are gone through by trust, when it is told how', async () => {
    const file = join(inner.dir, 'trusted');
    writeFileSync(file, '');
    const route = { inventory: [jumpHost()], clock: { now: () => Date.now() }, logger: recordingLogger() };

    expect(await trustHost(target(), file, async () => true)).toMatchObject({
      kind: 'failed',
      problem: expect.stringContaining('look at its key from there'),
    });
    expect(await trustHost(target(), file, async () => true, route)).toMatchObject({
      kind: 'added',
      fingerprint: inner.hostKeySha256,
    });
  });
});
