/**
 * What is stopped or over its limit is gone from the host, whatever it is, for a root login and for a plain user; what
 * cannot be ended is reported as still running. Only root can make the users.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSshRunner } from '../../../src/whitelist/ssh/runner.ts';
import { renderedCommand } from '../../contract/command-runner.ts';
import { recordingLogger } from '../../fakes/logger.ts';
import { needs } from '../../needs.ts';
import { programPath } from '../../system-packages.mjs';
import { addUser, removeLeftoverUsers, removeUser, type Sshd, startSshd } from '../../twins/sshd.ts';
import { pids, until } from './watching.ts';

/** `$1` is unique to the case, so that a look through /proc finds its processes and no others. */
const SCRIPTS: Readonly<Record<string, string>> = {
  'prints without end': 'yes "$1"',
  'follows a file': 'tail -f -n 0 /etc/hostname "$1"',
  sleeps: 'sleep "$1"',
  'forks children': 'for i in 1 2 3; do sh -c "sleep $1; :" "$1" & done; wait',
  'has a child that ignores TERM': 'sh -c "trap : TERM; while :; do sleep $1; done" "$1" & wait',
  'has a child in a session of its own': 'setsid sleep "$1" & sleep "$1"',
  'is a daemon': 'setsid sh -c "setsid sleep $1 </dev/null >/dev/null 2>&1 &" & sleep 0.2; sleep "$1"',
};

const ROOTS = ['sleeps', 'has a child that ignores TERM', 'has a child in a session of its own'];
/** Five seconds on a machine with nothing else to do. */
const SOON_MS = process.env.CHECK_DEEP ? 5_000 : 20_000;

const suite = 'the end of a run';
if (process.getuid?.() === 0) needs('sshd', 'useradd', 'userdel', 'setpriv', 'dash')(suite, endSuite);
else describe.skip(`${suite} (only root can make users)`, endSuite);

function endSuite(): void {
  const clock = { now: () => performance.now() };
  const runner = createSshRunner({ clock, logger: recordingLogger() });
  const name = `oat${randomBytes(4).toString('hex')}d`;
  let sshd: Sshd;
  let folder = '';
  const removeAll = (): void => {
    removeUser(name);
    rmSync(folder, { recursive: true, force: true });
  };

  beforeAll(async () => {
    removeLeftoverUsers();
    folder = mkdtempSync(join(tmpdir(), 'opsagent-logins-'));
    chmodSync(folder, 0o755);
    process.once('exit', removeAll);
    sshd = await startSshd({ authorizedKeysFile: join(folder, 'authorized_keys') });
    writeFileSync(join(folder, 'sshd'), sshd.dir);
    writeFileSync(join(folder, 'authorized_keys'), readFileSync(`${sshd.clientKeyFile}.pub`));
    const home = join(folder, 'home');
    mkdirSync(home);
    addUser({ name, home, shellPath: programPath('dash') ?? '' });
    execFileSync('chown', [name, home]);
  });
  afterAll(async () => {
    try {
      await runner.close();
      await sshd.stop();
    } finally {
      removeAll();
      process.off('exit', removeAll);
    }
  });

  const hostOf = (user: string) => sshd.host({ name: user, user });
  /** A number of seconds that stands for one case. */
  const unique = (): string => `1${randomBytes(3).readUIntBE(0, 3)}`;

  /** All kinds for the plain user, whom sshd's signals reach as well; for root those that differ most. */
  const kindsFor = (user: string) =>
    Object.entries(SCRIPTS).filter(
      ([what]) => process.env.CHECK_DEEP || user === name || ROOTS.includes(what),
    );

  for (const [who, user] of [
    ['root', userInfo().username],
    ['a plain user', name],
  ] as const) {
    it.concurrent(`leaves nothing on a host of ${who} when the time limit is over, soon after it`, async () => {
      await Promise.all(
        kindsFor(user).map(async ([what, script]) => {
          const mark = unique();
          const command = renderedCommand({ script, args: [mark], timeoutSeconds: 1, maxOutputBytes: 100 });

          const running = runner.run(command, hostOf(user), new AbortController().signal);
          await until(() => pids(mark).length > 0);
          const began = clock.now();
          const result = await running;

          expect([what, result.end]).toEqual([what, { kind: 'timed-out', ended: true }]);
          expect([what, pids(mark)]).toEqual([what, []]);
          expect(clock.now() - began).toBeLessThan(1_000 + SOON_MS);
        }),
      );
    });

    it.concurrent(`leaves nothing on a host of ${who} when a run is stopped`, async () => {
      await Promise.all(
        kindsFor(user).map(async ([what, script]) => {
          const mark = unique();
          const stop = new AbortController();
          const command = renderedCommand({ script, args: [mark], maxOutputBytes: 100 });
          const running = runner.run(command, hostOf(user), stop.signal);
          await until(() => pids(mark).length > 0);

          stop.abort();

          expect([what, (await running).end]).toEqual([what, { kind: 'cancelled', ended: true }]);
          expect([what, pids(mark)]).toEqual([what, []]);
        }),
      );
    });
  }

  it.concurrent('finds a child with an environment and a session of its own while its parent lives', async () => {
    const mark = unique();
    const stop = new AbortController();
    const script = 'setsid env -i sleep "$1" & wait';
    const running = runner.run(renderedCommand({ script, args: [mark] }), hostOf(name), stop.signal);
    await until(() => pids(`^sleep ${mark}`).length > 0);

    stop.abort();

    expect((await running).end).toEqual({ kind: 'cancelled', ended: true });
    expect(pids(mark)).toEqual([]);
  });

  it.concurrent('does not end what a command has set going in a session of its own and ended well', async () => {
    const mark = unique();
    const script = 'setsid sleep "$1" </dev/null >/dev/null 2>&1 & sleep 0.1';

    const { end } = await runner.run(
      renderedCommand({ script, args: [mark] }),
      hostOf(name),
      new AbortController().signal,
    );

    expect(end).toEqual({ kind: 'exited', code: 0 });
    expect(pids(mark)).toHaveLength(1);
    for (const pid of pids(mark)) process.kill(pid);
  });

  it.concurrent('says that a process of another user is still running there', async () => {
    const mark = unique();
    const program = join(folder, 'as-root');
    copyFileSync(programPath('setpriv') ?? '', program);
    chmodSync(program, 0o4755);
    const command = renderedCommand({
      script: '"$2" --reuid=0 --regid=0 --clear-groups sleep "$1"',
      args: [mark, program],
      timeoutSeconds: 1,
    });
    const stop = new AbortController();
    const limited = runner.run(command, hostOf(name), new AbortController().signal);
    const stopped = runner.run({ ...command, timeoutSeconds: 20 }, hostOf(name), stop.signal);
    await until(() => pids(`^sleep ${mark}`).length === 2);

    stop.abort();

    expect((await limited).end).toEqual({ kind: 'timed-out', ended: false });
    expect((await stopped).end).toEqual({ kind: 'cancelled', ended: false });
    expect(pids(`^sleep ${mark}`)).not.toEqual([]);
    for (const pid of pids(mark)) process.kill(pid, 'SIGKILL');
  });

  it('costs little memory however much a command prints', async () => {
    const before = process.memoryUsage().rss;
    let most = before;
    const meter = setInterval(() => {
      most = Math.max(most, process.memoryUsage().rss);
    }, 10);
    const command = renderedCommand({
      script: 'head -c 1000000000 /dev/zero; exit 4',
      maxOutputBytes: 100_000,
    });

    const result = await runner.run(command, hostOf(name), new AbortController().signal);

    clearInterval(meter);
    expect(result).toMatchObject({ end: { kind: 'exited', code: 4 }, truncated: true });
    expect(result.stdout.length).toBe(100_000);
    expect(most - before).toBeLessThan(50_000_000);
  }, 20_000);
}
