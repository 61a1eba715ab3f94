/**
 * The gate behind a real sshd, installed by the script that `opsagent gate install` prints, for users with each login
 * shell: what somebody with the bot's key can do, and what root does for it. Only root can make users.
 */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CommandResult, CommandSpec, Host } from '../../../src/core/command.ts';
import type { CommandRunner } from '../../../src/core/ports.ts';
import { createFrame } from '../../../src/whitelist/frame.ts';
import { installScript, publicKeyOf } from '../../../src/whitelist/remote-gate/install.ts';
import { gateLine } from '../../../src/whitelist/remote-gate/request.ts';
import { gateScript } from '../../../src/whitelist/remote-gate/script.ts';
import { render } from '../../../src/whitelist/render.ts';
import { createSshRunner } from '../../../src/whitelist/ssh/runner.ts';
import { until } from '../../contract/until.ts';
import { recordingLogger } from '../../fakes/logger.ts';
import { needs } from '../../needs.ts';
import { programPath } from '../../system-packages.mjs';
import {
  addUser,
  type LoginUser,
  removeLeftoverUsers,
  removeUser,
  type Sshd,
  startSshd,
} from '../../twins/sshd.ts';
import { spec } from '../catalogue.ts';
import { gateHost, MARKER, param, rawLines, rawRequest, requestFor } from './gate-fixture.ts';

const SHELLS = ['dash', 'bash', 'zsh', 'fish', 'tcsh', 'ksh'] as const;
const suite = 'the gate behind sshd';
if (process.getuid?.() === 0)
  needs('sshd', 'useradd', 'userdel', 'sudo', 'visudo', ...SHELLS)(suite, gateSuite);
else describe.skip(`${suite} (only root can make users)`, gateSuite);

function gateSuite(): void {
  const run = randomBytes(4).toString('hex');
  /** Seconds that stand for this run in the list of processes. */
  const nap = 1_000_000 + randomBytes(3).readUIntBE(0, 3);
  const users = new Map<string, LoginUser>();
  let folder = '';
  let sshd: Sshd | undefined;
  let gateFile = '';
  const whoami = spec('who', 'id -un; printf "%s|" {x}; cat -- {file}', {
    params: [
      param('x', { kind: 'text', maxLength: 50 }),
      param('file', { kind: 'path', roots: ['/etc'] }, { default: '/etc/hostname' }),
    ],
  });
  const asRoot = { sudo: true } as const;
  const sudo = (name: string, text: string, over: Partial<CommandSpec> = {}) =>
    spec(name, `sudo -n -- ${text}`, { ...over, ...asRoot });
  const rooted = sudo('rooted', 'id -un | sed s/^/is-/');
  const valued = sudo('valued', 'printf %s,%s {a} {b}', {
    params: [param('a', { kind: 'unit' }), param('b', { kind: 'text', maxLength: 9 }, { optional: true })],
  });
  const forbidden = sudo('forbidden', 'id -u', { hosts: ['elsewhere'] });
  const sleeping = sudo('sleeping', `sleep ${nap}0`, { timeoutSeconds: 60 });
  const printing = spec('printing', `echo begun; sleep ${nap}1`, { timeoutSeconds: 60 });
  const brief = spec('brief', `sleep ${nap}2 & setsid sleep ${nap}2`, { timeoutSeconds: 1 });
  const appending = spec(
    'appending',
    'echo x >>"$HOME/appended"; until [ -e "$HOME/go-on" ]; do sleep 0.05; done; echo out; echo err >&2; exit 3',
    { timeoutSeconds: 20 },
  );
  const unknown = spec('unknown', 'id');
  const commands = [whoami, rooted, valued, forbidden, sleeping, printing, brief, appending];

  const sudoersFile = (name: string) => `/etc/sudoers.d/opsagent-gate-${name}`;
  const removeAll = (): void => {
    for (const { name } of users.values()) {
      rmSync(sudoersFile(name), { force: true });
      removeUser(name);
    }
    users.clear();
    if (folder !== '') rmSync(folder, { recursive: true, force: true });
  };

  beforeAll(async () => {
    process.once('exit', removeAll);
    removeLeftoverUsers();
    folder = mkdtempSync(join(tmpdir(), 'opsagent-logins-'));
    chmodSync(folder, 0o755);
    gateFile = join(folder, 'lib/gate');
    sshd = await startSshd({ authorizedKeysFile: '.ssh/authorized_keys' });
    writeFileSync(join(folder, 'sshd'), sshd.dir);
    const key = publicKeyOf(readFileSync(sshd.clientKeyFile), undefined);
    if (!key.ok) throw new Error(key.problem);
    for (const shell of SHELLS) {
      const user = {
        name: `oat${run}${shell.charAt(0)}`,
        home: join(folder, shell),
        shellPath: programPath(shell) ?? '',
      };
      users.set(shell, user);
      mkdirSync(join(user.home, '.ssh'), { recursive: true });
      // A line for everything, as an administrator may have left it: the script takes it out.
      writeFileSync(join(user.home, '.ssh/authorized_keys'), readFileSync(`${sshd.clientKeyFile}.pub`));
      addUser(user);
      execFileSync('chown', [user.name, user.home]);
      const host = { ...gateHost, user: user.name };
      const gate = gateScript(commands, host, gateFile);
      const script = installScript({ host, gate, publicKey: key.publicKey, from: '127.0.0.1', gateFile });
      execFileSync('sh', ['-s'], { input: script, stdio: ['pipe', 'pipe', 'pipe'] });
    }
  }, 60_000);
  afterAll(async () => {
    try {
      await sshd?.stop();
    } finally {
      removeAll();
      process.off('exit', removeAll);
    }
  });

  const client = (program: 'ssh' | 'sftp' | 'scp', args: readonly string[]) => {
    if (sshd === undefined) throw new Error('no sshd');
    const known = join(folder, 'known');
    const options = [
      '-o',
      'BatchMode=yes',
      '-o',
      'StrictHostKeyChecking=no',
      '-o',
      `UserKnownHostsFile=${known}`,
    ];
    const port = [program === 'ssh' ? '-p' : '-P', String(sshd.port)];
    return spawn(program, ['-q', '-F', 'none', '-i', sshd.clientKeyFile, ...options, ...port, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  };
  const outcome = async (program: 'ssh' | 'sftp' | 'scp', args: readonly string[]) => {
    const child = client(program, args);
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    const frame = createFrame(MARKER, 10_000);
    frame.push(Buffer.from(stdout));
    return { code, stdout, stderr, status: frame.status, body: frame.body().toString() };
  };
  const at = (shell: string) => `${users.get(shell)?.name}@127.0.0.1`;

  describe.each(SHELLS)('where the login shell is %s', (shell) => {
    const pwned = () => join(folder, shell, 'PWNED');

    it('runs a request as that user', async () => {
      const answer = await outcome('ssh', [at(shell), requestFor(whoami, { x: `$(id) \`id\` 'a' "!` })]);

      const hostname = readFileSync('/etc/hostname', 'utf8');
      expect([answer.code, answer.status]).toEqual([0, 0]);
      expect(answer.body).toBe(`${users.get(shell)?.name}\n$(id) \`id\` 'a' "!|${hostname}`);
    });

    // The login shell only starts the gate: the two that differ most, all with CHECK_DEEP=1.
    const isDeep = ['dash', 'tcsh'].includes(shell) || process.env.CHECK_DEEP;
    it.runIf(isDeep)('refuses shell text, logins, terminals, files and forged requests', async () => {
      const target = pwned();
      // What is in a request does not reach the login shell: forged ones are sent to one of them.
      const forged = [
        [at(shell), requestFor(whoami, { x: 'a' }).slice(0, -4)],
        [at(shell), rawRequest(rawLines(whoami, ['x=a'], { id: 'only_here' }))],
        [at(shell), rawRequest(rawLines(whoami, ['x=a'], { digest: 'f'.repeat(64) }))],
        [at(shell), rawRequest(rawLines(whoami, ['x=a\nb', 'file=/etc/hostname']))],
        [at(shell), rawRequest(rawLines(whoami, ['x=a', 'file=/etc/hostname', 'y=1']))],
        [at(shell), rawRequest(rawLines(whoami, ['x=a', `file=/root/.ssh/id`]))],
      ];
      const bad = [
        [at(shell), `id; touch ${target}`],
        [at(shell), `touch ${target}`],
        [at(shell)],
        ...(shell === 'dash' || process.env.CHECK_DEEP ? forged : forged.slice(0, 1)),
      ];
      const answers = await inTurns(bad, (args) => outcome('ssh', args));

      expect(answers.map(({ code }) => code)).toEqual(bad.map(() => 65));
      for (const { stdout, stderr } of answers) {
        expect(stdout).toBe('');
        expect(stderr).toMatch(/(^|\n)opsagent gate: [^\n]+\n$/);
      }
      // The client itself gives up where it is given no terminal.
      const terminals = [
        ['-tt', at(shell), `touch ${target}`],
        ['-tt', at(shell)],
      ];
      expect(
        (await inTurns(terminals, (args) => outcome('ssh', args))).map(({ code, stdout }) => [code, stdout]),
      ).toEqual([
        [255, ''],
        [255, ''],
      ]);
      const files = [
        await outcome('sftp', ['-b', '/dev/null', '-s', '/usr/lib/openssh/sftp-server', at(shell)]),
        await outcome('sftp', ['-b', '/dev/null', at(shell)]),
        await outcome('scp', ['-O', '/etc/hostname', `${at(shell)}:${target}`]),
        await outcome('scp', ['/etc/hostname', `${at(shell)}:${target}`]),
      ];
      expect(files.map(({ code }) => code).every((code) => code !== 0)).toBe(true);
      expect(existsSync(target)).toBe(false);
    });

    it.runIf(isDeep)('refuses to forward to and from the host', async () => {
      let reached = 0;
      const inside = createServer((socket) => {
        reached += 1;
        socket.end('secret service\n');
      });
      await new Promise<void>((resolve) => inside.listen(0, '127.0.0.1', resolve));
      const { port } = inside.address() as AddressInfo;

      const stdio = await outcome('ssh', ['-W', `127.0.0.1:${port}`, at(shell)]);
      const back = await outcome('ssh', [
        '-N',
        '-o',
        'ExitOnForwardFailure=yes',
        '-R',
        `0:127.0.0.1:${port}`,
        at(shell),
      ]);

      expect([stdio.code, stdio.stdout, back.code, reached]).toEqual([255, '', 255, 0]);
      inside.close();
    });
  });

  describe('asked by the runner of hosts that have gates', () => {
    const never = new AbortController().signal;
    const runners: CommandRunner[] = [];
    const fresh = (): CommandRunner => {
      const runner = createSshRunner({
        clock: { now: () => performance.now() },
        logger: recordingLogger(),
        gateLine,
      });
      runners.push(runner);
      return runner;
    };
    afterAll(() => Promise.all(runners.map((runner) => runner.close())));
    const hostOf = (shell = 'dash'): Host => {
      if (sshd === undefined) throw new Error('no sshd');
      return sshd.host({ gate: true, user: users.get(shell)?.name ?? '' });
    };
    const commandFor = (command: CommandSpec, values: Readonly<Record<string, string>> = {}) => {
      const rendered = render(command, values, hostOf());
      if (!rendered.ok) throw new Error(rendered.problems.join(' '));
      return rendered.command;
    };

    it('runs a command, and tells what it prints while it runs', async () => {
      const stop = new AbortController();
      const ran = await fresh().run(commandFor(whoami, { x: 'é' }), hostOf(), never);
      const heard = await new Promise<CommandResult>((resolve) => {
        const running = fresh().run(commandFor(printing), hostOf(), stop.signal, () => {
          stop.abort();
          resolve(running);
        });
      });

      expect(ran).toMatchObject({ end: { kind: 'exited', code: 0 }, stderr: '' });
      expect(ran.stdout).toContain(`${hostOf().user}\né|`);
      expect(heard).toMatchObject({ end: { kind: 'cancelled', ended: true }, stdout: 'begun\n' });
      expect(isRunning(`sleep ${nap}1`)).toBe(false);
    });

    it("ends what is stopped and what is over its limit, root's half too", async () => {
      const stop = new AbortController();
      const limited = fresh().run(commandFor(brief), hostOf(), never);
      const stopped = fresh().run(commandFor(sleeping), hostOf(), stop.signal);
      await until('the commands', () => isRunning(`sleep ${nap}0`) && isRunning(`sleep ${nap}2`), 8000);

      stop.abort();

      expect((await stopped).end).toEqual({ kind: 'cancelled', ended: true });
      expect(isRunning(`sleep ${nap}0`)).toBe(false);
      expect((await limited).end).toEqual({ kind: 'timed-out', ended: true });
      expect(isRunning(`sleep ${nap}2`)).toBe(false);
    });

    it('keeps a result that another runner collects, and never begins it twice', async () => {
      const id = `call-${randomBytes(4).toString('hex')}`;
      const command = commandFor(appending);
      const file = join(folder, 'dash', 'appended');
      const first = fresh();
      const running = first.run(command, hostOf(), never, undefined, id);
      await until('the command', () => existsSync(file), 8000);

      const collected = fresh().collect(id, command, hostOf(), never);
      writeFileSync(join(folder, 'dash', 'go-on'), '');

      const result = { end: { kind: 'exited', code: 3 }, stdout: 'out\n', stderr: 'err\n', truncated: false };
      expect([await running, await collected]).toMatchObject([result, result]);
      expect(await fresh().run(command, hostOf(), never, undefined, id)).toMatchObject(result);
      expect(readFileSync(file, 'utf8')).toBe('x\n');
      const record = join(folder, 'dash', '.local/state/opsagent', id);
      expect(existsSync(join(record, 'out'))).toBe(true);
      await first.close();
      expect([existsSync(join(record, 'out')), existsSync(join(record, 'exit'))]).toEqual([false, true]);
    });

    it('has nothing to collect where nothing began', async () => {
      expect(await fresh().collect('call-none', commandFor(whoami, { x: 'a' }), hostOf(), never)).toBe(
        undefined,
      );
    });

    it("says in the gate's own words why nothing was run", async () => {
      const { end } = await fresh().run(commandFor(unknown), hostOf(), never);
      const outside = commandFor(whoami, { x: 'a' });
      const kept = await fresh().run(
        { ...outside, values: { x: 'a', file: '/root/x' } },
        hostOf(),
        never,
        undefined,
        'call-outside',
      );

      expect(end).toEqual({
        kind: 'unreachable',
        problem:
          "the gate of web-1 refused it: there is no command unknown in this host's gate: run opsagent gate install again",
      });
      expect(kept.end).toMatchObject({
        kind: 'unreachable',
        problem: 'the gate of web-1 refused it: who: the value of file is not one that it takes',
      });
    });
  });

  it('refuses what comes through -L and -D', { timeout: 20_000 }, async () => {
    let reached = 0;
    const inside = createServer((socket) => {
      reached += 1;
      socket.end('secret service\n');
    });
    await new Promise<void>((resolve) => inside.listen(0, '127.0.0.1', resolve));
    const { port } = inside.address() as AddressInfo;
    const [local, socks] = [join(folder, 'L'), await freePort()];
    const child = client('ssh', [
      '-N',
      '-L',
      `${local}:127.0.0.1:${port}`,
      '-D',
      `127.0.0.1:${socks}`,
      at('dash'),
    ]);
    await until('the local ends', () => existsSync(local), 8000);

    const through = await Promise.all([
      talk({ path: local }, Buffer.alloc(0)),
      talk(
        { port: socks, host: '127.0.0.1' },
        Buffer.from([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255]),
      ),
    ]);

    expect(through.map((text) => text.includes('secret'))).toEqual([false, false]);
    expect(reached).toBe(0);
    child.kill();
    inside.close();
  });

  it('takes the key from no other address', async () => {
    const keys = readFileSync(join(folder, 'dash/.ssh/authorized_keys'), 'utf8');

    expect(keys).toMatch(/^restrict,command="[^"]+",from="127\.0\.0\.1" ssh-ed25519 \S+ opsagent\n$/);
    writeFileSync(join(folder, 'dash/.ssh/authorized_keys'), keys.replace('127.0.0.1', '100.64.0.0/10'));
    const answer = await outcome('ssh', [at('dash'), requestFor(whoami, { x: 'a' })]);
    writeFileSync(join(folder, 'dash/.ssh/authorized_keys'), keys);

    expect(answer.code).toBe(255);
  });

  it('has lines of sudoers that visudo takes, exact and without wildcards', () => {
    const file = sudoersFile(users.get('dash')?.name ?? '');
    const lines = readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));

    execFileSync(programPath('visudo') ?? '', ['-cqf', file]);
    expect(lines.map((line) => line.split(' as-root ')[1])).toEqual(['rooted', 'valued', 'sleeping', 'end']);
    expect(lines.join('')).not.toMatch(/[*?[\]]|ALL$/);
  });

  it('runs as root what is marked sudo, and only that half of a pipe', async () => {
    const first = await outcome('ssh', [at('dash'), requestFor(rooted)]);
    const second = await outcome('ssh', [at('bash'), requestFor(valued, { a: 'n@1', b: "$(id)' x" })]);
    const third = await outcome('ssh', [at('dash'), requestFor(valued, { a: 'n' })]);

    expect([first.status, first.body]).toEqual([0, 'is-root\n']);
    expect([second.status, second.body]).toEqual([0, "n@1,$(id)' x"]);
    expect([third.status, third.body]).toEqual([0, 'n,']);
  });

  it('lets the login run nothing else as root, nor values that the type does not take', () => {
    const user = users.get('dash')?.name ?? '';
    const as = (command: string, input: string) => {
      try {
        const stdout = execFileSync('sudo', ['-n', '-u', user, 'sh', '-c', `cd /; ${command}`], {
          input,
          stdio: 'pipe',
        });
        return { code: 0, stdout: stdout.toString(), stderr: '' };
      } catch (error) {
        const { status, stdout, stderr } = error as { status: number; stdout: Buffer; stderr: Buffer };
        return { code: status, stdout: stdout.toString(), stderr: stderr.toString() };
      }
    };

    expect(as(`sudo -n -- ${gateFile} as-root valued`, requestFor(valued, { a: 'x' }))).toMatchObject({
      code: 0,
      stdout: 'x,',
    });
    for (const [command, input] of [
      ['sudo -n -- id', ''],
      [`sudo -n -- ${gateFile}`, ''],
      [`sudo -n -- ${gateFile} root valued`, requestFor(valued, { a: 'x' })],
      [`sudo -n -- ${gateFile} as-root valued x`, requestFor(valued, { a: 'x' })],
      [`sudo -n -- ${gateFile} as-root forbidden`, requestFor(forbidden)],
      [`sudo -n -- ${gateFile} as-root who`, requestFor(whoami, { x: 'a' })],
    ] as const) {
      expect([command, as(command, input)]).toMatchObject([command, { code: 1, stdout: '' }]);
    }
    for (const input of [
      '',
      'id',
      requestFor(rooted),
      rawRequest(rawLines(valued, ['a=$(id)'])),
      rawRequest(rawLines(valued, ['a=x', 'b=-n'])),
      rawRequest(rawLines(whoami, ['x=a'])),
    ]) {
      const answer = as(`sudo -n -- ${gateFile} as-root valued`, input);
      expect([input, answer]).toMatchObject([input, { code: 65, stdout: '' }]);
      expect(answer.stderr).toMatch(/^opsagent gate: /);
    }
  });

  it('ends through a second channel what runs as root', { timeout: 20_000 }, async () => {
    const child = client('ssh', [at('dash'), requestFor(sleeping)]);
    const frame = createFrame(MARKER, 1000);
    child.stdout.on('data', (chunk: Buffer) => frame.push(chunk));
    const closed = new Promise((resolve) => child.once('close', resolve));
    await until('the command', () => frame.group !== undefined && isRunning(`sleep ${nap}0`), 8000);
    const lines = [
      'end',
      '0'.repeat(16),
      MARKER,
      String(frame.group),
      rawLines(sleeping, [])[1] ?? '',
      'end',
    ];

    const answer = await outcome('ssh', [at('dash'), rawRequest(lines)]);

    expect([answer.status, isRunning(`sleep ${nap}0`)]).toEqual([0, false]);
    await closed;
  });
}

function isRunning(commandLine: string): boolean {
  try {
    execFileSync('pgrep', ['-xf', commandLine], { stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
}

/** Five at once: sshd drops what is too many. */
async function inTurns<In, Out>(all: readonly In[], one: (each: In) => Promise<Out>): Promise<Out[]> {
  const done: Out[] = [];
  for (let i = 0; i < all.length; i += 5) done.push(...(await Promise.all(all.slice(i, i + 5).map(one))));
  return done;
}

/** All that comes back until the other side closes. */
function talk(to: { path: string } | { port: number; host: string }, bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(to);
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('error', () => {});
    socket.once('close', () => resolve(text));
    socket.write(bytes);
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
