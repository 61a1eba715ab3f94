/**
 * A run that its host keeps: whatever happens to the network or to us, it begins at most once there, and its true
 * result is had afterwards.
 */
import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RenderedCommand } from '../../../src/core/command.ts';
import { createSshRunner } from '../../../src/whitelist/ssh/runner.ts';
import { renderedCommand } from '../../contract/command-runner.ts';
import { recordingLogger } from '../../fakes/logger.ts';
import { needs } from '../../needs.ts';
import { type CuttableNetwork, startCuttableNetwork } from '../../twins/cut.ts';
import { type Sshd, startSshd } from '../../twins/sshd.ts';
import { pids, sessionOf, until } from './watching.ts';

const built = join(import.meta.dirname, '../../../node_modules/.cache/opsagent-runner-entry');
const clock = { now: () => performance.now() };
const never = new AbortController().signal;
/** Says in the file $1 that it began, waits for the file $2, prints and fails with 3. */
const SCRIPT = 'echo began >>"$1"; until [ -e "$2" ]; do sleep 0.05; done; echo out; echo err >&2; exit 3';
const TRUE_RESULT = { end: { kind: 'exited', code: 3 }, stdout: 'out\n', stderr: 'err\n', truncated: false };

needs(
  'sshd',
  'dash',
  'zsh',
)('a run that its host keeps', () => {
  let sshd: Sshd;
  let network: CuttableNetwork;
  let home: string;
  let n = 0;
  const runners: ReturnType<typeof createSshRunner>[] = [];

  beforeAll(async () => {
    sshd = await startSshd({ shells: ['dash', 'zsh'] });
    network = await startCuttableNetwork(sshd.port);
    home = sshd.login('dash').home;
    mkdirSync(built, { recursive: true });
    const config = {
      extends: '../../../test/tsconfig.json',
      compilerOptions: { rootDir: '../../..', outDir: '.', noEmit: false, noCheck: true, sourceMap: false },
      include: [],
      files: ['../../../test/whitelist/ssh/runner-entry.ts'],
    };
    writeFileSync(join(built, 'tsconfig.json'), JSON.stringify(config));
    execFileSync(join(import.meta.dirname, '../../../node_modules/.bin/tsc'), [
      '-p',
      join(built, 'tsconfig.json'),
    ]);
  }, 60_000);
  afterAll(async () => {
    await Promise.all(runners.map((runner) => runner.close()));
    await network.close();
    await sshd.stop();
    rmSync(built, { recursive: true, force: true });
  });

  const fresh = () => {
    const runner = createSshRunner({ clock, logger: recordingLogger() });
    runners.push(runner);
    return runner;
  };
  const hostBy = (shell: string) =>
    sshd.host({ name: shell, port: network.port, keyFile: sshd.login(shell).keyFile });
  /** A command, the id it is kept under and what is seen of it on the host. */
  const one = (over: Partial<RenderedCommand> = {}) => {
    const id = `call-${n++}`;
    const [began, goOn] = [join(sshd.dir, `${id}-began`), join(sshd.dir, `${id}-go-on`)];
    return {
      id,
      command: renderedCommand({ script: SCRIPT, args: [began, goOn], ...over }),
      starts: () => (existsSync(began) ? readFileSync(began, 'utf8').trim().split('\n').length : 0),
      goOn: () => writeFileSync(goOn, ''),
      record: join(home, '.local/state/opsagent', id),
    };
  };

  it('gives its result when the connection is cut while it runs', async () => {
    const { id, command, starts, goOn } = one();
    const running = fresh().run(command, hostBy('dash'), never, undefined, id);
    await until(starts);

    network.cut();
    goOn();

    expect(await running).toMatchObject(TRUE_RESULT);
    expect(starts()).toBe(1);
  });

  it('gives its result when the connection is cut after it ended, before the result came', async () => {
    const { id, command, starts, goOn, record } = one();
    const running = fresh().run(command, hostBy('dash'), never, undefined, id);
    await until(starts);
    network.swallow();
    goOn();
    await until(() => existsSync(join(record, 'exit')));

    network.cut();

    expect(await running).toMatchObject(TRUE_RESULT);
    expect(await fresh().collect(id, command, hostBy('dash'), never)).toMatchObject(TRUE_RESULT);
    expect(starts()).toBe(1);
  });

  // It takes the limit and what is allowed beyond it.
  it.runIf(process.env.CHECK_DEEP)(
    'gives its result when the network goes silent and nobody is told',
    async () => {
      const { id, command, starts, goOn } = one({ timeoutSeconds: 4 });
      const running = fresh().run(command, hostBy('dash'), never, undefined, id);
      await until(starts);

      network.swallow();
      goOn();

      expect(await running).toMatchObject(TRUE_RESULT);
      expect(starts()).toBe(1);
    },
    60_000,
  );

  it('says that nothing has run, or what has, when the connection is cut before it is seen to begin', async () => {
    const { id, command, starts, goOn } = one();
    const { home: slow } = sshd.login('zsh');
    writeFileSync(join(slow, '.zshenv'), `touch ${slow}/read; sleep 0.5\n`);
    goOn();
    const running = fresh().run(command, hostBy('zsh'), never, undefined, id);
    await until(() => existsSync(join(slow, 'read')));

    network.cut();
    const result = await running;

    if (result.end.kind === 'unreachable') expect(starts()).toBe(0);
    else expect([result, starts()]).toMatchObject([TRUE_RESULT, 1]);
    const again = await fresh().run(command, hostBy('zsh'), never, undefined, id);
    expect(again.end).toEqual(
      result.end.kind === 'unreachable' ? { ...again.end, kind: 'unreachable' } : result.end,
    );
    expect(starts()).toBe(result.end.kind === 'unreachable' ? 0 : 1);
  });

  it('is found by another process when the one that watched it was killed, while it runs and after', async () => {
    const running = one();
    const over = one();
    const children = [running, over].map(({ id, command }) =>
      spawn(process.execPath, [
        join(built, 'test/whitelist/ssh/runner-entry.js'),
        JSON.stringify({ command, host: hostBy('dash'), keepAs: id }),
      ]),
    );
    await until(() => running.starts() && over.starts());

    for (const child of children) child.kill('SIGKILL');
    over.goOn();
    await until(() => existsSync(join(over.record, 'exit')));
    const heard: number[] = [];
    const attached = fresh().collect(running.id, running.command, hostBy('dash'), never, (b) =>
      heard.push(b),
    );
    running.goOn();

    expect(await attached).toMatchObject(TRUE_RESULT);
    expect(heard.reduce((sum, bytes) => sum + bytes, 0)).toBe('out\nerr\n'.length);
    expect(await fresh().collect(over.id, over.command, hostBy('dash'), never)).toMatchObject(TRUE_RESULT);
    expect([running.starts(), over.starts()]).toEqual([1, 1]);
  });

  // The rest cuts nothing.
  it.concurrent('gives a second start under its id the result of the first', async () => {
    const { id, command, starts, goOn } = one();
    const first = fresh().run(command, hostBy('dash'), never, undefined, id);
    await until(starts);
    const second = fresh().run(command, hostBy('dash'), never, undefined, id);
    goOn();

    expect(await first).toMatchObject(TRUE_RESULT);
    expect(await second).toMatchObject(TRUE_RESULT);
    expect(starts()).toBe(1);
  });

  it.concurrent('never begins under an id that was asked for before', async () => {
    const { id, command, starts } = one();

    expect(await fresh().collect(id, command, hostBy('dash'), never)).toBeUndefined();
    const { end } = await fresh().run(command, hostBy('dash'), never, undefined, id);

    expect(end.kind).toBe('unreachable');
    expect(starts()).toBe(0);
  });

  it.concurrent('is ended by its limit though nobody watches, children in sessions of their own too', async () => {
    const mark = String(1e6 + Math.floor(Math.random() * 1e6));
    const script = 'setsid sleep "$1" & sleep "$1"';
    const { id, command, record } = one({ script, args: [mark], timeoutSeconds: 1 });
    const host = hostBy('dash');
    const request = JSON.stringify({ command, host, keepAs: id });
    const child = spawn(process.execPath, [join(built, 'test/whitelist/ssh/runner-entry.js'), request]);
    await until(() => pids(`^sleep ${mark}`).length === 2);

    child.kill('SIGKILL');
    await until(() => existsSync(join(record, 'exit')));

    expect(pids(mark)).toEqual([]);
    expect((await fresh().collect(id, command, host, never))?.end).toEqual({
      kind: 'timed-out',
      ended: true,
    });
  });

  it.concurrent('is ended by a stop of whoever collects it', async () => {
    const mark = String(1e6 + Math.floor(Math.random() * 1e6));
    const { id, command } = one({ script: 'setsid sleep "$1" & sleep "$1"', args: [mark] });
    const stop = new AbortController();
    const first = fresh().run(command, hostBy('dash'), never, undefined, id);
    await until(() => pids(`^sleep ${mark}`).length === 2);
    const collected = fresh().collect(id, command, hostBy('dash'), stop.signal);

    stop.abort();

    expect((await collected)?.end).toEqual({ kind: 'cancelled', ended: true });
    expect(pids(mark)).toEqual([]);
    expect((await first).end).toEqual({ kind: 'signalled', signal: 'SIGTERM' });
  });

  it.concurrent('says that the outcome is unknown when what watched it on the host is gone', async () => {
    const { id, command, starts, record } = one();
    const runner = fresh();
    const running = runner.run(command, hostBy('dash'), never, undefined, id);
    await until(starts);
    const shell = Number(readFileSync(join(record, 'about'), 'utf8').split(' ')[3]);
    const group = Number(readFileSync(join(record, 'group'), 'utf8').split(' ')[0]);
    const session = sessionOf(shell);
    expect(session).toBeDefined();
    for (const pid of pids(`^/bin/sh -c eval`).filter((pid) => sessionOf(pid) === session)) {
      process.kill(pid, 'SIGKILL');
    }
    process.kill(-group, 'SIGKILL');

    expect((await running).end).toMatchObject({ kind: 'lost' });
    expect((await fresh().collect(id, command, hostBy('dash'), never))?.end).toMatchObject({ kind: 'lost' });
  }, 15_000);

  it.concurrent('is kept where nobody else can read, and its output no longer than needed', async () => {
    const { id, command, goOn, record } = one();
    goOn();
    const runner = fresh();

    await runner.run(command, hostBy('dash'), never, undefined, id);

    for (const folder of [record, join(record, '..')]) expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(readdirSync(record)).toContain('out');
    await runner.close();
    expect(readdirSync(record)).not.toContain('out');
    expect((await fresh().collect(id, command, hostBy('dash'), never))?.end).toEqual(TRUE_RESULT.end);
  });

  it('is kept elsewhere when its folder in the home is a link of somebody', async () => {
    const { id, command, starts, goOn } = one();
    const { home: linked } = sshd.login('zsh');
    const elsewhere = `/var/tmp/opsagent-${process.getuid?.()}`;
    mkdirSync(join(linked, '.local/state'), { recursive: true });
    rmSync(join(linked, '.local/state/opsagent'), { recursive: true, force: true });
    symlinkSync('/tmp', join(linked, '.local/state/opsagent'));
    writeFileSync(join(linked, '.zshenv'), '');
    goOn();

    const { end } = await fresh().run(command, hostBy('zsh'), never, undefined, id);

    expect([end, starts()]).toEqual([TRUE_RESULT.end, 1]);
    expect(existsSync(join('/tmp', id))).toBe(false);
    expect(readdirSync(join(elsewhere, id))).toContain('exit');
    rmSync(join(elsewhere, id), { recursive: true });
    if (readdirSync(elsewhere).length === 0) rmSync(elsewhere, { recursive: true });
  });
});
