// One bootstrap at a time in one tree: several starts at once, and locks whose holder is gone.
// No test waits for time to pass: the stand-in npm waits at a gate, and processes are waited for by their words.

import { spawnSync } from 'node:child_process';
import { readdirSync, utimesSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeTree, NOTHING, type Tree } from './bootstrap-tree.ts';

let tree: Tree;

beforeEach(() => {
  tree = makeTree();
});

afterEach(() => {
  tree.delete();
});

describe('more than one at a time', () => {
  const lockOf = (pid: number | undefined) =>
    tree.write('.cache/bootstrap.lock/owner', JSON.stringify({ id: 'other', pid, host: hostname() }));

  test('the second start waits for the first, and finds all done', async () => {
    const gate = tree.gate();
    const first = tree.start();
    await first.says('installing');
    const second = tree.start();
    await second.says(`waiting for process ${first.child.pid}`);

    gate.open();

    expect((await first.end).code).toBe(0);
    expect((await second.end).stdout).toBe('["a","b c"]\n');
    expect(tree.calls()).toEqual({ npm: 1, tsc: 1 });
  });

  test('the lock of a dead process is taken over, by one of three', async () => {
    lockOf(spawnSync('true').pid);

    const ended = await Promise.all([tree.run(), tree.run(), tree.run()]);

    expect(ended.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(tree.calls()).toEqual({ npm: 1, tsc: 1 });
    expect(readdirSync(join(tree.root, '.cache'))).toEqual([]);
  });

  test('the lock of a living process is waited for', async () => {
    lockOf(process.pid);
    const running = tree.start();
    await running.says(`waiting for process ${process.pid}`);
    expect(tree.calls()).toEqual(NOTHING);

    tree.remove('.cache/bootstrap.lock');

    expect((await running.end).code).toBe(0);
  });

  test('a living process that was silent for minutes is not believed to hold it', async () => {
    lockOf(process.pid);
    utimesSync(join(tree.root, '.cache/bootstrap.lock'), 1, 1);

    expect((await tree.run()).code).toBe(0);
  });

  test('after kill -9 the npm that lives on still holds the lock', async () => {
    const gate = tree.gate();
    const first = tree.start();
    await first.says('installing');
    await until(() => tree.read('.cache/bootstrap.lock/owner').includes('"child"'));
    first.child.kill('SIGKILL');
    await new Promise((resolve) => first.child.once('exit', resolve));

    const second = tree.start();
    await second.says(`waiting for process ${first.child.pid}`);
    gate.open();

    expect((await second.end).code).toBe(0);
    expect(tree.calls()).toEqual({ npm: 1, tsc: 1 });
  });
});

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate);
}
