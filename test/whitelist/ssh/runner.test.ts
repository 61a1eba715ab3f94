import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CommandResult, Host, RenderedCommand } from '../../../src/core/command.ts';
import { createSshRunner } from '../../../src/whitelist/ssh/runner.ts';
import { renderedCommand } from '../../contract/command-runner.ts';
import { recordingLogger } from '../../fakes/logger.ts';
import { needs } from '../../needs.ts';
import { makeKey, type Sshd, startSshd } from '../../twins/sshd.ts';

const SHELLS = ['dash', 'bash', 'zsh', 'fish', 'tcsh', 'ksh'] as const;
const clock = { now: () => performance.now() };
const never = new AbortController().signal;

needs('sshd')('the SSH runner', () => {
  let sshd: Sshd;
  let runner: ReturnType<typeof createSshRunner>;
  beforeAll(async () => {
    sshd = await startSshd({ shells: SHELLS });
    runner = createSshRunner({ clock, logger: recordingLogger() });
  });
  afterAll(async () => {
    await runner.close();
    await sshd.stop();
  });

  const run = (over: Partial<RenderedCommand>, host = sshd.host(), signal = never): Promise<CommandResult> =>
    runner.run(renderedCommand(over), host, signal);
  const problemOf = async (host: Host): Promise<string> => {
    const { end } = await run({}, host);
    return end.kind === 'unreachable' ? end.problem : `not unreachable: ${JSON.stringify(end)}`;
  };

  for (const shell of SHELLS) {
    needs(shell)(`a login with ${shell}`, () => {
      it('hands values over byte for byte through sshd', async () => {
        const args = [
          "'; id; '",
          '!!\n\\',
          '',
          '-delete',
          '\\',
          ';echo pwned;#',
          '$(id)`id`',
          'é\u202e💥\n\n',
        ];
        const host = sshd.host({ name: shell, keyFile: sshd.login(shell).keyFile });

        const result = await run({ script: `printf '<%s>' "$@"`, args }, host);

        expect(result).toMatchObject({
          end: { kind: 'exited', code: 0 },
          stdout: args.map((arg) => `<${arg}>`).join(''),
          stderr: '',
        });
      });
    });
  }

  it('reports a login shell that ends before the command, and keeps its banner out', async () => {
    const { keyFile, home } = sshd.login('zsh');
    writeFileSync(join(home, '.zshenv'), 'echo Closed for maintenance; exit 1\n');

    const result = await run({ script: 'echo ran' }, sshd.host({ name: 'closed', keyFile }));

    expect(result).toMatchObject({
      end: {
        kind: 'unreachable',
        problem: expect.stringContaining('ended before the command (exit 1)'),
      },
      stdout: '',
    });
    writeFileSync(join(home, '.zshenv'), '');
  });

  it.concurrent('leaves nothing running on the host after a time limit or a stop, forked children included', async () => {
    const script = `echo "$OPSAGENT_CALL" >"$1"; (trap '' TERM; sleep 411) & sleep 412 & sleep 413`;
    const abort = new AbortController();
    const [first, second] = [join(sshd.dir, 'limited'), join(sshd.dir, 'stopped')];
    const limited = run({ script, args: [first], timeoutSeconds: 1 });
    const stopped = run({ script, args: [second] }, sshd.host(), abort.signal);
    const calls = [
      await until(() => readFileSync(first, 'utf8').trim()),
      await until(() => readFileSync(second, 'utf8').trim()),
    ];

    abort.abort();

    expect((await limited).end).toEqual({ kind: 'timed-out', ended: true });
    expect((await stopped).end).toEqual({ kind: 'cancelled', ended: true });
    for (const call of calls) await until(() => processesOf(call).length === 0);
  }, 20_000);

  it.concurrent('tells of output as it is printed, by a shell of its own, a waiting one and for one that is kept', async () => {
    const told = createSshRunner({ clock, logger: recordingLogger() });
    for (const keepAs of [undefined, undefined, 'heard-1', 'heard-2']) {
      const goOn = join(sshd.dir, `heard-${randomUUID()}`);
      const script = 'echo begun; until [ -e "$1" ]; do sleep 0.02; done';
      const command = renderedCommand({ script, args: [goOn], timeoutSeconds: 5 });
      // It ends well only when its first line was heard while it ran.
      const heard = (): void => writeFileSync(goOn, '');

      const { end } = await told.run(
        command,
        sshd.host({ keyFile: sshd.login('dash').keyFile }),
        never,
        heard,
        keepAs,
      );

      expect([keepAs, end]).toEqual([keepAs, { kind: 'exited', code: 0 }]);
    }
    await told.close();
  });

  it.concurrent('cuts stdout and stderr each at the limit', async () => {
    const script = 'head -c 9000 /dev/zero | tr "\\0" o; head -c 9000 /dev/zero | tr "\\0" e >&2';

    const result = await run({ script, maxOutputBytes: 500 });

    expect([result.stdout, result.stderr]).toEqual(['o'.repeat(500), 'e'.repeat(500)]);
  });

  it.concurrent('finds running processes by OPSAGENT_CALL, so that the case above can fail', async () => {
    const abort = new AbortController();
    const file = join(sshd.dir, 'call');
    const running = run(
      { script: 'echo "$OPSAGENT_CALL" >"$1"; sleep 421', args: [file] },
      sshd.host(),
      abort.signal,
    );
    const call = await until(() => readFileSync(file, 'utf8').trim());

    expect(processesOf(call).length).toBeGreaterThan(0);

    abort.abort();
    expect((await running).end).toEqual({ kind: 'cancelled', ended: true });
    await until(() => processesOf(call).length === 0);
  });

  it('takes 50 MB of output with little memory and keeps the exit status', async () => {
    const before = process.memoryUsage().rss;

    const result = await run({ script: 'head -c 50000000 /dev/zero; exit 4', maxOutputBytes: 100_000 });

    expect(result).toMatchObject({ end: { kind: 'exited', code: 4 }, truncated: true });
    expect(result.stdout.length).toBe(100_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(30_000_000);
  });

  it('shares connections between concurrent runs, at most eight channels on each', async () => {
    const fresh = createSshRunner({ clock, logger: recordingLogger() });
    const from = sshd.log().length;

    const results = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        fresh.run(renderedCommand({ script: 'sleep 0.3; echo "$1"', args: [String(n)] }), sshd.host(), never),
      ),
    );

    expect(results.map((result) => result.stdout)).toEqual(Array.from({ length: 20 }, (_, n) => `${n}\n`));
    expect(
      sshd
        .log()
        .slice(from)
        .match(/Accepted publickey/g),
    ).toHaveLength(3);
    await fresh.close();
  });

  it('closes a connection that has been idle, and connects again when asked', async () => {
    const own = await startSshd();
    const brief = createSshRunner({ clock, logger: recordingLogger(), idleMs: 50 });

    await brief.run(renderedCommand({}), own.host(), never);
    await until(() => own.log().includes('Disconnected from user'));
    const again = await brief.run(renderedCommand({}), own.host(), never);

    expect(again.end).toEqual({ kind: 'exited', code: 0 });
    expect(own.log().match(/Accepted publickey/g)).toHaveLength(2);
    await brief.close();
    await own.stop();
  });

  it('goes on where sshd allows one session a connection', async () => {
    const narrow = await startSshd({ maxSessions: 1 });

    const results = await Promise.all(
      ['a', 'b', 'c'].map((arg) =>
        run({ script: 'sleep 0.2; echo "$1"', args: [arg] }, narrow.host({ name: arg.repeat(2) })),
      ),
    );
    const same = await Promise.all(
      ['a', 'b', 'c'].map((arg) => run({ script: 'echo "$1"', args: [arg] }, narrow.host())),
    );

    expect([...results, ...same].map(({ end }) => end.kind)).toEqual(Array(6).fill('exited'));
    await narrow.stop();
  });

  it('gives what runs none of our environment, no agent and no terminal', async () => {
    const { stdout } = await run({ script: 'env | cut -d= -f1 | sort | tr "\\n" " "; tty; cat' });

    expect(stdout).toBe('HOME LC_ALL LOGNAME OPSAGENT_CALL PATH PWD USER not a tty\n');
  });

  it('uses the PATH of the host', async () => {
    const { stdout } = await run({ script: 'echo "$PATH"' }, sshd.host({ path: '/opt/tools:/usr/bin:/bin' }));

    expect(stdout).toBe('/opt/tools:/usr/bin:/bin\n');
  });

  it('says a lost connection is an unknown outcome once the command has begun', async () => {
    const file = join(sshd.dir, 'begun');
    const doomed = await startSshd();
    const running = run(
      { script: 'echo $PPID >"$1"; sleep 5', args: [file] },
      doomed.host({ name: 'doomed' }),
    );
    await until(() => readFileSync(file, 'utf8'));

    await doomed.stop();

    expect((await running).end).toMatchObject({ kind: 'lost' });
  });

  it('says in one sentence why a host cannot be reached, and never the passphrase', async () => {
    const encrypted = makeKey(join(sshd.dir, 'encrypted'), 'ed25519', 'hunter22');
    const stranger = makeKey(join(sshd.dir, 'stranger'));
    const silent = createServer((socket) => socket.on('error', () => {}).resume());
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', () => resolve()));
    const { port } = silent.address() as AddressInfo;
    const hasty = createSshRunner({ clock, logger: recordingLogger(), connectTimeoutMs: 200 });

    expect(await problemOf(sshd.host({ port: 1 }))).toContain('refused the connection');
    expect(await problemOf(sshd.host({ address: 'nowhere.invalid' }))).toContain('cannot be found');
    expect(await problemOf(sshd.host({ keyFile: stranger }))).toBe(
      `web-1 (127.0.0.1:${sshd.port}) refused the login of ${sshd.user} with key ${stranger}`,
    );
    expect(await problemOf(sshd.host({ keyFile: '/nonexistent' }))).toContain('cannot be read (ENOENT)');
    expect(await problemOf(sshd.host({ keyFile: encrypted }))).toContain('no passphrase is set');
    const wrong = await problemOf(sshd.host({ keyFile: encrypted, passphrase: 'letmein99' }));
    expect(wrong).toContain('cannot be opened with the passphrase');
    expect(wrong).not.toContain('letmein99');
    expect(await problemOf({ ...withoutKey(sshd.host()) })).toContain('no ssh-agent');
    const { end } = await hasty.run(renderedCommand({}), sshd.host({ port }), never);
    expect(end).toMatchObject({ kind: 'unreachable', problem: expect.stringContaining('handshake') });
    await new Promise((resolve) => silent.close(resolve));
  });

  it('logs in with a passphrase', async () => {
    const file = join(sshd.dir, 'phrase');
    execFileSync('cp', [sshd.clientKeyFile, file]);
    execFileSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'open sesame', '-f', file]);

    const { end } = await run({}, sshd.host({ keyFile: file, passphrase: 'open sesame' }));

    expect(end).toEqual({ kind: 'exited', code: 0 });
  });
});

function withoutKey({ keyFile: _, ...host }: Host): Host {
  return host;
}

/** Ids of processes whose environment carries the tag. */
function processesOf(call: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`OPSAGENT_CALL=${call}`);
      } catch {
        return false;
      }
    });
}

/** Waits for a value; a missing one, an empty one and an error count as not yet. */
async function until<T>(get: () => T | undefined): Promise<T> {
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    try {
      const value = get();
      if (value) return value;
    } catch {
      // Not yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('did not happen within 20 s');
}
