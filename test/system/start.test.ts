/**
 * `opsagent start` and the commands beside it, on nothing but this machine: defaults, answers, exit codes, restarts.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BoardEntry } from '../../src/core/ports.ts';
import type { CardView } from '../../src/core/view.ts';
import { until } from '../contract/until.ts';
import { needs } from '../needs.ts';
import { newProgram, type Program, patienceMs } from './program.ts';

const limit = 90_000;

const cardsOf = async (program: Program, thread: string) => {
  const { entries } = await program.api<{ entries: BoardEntry[] }>(`/api/threads/${thread}`);
  return entries.flatMap((e) => (e.view.kind === 'card' ? [e.view] : [])) as readonly CardView[];
};

needs('redis-server')('opsagent start with nothing configured', () => {
  let program: Program;
  let started: Awaited<ReturnType<Program['start']>>;
  beforeAll(async () => {
    program = await newProgram();
    started = await program.start();
  }, limit);
  afterAll(() => program.close());

  it('says what was chosen and which variable replaces it', () => {
    const printed = started.printed();

    for (const row of [
      /redis .*private redis-server.*REDIS_URL/,
      /model .*rehearsal model.*ANTHROPIC_API_KEY/,
      /hosts .*this machine.*REMOTE_HOST/,
      /data .*OPSAGENT_DATA_DIR/,
      new RegExp(`http://127.0.0.1:${program.port}/\\?token=`),
    ])
      expect(printed).toMatch(row);
  });

  it.each([
    ['Check the server status', /up for|load average/],
    ['How much disk space is available?', /% full/],
    ['Show me the memory usage', /Memory on local/],
    ['Give me a system overview', /Memory on local/],
    ['What commands can you run?', /disk_usage/],
    ['Is the docker service running?', /docker|systemd/],
    ['Check the size of /var/log', /\/var\/log/],
  ])(
    'answers "%s"',
    async (text, answer) => {
      const { code, stdout, stderr } = await program.run('ask', text);

      expect({ code, stderr }).toMatchObject({ code: 0 });
      expect(stdout).toMatch(/^Rehearsal model/);
      expect(stdout).toMatch(answer);
    },
    limit,
  );

  it(
    'runs one command with its output on stdout and its success as exit code',
    async () => {
      const fine = await program.run('run', 'disk_usage_path', 'path=/etc/hostname');
      const failing = await program.run('run', 'disk_usage_path', 'path=/nowhere/at/all');

      expect([fine.code, failing.code]).toEqual([0, 1]);
      expect(fine.stdout).toContain('/etc/hostname');
      expect(fine.stderr).toContain('exit 0');
    },
    limit,
  );

  it(
    'prints one object for --json',
    async () => {
      const { code, stdout } = await program.run('run', 'uptime', '--json');

      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({
        status: 'finished',
        calls: [{ status: 'ok', ran: [{ host: 'local' }] }],
      });
    },
    limit,
  );

  it(
    'refuses what cannot be right before it is asked, all at once',
    async () => {
      const { code, stderr } = await program.run('run', 'disk_usage_pat', 'nonsense', 'a=b');
      const unknown = await program.run('run', 'disk_usage_pat', 'a=b', '--host', 'nowhere');

      expect([code, unknown.code]).toEqual([2, 2]);
      expect(stderr).toContain('nonsense');
      expect(unknown.stderr).toMatch(/disk_usage_path[\s\S]*nowhere/);
    },
    limit,
  );

  it(
    'refuses a value that its type does not have, and runs nothing',
    async () => {
      const { code, stdout, stderr } = await program.run(
        'run',
        'disk_usage_path',
        'path=--files0-from=/etc/passwd',
      );

      expect(code).not.toBe(0);
      expect(stdout + stderr).not.toContain('root:');
    },
    limit,
  );

  it(
    'answers exit code 4 for what waits for an approval, and 0 for its id with --no-wait',
    async () => {
      const waiting = await program.run('run', 'practice_change');
      const left = await program.run('run', 'practice_change', '--no-wait');

      expect(waiting.code).toBe(4);
      expect(waiting.stderr).toContain('needs approval (1 of owner)');
      expect([left.code, left.stdout]).toEqual([0, expect.stringMatching(/^r[0-9a-f]{20} in thread t/)]);
    },
    limit,
  );

  it(
    'can be asked while a file of the configuration is broken',
    async () => {
      const folder = join(program.dir, 'config');
      mkdirSync(folder);
      writeFileSync(join(folder, 'policy.yaml'), 'people: {');

      const { code } = await program.run('ask', 'Show me the memory usage');
      rmSync(folder, { recursive: true });

      expect(code).toBe(0);
    },
    limit,
  );

  it(
    'is not started a second time on the same data',
    async () => {
      const { code, stderr } = await program.run('start');

      expect(code).toBe(2);
      expect(stderr).toContain(`process ${started.child.pid}`);
    },
    limit,
  );

  it(
    'keeps a whole audit log',
    async () => {
      const verified = await program.run('audit', 'verify');
      const shown = await program.run('audit', 'show', '--json');

      expect(verified.code).toBe(0);
      expect(verified.stdout).toMatch(/✓ start: .*\n.*\n✓ whitelist: /);
      const kinds = shown.stdout
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { kind: string }).kind);
      expect(kinds).toEqual(expect.arrayContaining(['request.accepted', 'command.started', 'command.ended']));
    },
    limit,
  );
});

needs('redis-server')('opsagent that is ended', () => {
  let program: Program;
  beforeEach(async () => {
    program = await newProgram();
  });
  afterEach(() => program.close());

  it(
    'by SIGTERM stops everything within five seconds and shows the same threads again',
    async () => {
      const first = await program.start();
      await program.run('ask', 'How much disk space is available?');
      const socket = join(program.dataDir, 'redis', 'redis.sock');
      const before = performance.now();

      first.child.kill('SIGTERM');
      const { code } = await first.ended;

      expect(code).toBe(0);
      expect(performance.now() - before).toBeLessThan(5_000);
      expect(existsSync(socket)).toBe(false);
      await program.start();
      const { threads } = await program.api<{ threads: { title: string }[] }>('/api/threads');
      expect(threads.map((t) => t.title)).toEqual(['How much disk space is available?']);
    },
    limit,
  );

  it(
    'by kill -9 while an approval waits goes on at the next start, and the change runs once',
    async () => {
      const first = await program.start();
      const { stdout } = await program.run('run', 'practice_change', '--no-wait');
      const thread = stdout.trim().split(' ').at(-1) ?? '';
      await until('the card', async () => (await cardsOf(program, thread)).length === 1, patienceMs);
      first.child.kill('SIGKILL');
      await first.ended;
      await until(
        'the private redis to end',
        () => !existsSync(join(program.dataDir, 'redis', 'redis.sock')),
        patienceMs,
      );

      await program.start();
      const [card] = await cardsOf(program, thread);
      const clicks = Array.from({ length: 5 }, (_, i) =>
        program.api<{ kind: string }>('/api/decide', {
          approval: card?.approvalId,
          digest: card?.digest,
          verdict: 'approve',
          id: `click-00${i}`,
        }),
      );
      const decided = await Promise.all(clicks);
      await until(
        'the outcome',
        async () => (await cardsOf(program, thread))[0]?.outcome === 'exit 0',
        patienceMs,
      );

      expect(decided.map((d) => d.kind).sort()).toEqual(['counted', 'late', 'late', 'late', 'late']);
      expect(readdirSync(join(program.dataDir, 'spent'))).toHaveLength(1);
      const shown = await program.run('audit', 'show', '--json', '--last', '1000');
      const starts = shown.stdout.split('\n').filter((line) => line.includes('"kind":"command.started"'));
      expect(starts).toHaveLength(1);
    },
    limit,
  );

  it(
    'before it was ready leaves nothing behind: a taken port is one clear sentence',
    async () => {
      const other = createServer();
      await new Promise<void>((resolve) => other.listen(program.port, '127.0.0.1', resolve));

      const { code, stdout, stderr } = await program.run('start');

      expect(code).toBe(2);
      expect(stderr).toContain('UI_PORT');
      expect(stdout + stderr).not.toMatch(/\n\s+at /);
      expect(existsSync(join(program.dataDir, 'redis', 'redis.sock'))).toBe(false);
      await new Promise((resolve) => other.close(resolve));
    },
    limit,
  );
});

describe('opsagent where no Redis is installed', () => {
  it(
    'uses the stand-in, says that it keeps nothing, and answers',
    async () => {
      const program = await newProgram();
      const empty = join(program.dir, 'bin');
      mkdirSync(empty);

      const started = await program.start({ PATH: empty });
      const { code, stdout } = await program.run('ask', 'How much disk space is available?');

      expect(started.printed()).toMatch(/stand-in[\s\S]*are lost at a stop/);
      expect(code).toBe(0);
      expect(stdout).toContain('% full');
      await program.close();
    },
    limit,
  );
});

describe('opsagent with a wrong configuration', () => {
  it(
    'names every problem at once, by variable or file and line, and starts nothing',
    async () => {
      const program = await newProgram();
      mkdirSync(join(program.dir, 'config'));
      writeFileSync(
        join(program.dir, 'config', 'commands.yaml'),
        'commands:\n  - name: a\n    descripton: x\n',
      );
      writeFileSync(join(program.dir, 'config', 'policy.yaml'), 'people: {}\nasks: []\n');
      writeFileSync(join(program.dir, '.env'), 'MAX_TOKENS=lots\nOPSAGENT_DATADIR=/tmp\n');

      const { code, stderr } = await program.run('start');

      expect(code).toBe(2);
      for (const problem of [
        /MAX_TOKENS/,
        /OPSAGENT_DATA_?DIR/,
        /config\/commands\.yaml:\d+:\d+/,
        /config\/policy\.yaml:2:\d+.*ask/,
      ])
        expect(stderr).toMatch(problem);
      expect(stderr).not.toMatch(/\n\s+at /);
      expect(existsSync(program.dataDir)).toBe(false);
      await program.close();
    },
    limit,
  );

  it(
    'says where to start it when nothing runs',
    async () => {
      const program = await newProgram();

      const { code, stderr } = await program.run('ask', 'hello');

      expect(code).toBe(1);
      expect(stderr).toContain('opsagent start');
      await program.close();
    },
    limit,
  );
});
