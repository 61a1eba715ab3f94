/**
 * The shell that is started ahead on a kept connection: it is used, never twice, and nothing of it stays behind.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Host, RenderedCommand } from '../../../src/core/command.ts';
import { createSshRunner } from '../../../src/whitelist/ssh/runner.ts';
import { renderedCommand } from '../../contract/command-runner.ts';
import { recordingLogger } from '../../fakes/logger.ts';
import { needs } from '../../needs.ts';
import { type Sshd, startSshd } from '../../twins/sshd.ts';
import { pids, sessionOf, until } from './watching.ts';

const SHELLS = ['dash', 'bash', 'zsh', 'fish', 'tcsh', 'ksh'] as const;
/** The last word of a waiting shell. */
const WAITS = Buffer.from('frame ahead ').toString('base64');
const clock = { now: () => performance.now() };
const never = new AbortController().signal;

needs('sshd', ...SHELLS)('a shell that is started ahead', () => {
  let sshd: Sshd;
  const runners: ReturnType<typeof createSshRunner>[] = [];
  beforeAll(async () => {
    sshd = await startSshd({ shells: SHELLS });
  });
  afterAll(async () => {
    await Promise.all(runners.map((runner) => runner.close()));
    await sshd.stop();
  });

  const fresh = (options: Partial<Parameters<typeof createSshRunner>[0]> = {}) => {
    const runner = createSshRunner({ clock, logger: recordingLogger(), ...options });
    runners.push(runner);
    return runner;
  };
  /** A PATH of its own makes the processes of a case known by their command lines. */
  const hostOf = (shell: string, mark: string): Host =>
    sshd.host({ name: shell, keyFile: sshd.login(shell).keyFile, path: `/usr/bin:/bin:/${mark}` });
  const marked = (mark: string) =>
    pids(`^/bin/sh -c eval .*${WAITS}$`).filter((pid) => environOf(pid).includes(`/${mark}`));
  /** Runs one and waits until the next shell waits. */
  const warm = async (runner: ReturnType<typeof createSshRunner>, host: Host, mark: string) => {
    await runner.run(renderedCommand({}), host, never);
    await until(() => marked(mark).length > 0);
  };

  for (const shell of SHELLS) {
    it(`takes the next command byte for byte, in a login with ${shell}`, async () => {
      const mark = `ahead-${shell}`;
      const [runner, host] = [fresh(), hostOf(shell, mark)];
      await warm(runner, host, mark);
      const [waiting = 0] = marked(mark);
      const session = sessionOf(waiting);
      const args = ["'; id; '\n", '', '\\', '$(id)`id`!', 'é\u0081ā💥\n\n', '\r\t\x1b \x7f', '-n'];
      const script = `printf '<%s>' "$@"; env | cut -d= -f1 | sort | tr '\\n' ' ' >&2; cat; echo; cut -d' ' -f6 /proc/$PPID/stat`;

      const result = await runner.run(renderedCommand({ script, args }), host, never);

      expect(result).toMatchObject({
        end: { kind: 'exited', code: 0 },
        stdout: `${args.map((arg) => `<${arg}>`).join('')}\n${session}\n`,
        stderr: 'HOME LC_ALL LOGNAME OPSAGENT_CALL PATH PWD USER ',
      });
    });
  }

  it('leaves no process behind when the runner is closed, and none when the connection was idle', async () => {
    const [closed, idle] = [fresh(), fresh({ idleMs: 300 })];
    await warm(closed, hostOf('dash', 'ahead-closed'), 'ahead-closed');
    await idle.run(renderedCommand({}), hostOf('dash', 'ahead-idle'), never);

    await closed.close();

    await until(() => marked('ahead-closed').length === 0);
    await until(() => marked('ahead-idle').length === 0);
  });

  it('is not missed when it was ended: the command runs once, and so does the one after it', async () => {
    const mark = 'ahead-ended';
    const [runner, host] = [fresh(), hostOf('dash', mark)];
    const file = join(sshd.dir, mark);
    const command: Partial<RenderedCommand> = { script: 'echo x >>"$1"', args: [file] };
    await warm(runner, host, mark);

    for (const pid of marked(mark)) endQuietly(pid);
    const results = [
      await runner.run(renderedCommand(command), host, never),
      await runner.run(renderedCommand(command), host, never),
    ];

    expect(results.map(({ end }) => end)).toEqual(Array(2).fill({ kind: 'exited', code: 0 }));
    expect(readFileSync(file, 'utf8')).toBe('x\nx\n');
  });

  it('does without where a login prints for ever or reads our request before we could', async () => {
    writeFileSync(join(sshd.login('zsh').home, '.zshenv'), 'read -t 1 line; echo "Welcome $line"\n');
    const [runner, host] = [fresh(), hostOf('zsh', 'ahead-reads')];

    const results = [
      await runner.run(renderedCommand({ script: 'echo one' }), host, never),
      await runner.run(renderedCommand({ script: 'echo two' }), host, never),
    ];

    expect(results.map(({ stdout }) => stdout)).toEqual(['one\n', 'two\n']);
    writeFileSync(join(sshd.login('zsh').home, '.zshenv'), '');
  });

  it('is sent nothing for a command that is stopped while it waits for that shell', async () => {
    const slow = await startSshd({ shells: ['zsh'] });
    const { home, keyFile } = slow.login('zsh');
    const [logins, hold, ran] = [join(home, 'logins'), join(home, 'hold'), join(home, 'ran')];
    writeFileSync(join(home, '.zshenv'), `echo x >>${logins}; while [ -e ${hold} ]; do sleep 0.05; done\n`);
    const [runner, host] = [fresh(), slow.host({ keyFile, path: '/usr/bin:/bin:/ahead-stopped' })];
    const stop = new AbortController();
    // From here on logins are slow, and the next shell is started after this.
    await runner.run(renderedCommand({ script: ': >"$1"', args: [hold] }), host, never);
    await until(() => readFileSync(logins, 'utf8') === 'x\nx\n');
    const stopped = runner.run(renderedCommand({ script: 'echo x >"$1"', args: [ran] }), host, stop.signal);
    await new Promise((resolve) => setImmediate(resolve));

    stop.abort();
    rmSync(hold);

    expect((await stopped).end).toEqual({ kind: 'cancelled', ended: true });
    await until(() => marked('ahead-stopped').length === 0);
    expect((await runner.run(renderedCommand({}), host, never)).end).toEqual({ kind: 'exited', code: 0 });
    expect(existsSync(ran)).toBe(false);
    await runner.close();
    await slow.stop();
  });

  it('is not asked of a host with a gate, which gets the line that the gate takes', async () => {
    const host: Host = { ...hostOf('dash', 'ahead-gate'), gate: true };
    const asked: unknown[] = [];
    const gated = fresh({
      gateLine: ({ command: { script }, marker, kept }) => {
        asked.push([script, kept]);
        return {
          ok: true,
          line: `echo ${marker} start $$; echo ${marker} start >&2; echo said; echo ${marker} exit 6; echo ${marker} end; echo ${marker} end >&2`,
        };
      },
    });

    const result = await gated.run(renderedCommand({ script: 'id' }), host, never, undefined, 'call-1');
    const without = await fresh().run(renderedCommand({ script: 'id' }), host, never);

    expect(result).toMatchObject({ end: { kind: 'exited', code: 6 }, stdout: 'said\n' });
    expect(asked).toEqual([['id', { id: 'call-1', collect: false }]]);
    expect(without.end).toMatchObject({ kind: 'unreachable' });
    expect(marked('ahead-gate')).toEqual([]);
  });

  it('gives an unknown outcome for a host that speaks of a record nobody asked for', async () => {
    const host: Host = { ...hostOf('dash', 'ahead-hostile'), gate: true };
    const hostile = fresh({ gateLine: ({ marker }) => ({ ok: true, line: `echo ${marker} kept` }) });

    const { end } = await hostile.run(renderedCommand({}), host, never);

    expect(end).toEqual({ kind: 'lost', problem: 'dash spoke of a record that nobody asked for' });
  });
});

/** Empty for a process that has just ended. */
function environOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    return '';
  }
}

function endQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It went with the one before it.
  }
}
