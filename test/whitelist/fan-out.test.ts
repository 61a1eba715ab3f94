/**
 * A command on a group: hosts of the inventory that are one real sshd, of which some say something else, one fails,
 * one is slow, one is dead and one accepts connections and says nothing. Sixteen hosts, fifty with CHECK_DEEP=1.
 */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InMemoryTransport } from '@modelcontextprotocol/client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { mcpToolsOver } from '../../src/backends/tools.ts';
import type { CommandEnd, Host } from '../../src/core/command.ts';
import type { CommandRunner, ToolOutcome } from '../../src/core/ports.ts';
import { fanOut } from '../../src/whitelist/fan-out.ts';
import { createSshRunner } from '../../src/whitelist/ssh/runner.ts';
import { startWhitelistServer } from '../../src/whitelist/start.ts';
import { recordingLogger } from '../fakes/logger.ts';
import { memoryAudit } from '../fakes/memory-audit.ts';
import { signedRequest, testKeys } from '../fakes/requests.ts';
import { needs } from '../needs.ts';
import { type Sshd, startSshd } from '../twins/sshd.ts';
import {
  asked,
  bob,
  call,
  callId,
  host,
  policy,
  type Rig,
  restart,
  spec,
  startRig,
  votedBy,
} from './fixture.ts';

describe('the fan-out', () => {
  it('works on no more than its limit at once, and keeps the order', async () => {
    let now = 0;
    let most = 0;
    const ended: number[] = [];
    const results = await fanOut([5, 1, 4, 2, 3, 0], {
      atOnce: 3,
      signal: new AbortController().signal,
      work: async (n) => {
        now += 1;
        most = Math.max(most, now);
        for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve));
        now -= 1;
        return n * 10;
      },
      unbegun: () => -1,
      onEnded: (n) => ended.push(n),
    });

    expect(results).toEqual([50, 10, 40, 20, 30, 0]);
    expect(most).toBe(3);
    expect(ended).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('begins nothing further once it is stopped', async () => {
    const stop = new AbortController();
    const begun: number[] = [];
    const results = await fanOut([1, 2, 3, 4], {
      atOnce: 1,
      signal: stop.signal,
      work: async (n) => {
        begun.push(n);
        if (n === 2) stop.abort();
        return n;
      },
      unbegun: () => 0,
    });

    expect(begun).toEqual([1, 2]);
    expect(results).toEqual([1, 2, 0, 0]);
  });
});

const ranOn = (outcome: ToolOutcome) =>
  outcome.kind === 'result' ? outcome.result : expect.fail(JSON.stringify(outcome));

describe('a tool on a group', () => {
  let rig: Rig;
  const named = (name: string, ...tags: string[]): Host => ({ ...host, name, tags });
  beforeEach(async () => {
    rig = await startRig();
    rig.given.hosts = [named('web-1', 'web', 'eu'), named('web-2', 'web'), named('db-1', 'db', 'eu')];
    await rig.restart();
  });
  afterEach(() => rig.close());

  it.each([
    ['@web', ['web-1', 'web-2']],
    ['@web&eu', ['web-1']],
    ['all', ['web-1', 'web-2', 'db-1']],
    ['db-1,web-2', ['web-2', 'db-1']],
  ])('given %s runs on %j and is one result', async (expression, hosts) => {
    const result = ranOn(await call(rig, 'check_disk', { host: expression }));

    expect(rig.runner.ran.map((r) => r.host.name).sort()).toEqual([...hosts].sort());
    expect(result.ran.flatMap((r) => [r.host, ...(r.sameOn ?? [])])).toEqual(hosts);
    expect(result.isError).toBe(false);
  });

  it('judges and audits each host by itself; one that is refused is a line and not the end of all', async () => {
    rig.given.policy = {
      ...policy,
      ask: policy.ask.map((rule) => ({ ...rule, hosts: ['@web'] })),
    };

    const result = ranOn(await call(rig, 'check_disk', { host: 'all' }));

    expect(result.summary).toBe('2 of 2 agree; 1 not run');
    expect(result.notRun).toMatchObject([{ command: 'disk_usage', hosts: ['db-1'] }]);
    expect(result.text).toContain('db-1: not run: ');
    expect(rig.audit.events.map((e) => [e.kind, e.data?.host])).toEqual(
      expect.arrayContaining([
        ['command.started', 'web-1'],
        ['command.started', 'web-2'],
        ['command.ended', 'web-2'],
        ['call.refused', 'db-1'],
      ]),
    );
  });

  it('is refused as one where no host of it may be asked', async () => {
    const outcome = await call(rig, 'execute_command', { command_name: 'only_web', host: 'db-1' });
    const all = await call(
      rig,
      'execute_command',
      { command_name: 'hostname', host: '@nobody' },
      { requests: [asked(rig.clock)] },
    );

    expect(outcome.kind).toBe('refused');
    expect(ranOn(all)).toMatchObject({
      isError: true,
      text: expect.stringContaining('No host has the tag "nobody"'),
    });
    expect(rig.runner.ran).toEqual([]);
  });

  it('counts all its hosts to the budget of the run', async () => {
    rig.given.policy = {
      ...policy,
      budget: { ...rigBudget, hosts: 2 },
    };

    const result = ranOn(await call(rig, 'check_disk', { host: 'all' }));

    expect(rig.runner.ran).toHaveLength(2);
    expect(result.summary).toBe('2 of 2 agree; 1 not run');
    expect(result.notRun?.[0]?.reason).toContain('2 hosts');
  });

  it('folds each of several commands by itself', async () => {
    rig.runner.answer = (command) => ({
      end: { kind: 'exited', code: 0 },
      stdout: command.command === 'hostname' ? `${command.host}\n` : 'same\n',
      stderr: '',
      truncated: false,
      ms: 1,
    });

    const result = ranOn(await call(rig, 'system_overview', { host: 'all' }));

    expect(result.summary).toBe('4 commands on 3 hosts');
    expect(result.text).toContain('hostname on 3 hosts: 3 answered, each differently.');
    expect(result.text).toContain('uptime on 3 hosts: 3 of 3 agree.');
    expect(result.text).toMatch(/<output [^>]*command="hostname">\nweb-1: web-1\nweb-2: web-2\ndb-1: db-1\n/);
  });

  it('asks people once for a change, and runs it one host after another until one fails', async () => {
    for (const on of rig.given.hosts) rig.given.keys.set(on.name, ['SHA256:first']);
    const change = { ...restart, host: 'all' };
    const question = await call(rig, 'execute_command', change);
    if (question.kind !== 'approval') throw new Error(JSON.stringify(question));
    rig.runner.answer = (command) => ({
      end: { kind: 'exited', code: command.host === 'web-2' ? 1 : 0 },
      stdout: '',
      stderr: '',
      truncated: false,
      ms: 1,
    });
    const { request } = question;
    const grant = { sealed: request.sealed, votes: [votedBy(bob, request, rig.clock)] };

    const result = ranOn(await call(rig, 'execute_command', change, { grant }));

    expect(request.subject.targets.map((t) => t.host)).toEqual(['web-1', 'web-2', 'db-1']);
    const changed = rig.runner.ran.filter((r) => r.command.command === 'restart_service');
    expect(changed.map((r) => r.host.name)).toEqual(['web-1', 'web-2']);
    expect(result.summary).toBe('2 answered, each differently; 1 failed; 1 not run');
    expect(result.notRun).toMatchObject([{ hosts: ['db-1'], reason: expect.stringContaining('web-2') }]);
    expect(readdirSync(join(rig.dataDir, 'locks'))).toEqual([]);
  });

  it('stops with its call: what has begun is ended, what has not is not begun', async () => {
    rig.given.hosts = Array.from({ length: 60 }, (_, i) => named(`h-${i}`));
    await rig.restart();
    rig.runner.hold();
    const stop = new AbortController();
    const answer = call(rig, 'check_disk', { host: 'all' }, { signal: stop.signal });
    await rig.runner.begun(50);
    stop.abort();

    const result = ranOn(await answer);
    expect(rig.runner.ran).toHaveLength(50);
    expect(result.summary).toBe('50 of 50 agree (failed); 10 not run');
  });

  it('keeps what it says within its room and what is stored small, whatever two hundred hosts print', async () => {
    rig.given.hosts = Array.from({ length: 200 }, (_, i) => named(`host-number-${i}`));
    await rig.restart();
    rig.runner.answer = (command) => ({
      end: { kind: 'exited', code: 0 },
      stdout: `${`${command.host} line\n`.repeat(3)}${'x y\n'.repeat(1_000)}`,
      stderr: '',
      truncated: false,
      ms: 1,
    });

    const result = ranOn(await call(rig, 'system_overview', { host: 'all' }));

    expect(result.text.length).toBeLessThan(40_000);
    expect(JSON.stringify(result.ran).length).toBeLessThan(60_000);
    expect(result.ran.length).toBeLessThanOrEqual(60);
  });
});

const rigBudget = {
  turns: 30,
  calls: 100,
  hosts: 200,
  seconds: 7200,
  tokens: 3_000_000,
  openApprovals: 5,
  repeats: 5,
};

/** Hosts that say the same. This machine is all of them, with their shells. */
const ALIKE = process.env.CHECK_DEEP ? 43 : 9;

needs('sshd', 'ssh-keygen')('many hosts over SSH', () => {
  let sshd: Sshd;
  let runner: CommandRunner;
  let silent: Server;
  const held: Socket[] = [];
  const dir = mkdtempSync(join(tmpdir(), 'opsagent-fan-out-'));
  let hosts: Host[];
  const took = new Map<string, { from: number; to: number; end: CommandEnd }>();

  const program = (name: string, text: string): string => {
    mkdirSync(join(dir, name));
    writeFileSync(join(dir, name, 'facts'), `#!/bin/sh\n${text}\n`);
    chmodSync(join(dir, name, 'facts'), 0o755);
    return `${join(dir, name)}:/usr/bin:/bin`;
  };

  beforeAll(async () => {
    mkdirSync(join(dir, 'keys'));
    writeFileSync(join(dir, 'keys', 'decision.pub'), testKeys.publicPem);
    sshd = await startSshd({ config: ['MaxStartups 200'] });
    silent = createServer((socket) => held.push(socket));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const deadPort = (closed.address() as AddressInfo).port;
    await new Promise((resolve) => closed.close(resolve));

    const lines = (n: number) => `for i in 1 2 3 4 5 6 7 8 9; do echo "package-$i 1.$((i == ${n}))"; done`;
    const same = program('same', lines(0));
    const other = program('other', lines(5));
    const failing = program('failing', 'echo broken >&2; exit 3');
    const slow = program('slow', `sleep 1; ${lines(0)}`);
    const paths = [
      ...Array.from({ length: ALIKE }, () => same),
      ...Array.from({ length: 3 }, () => other),
      failing,
      slow,
    ];
    hosts = [
      ...paths.map((path, i) => sshd.host({ name: `web-${i + 1}`, path, tags: ['web'] })),
      sshd.host({ name: 'dead', port: deadPort, tags: ['web'] }),
      sshd.host({ name: 'silent', port: (silent.address() as AddressInfo).port, tags: ['web'] }),
    ];
    const ssh = createSshRunner({
      clock: { now: Date.now },
      logger: recordingLogger(),
      // The silent one is given up when all others are over, by its own end: machines may be slow.
      connectTimeoutMs: 60_000,
    });
    runner = {
      ...ssh,
      async run(command, on, ...rest) {
        const from = performance.now();
        const result = await ssh.run(command, on, ...rest);
        took.set(on.name, { from, to: performance.now(), end: result.end });
        if (took.size === hosts.length - 1) for (const socket of held) socket.destroy();
        return result;
      },
    };
  });
  afterAll(async () => {
    await runner.close();
    for (const socket of held) socket.destroy();
    await new Promise((resolve) => silent.close(resolve));
    await sshd.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('take as long as the slowest of them; the dead and the silent one cost the others nothing', async () => {
    const server = await startWhitelistServer({
      catalogue: [spec('facts', 'facts', { timeoutSeconds: 20 })],
      hosts,
      policy,
      runner,
      trustedKeys: async () => ({ ok: true, fingerprints: [sshd.hostKeySha256] }),
      dataDir: dir,
      audit: memoryAudit(),
      redact: (text) => text,
      clock: { now: Date.now },
      logger: recordingLogger(),
      progressEveryMs: 100,
    });
    const tools = mcpToolsOver(
      () => {
        const [near, far] = InMemoryTransport.createLinkedPair();
        server.serve(far);
        return near;
      },
      { logger: recordingLogger(), clock: { now: Date.now } },
    );
    const ask = async (host = '@web') => {
      took.clear();
      const begun = performance.now();
      const outcome = await tools.call(
        {
          callId,
          tool: 'execute_command',
          args: { command_name: 'facts', host },
          requests: [signedRequest('e1', { at: Date.now() - 1000 })],
        },
        new AbortController().signal,
      );
      return { result: ranOn(outcome), wall: performance.now() - begun };
    };
    const slowest = (names: readonly string[]) =>
      Math.max(...names.map((name) => (took.get(name)?.to ?? 0) - (took.get(name)?.from ?? 0)));
    const failing = `web-${ALIKE + 4}`;
    const answering = hosts.slice(0, -2).map((h) => h.name);

    const cold = await ask();
    const coldSlowest = slowest(hosts.map((h) => h.name));

    const ended = answering.map((name) => [name, took.get(name)?.end]);
    expect(ended).toEqual(
      answering.map((name) => [name, { kind: 'exited', code: name === failing ? 3 : 0 }]),
    );
    expect(cold.result.summary).toBe(
      `${ALIKE + 1} of ${ALIKE + 5} agree; 4 differ (1 failed); 2 unreachable`,
    );
    expect(cold.result.ran.map((r) => [r.host, r.end.kind, r.sameOn?.length ?? 0])).toEqual([
      [failing, 'exited', 0],
      [`web-${ALIKE + 1}`, 'exited', 2],
      ['web-1', 'exited', ALIKE],
      ['dead', 'unreachable', 0],
      ['silent', 'unreachable', 0],
    ]);
    expect(cold.result.ran[1]?.differs).toContain('-package-5 1.0\n+package-5 1.1');
    expect(took.size).toBe(hosts.length);
    expect(cold.wall).toBeLessThan(coldSlowest * 1.5 + 500);

    const from = (name: string) => took.get(name)?.from ?? Number.NaN;
    const to = (name: string) => took.get(name)?.to ?? Number.NaN;
    // Nobody waited for the silent one, and the dead one took no time.
    for (const name of answering) expect(from(name)).toBeLessThan(to('silent'));
    expect(to('dead')).toBeLessThan(to('silent'));

    if (process.env.CHECK_DEEP) {
      const warm = await ask();
      const warmSlowest = slowest(answering);
      const lastAnswer = Math.max(...answering.map(to)) - Math.min(...answering.map(from));
      const alone = await ask(answering.join(','));
      const figures = {
        cold: cold.wall,
        coldSlowest,
        warm: warm.wall,
        warmSlowest,
        lastAnswer,
        alone: alone.wall,
      };
      process.stderr.write(`fan-out of 50, ms: ${JSON.stringify(figures)}\n`);
      expect(warm.result.summary).toBe(cold.result.summary);
    }
    await tools.close();
  }, 120_000);
});
