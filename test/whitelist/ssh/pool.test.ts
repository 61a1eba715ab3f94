import { createConnection, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { needs } from '../../needs.ts';
import { listening } from '../../twins/listening.ts';
import { type Sshd, startSshd } from '../../twins/sshd.ts';
import { output, testPool, until } from './pooled.ts';

needs('sshd')('the pool of connections', () => {
  let sshd: Sshd;
  beforeAll(async () => {
    sshd = await startSshd();
  });
  afterAll(() => sshd.stop());

  const loginsSince = (from: number) =>
    sshd
      .log()
      .slice(from)
      .match(/Accepted publickey/g)?.length ?? 0;
  const leaseAll = async (pool: ReturnType<typeof testPool>, count: number) => {
    const all = await Promise.all(Array.from({ length: count }, () => pool.lease(sshd.host())));
    return all.map((leased) => {
      if (!leased.ok) throw new Error(leased.problem);
      return leased.lease;
    });
  };

  it('sets one connection up for all who ask at once, and another for each eight', async () => {
    const from = sshd.log().length;
    const pool = testPool();

    const leases = await leaseAll(pool, 17);

    const clients = leases.map(({ client }) => client);
    expect([...new Set(clients)].map((client) => clients.filter((one) => one === client).length)).toEqual([
      8, 8, 1,
    ]);
    expect(loginsSince(from)).toBe(3);
    expect(leases.filter(({ kept }) => !kept)).toHaveLength(3);
    leases[0]?.release();
    leases[0]?.release();
    expect((await leaseAll(pool, 8)).map(({ client }) => clients.indexOf(client))).toEqual([
      0,
      ...Array(7).fill(16),
    ]);
    pool.close();
  });

  it('lets a connection that is no longer wanted finish what runs on it', async () => {
    const pool = testPool();
    const [first, second] = await leaseAll(pool, 2);
    if (first === undefined || second === undefined) throw new Error('no lease');
    const closed = new Promise<void>((resolve) => first.client.once('close', () => resolve()));

    first.retire();
    first.release();
    const [third] = await leaseAll(pool, 1);

    expect(third?.client).not.toBe(second.client);
    second.release();
    await closed;
    pool.close();
  });

  it('notices a connection on which nothing comes any more, and makes another', async () => {
    const pipes: Socket[] = [];
    const relay = await listening(
      createServer((socket) => {
        const to = createConnection({ host: '127.0.0.1', port: sshd.port }).on('error', () => {});
        pipes.push(
          socket.on('error', () => {}),
          to,
        );
        socket.pipe(to);
        to.pipe(socket);
        socket.once('close', () => to.destroy());
      }),
    );
    const pool = testPool({ keepAliveMs: 50 });
    const host = sshd.host({ name: 'relayed', port: relay.port });
    const leased = await pool.lease(host);
    if (!leased.ok) throw new Error(leased.problem);
    let closed = false;
    leased.lease.client.once('close', () => {
      closed = true;
    });

    for (const socket of pipes) socket.unpipe().pause();
    await until(() => closed);
    leased.lease.release();

    expect(await output(pool, host)).toBe('here\n');
    expect(pipes).toHaveLength(4);
    pool.close();
    await relay.stop();
  });

  it('gives nothing once it is closed', async () => {
    const pool = testPool();
    pool.close();

    expect(await pool.lease(sshd.host())).toEqual({ ok: false, problem: 'opsagent is stopping' });
  });
});
