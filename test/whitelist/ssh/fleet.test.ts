import { createServer } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Host } from '../../../src/core/command.ts';
import type { Leased } from '../../../src/whitelist/ssh/pool.ts';
import { needs } from '../../needs.ts';
import { listening } from '../../twins/listening.ts';
import { type Sshd, startSshd } from '../../twins/sshd.ts';
import { output, testPool } from './pooled.ts';

/** Hosts by the sshd that stands for them: one listens on 16 addresses at most. */
const ADDRESSES = [13, 13, 12, 12];
const HOSTS = 50;
/** More than there are places for handshakes. */
const HANGING = 25;

needs('sshd')('a fleet', () => {
  const sshds: Sshd[] = [];
  const silent: Awaited<ReturnType<typeof listening>>[] = [];
  const addressesOf = (n: number) =>
    Array.from({ length: ADDRESSES[n] ?? 0 }, (_, i) => `127.0.${n + 1}.${i + 1}`);
  beforeAll(async () => {
    // Each stands for a dozen, so it must not drop what a dozen would take.
    const config = ['MaxStartups 100:30:100'];
    for (const n of ADDRESSES.keys()) sshds.push(await startSshd({ addresses: addressesOf(n), config }));
    for (let n = 0; n < HANGING; n++) silent.push(await listening(createServer()));
  });
  afterAll(async () => {
    for (const server of silent) await server.stop();
    for (const sshd of sshds) await sshd.stop();
  });

  const timeAlone = async () => {
    const pool = testPool();
    const began = performance.now();
    await Promise.all(good().map((host) => pool.lease(host)));
    const ms = performance.now() - began;
    pool.close();
    return ms;
  };
  const good = (): Host[] =>
    sshds.flatMap((sshd, n) => addressesOf(n).map((address) => sshd.host({ name: address, address })));
  const bad = (name: string, port: number): Host[] =>
    sshds.slice(0, 1).map((sshd) => sshd.host({ name, port }));
  const dead = () => bad('dead', 1);
  const hanging = () => silent.flatMap(({ port }, n) => bad(`hanging-${n}`, port));

  it('of fifty is connected to at once; dead and hanging hosts cost the others nothing, and 100 KB each at most', async () => {
    // Whoever waits for a hanging host waits for longer than this test may take.
    const pool = testPool({ connectTimeoutMs: 60_000 });
    const alone = process.env.CHECK_FIGURES ? await timeAlone() : 0;
    for (const host of good().slice(0, 1)) await output(pool, { ...host, name: 'warm' });
    const before = memory();
    const began = performance.now();
    let hung = 0;
    for (const host of hanging()) void pool.lease(host).then(() => (hung += 1));
    const refused = Promise.all(dead().map((host) => pool.lease(host))).then(([leased]) => ({
      leased,
      ms: performance.now() - began,
    }));

    const leased = await Promise.all(good().map((host) => pool.lease(host)));

    const ms = performance.now() - began;
    const each = (memory() - before) / HOSTS;
    expect(leased.filter(({ ok }) => ok)).toHaveLength(HOSTS);
    expect(hung).toBe(0);
    expect((await refused).leased).toMatchObject({ ok: false });
    expect((await refused).ms).toBeLessThan(ms);
    expect(each).toBeLessThan(100 * 1024);
    if (process.env.CHECK_FIGURES)
      console.log(
        `${HOSTS} hosts in ${Math.round(ms)} ms (${Math.round(alone)} ms without the bad ones), ${(each / 1024).toFixed(1)} KB for each kept connection`,
      );
    leased.forEach(release);
    pool.close();
  }, 60_000);

  it('is told at once what is known of a host that failed a moment ago', async () => {
    const pool = testPool({ connectTimeoutMs: 200 });
    const both = () => Promise.all([...dead(), ...hanging().slice(0, 1)].map((host) => pool.lease(host)));
    const first = await both();

    const began = performance.now();
    const second = await both();

    expect(second).toHaveLength(2);
    expect(performance.now() - began).toBeLessThan(150);
    second.forEach((leased, n) => {
      const { problem } = first[n] as { problem: string };
      expect(leased).toEqual({ ok: false, problem: expect.stringContaining(`${problem} (tried 0 s ago`) });
    });
    pool.close();
  });
});

function release(leased: Leased): void {
  if (leased.ok) leased.lease.release();
}

/** Bytes in use by this process's objects and buffers, after all that is not in use is gone. */
function memory(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
