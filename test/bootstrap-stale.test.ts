// What makes the bootstrap install or build again, and what does not: told by content and never by time.
// And that asking costs next to nothing, as every start asks.

import { spawnSync } from 'node:child_process';
import { cpSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeTree, NOTHING, PROJECT, type Tree } from './bootstrap-tree.ts';

const RUNTIME_ONLY = JSON.stringify({ packages: { 'node_modules/needed': { version: '1.0.0' } } });

let ready: Tree;
let tree: Tree;

beforeAll(async () => {
  ready = makeTree();
  await ready.run();
  ready.calls();
});

beforeEach(() => {
  tree = makeTree(ready);
});

afterEach(() => {
  tree.delete();
});

afterAll(() => {
  ready.delete();
});

describe('what is stale', () => {
  const cases: readonly [string, () => void, { npm: number; tsc: number }][] = [
    ['nothing changed: nothing', () => {}, NOTHING],
    [
      'times changed and nothing else: nothing',
      () => utimesSync(join(tree.root, 'src/main.ts'), 1, 1),
      NOTHING,
    ],
    ['the bootstrap itself changed: nothing', () => tree.write('src/bootstrap/extra.mjs', '//'), NOTHING],
    ['a source changed: a build', () => tree.write('src/main.ts', 'right too'), { npm: 0, tsc: 1 }],
    ['a source is new: a build', () => tree.write('adapters/slack/index.ts', ''), { npm: 0, tsc: 1 }],
    [
      'a static file changed: a build',
      () => tree.write('adapters/console/page/page.css', ''),
      { npm: 0, tsc: 1 },
    ],
    ['tsconfig.json changed: a build', () => tree.write('tsconfig.json', '{"a":1}'), { npm: 0, tsc: 1 }],
    ['dist is gone: a build', () => tree.remove('dist'), { npm: 0, tsc: 1 }],
    ['a build did not finish: a build', () => tree.remove('dist/.opsagent-stamp'), { npm: 0, tsc: 1 }],
    ['node_modules is gone: an install', () => tree.remove('node_modules'), { npm: 1, tsc: 0 }],
    [
      'the lock file changed: both',
      () => {
        for (const file of ['package-lock.json', 'hidden.json'])
          tree.write(file, '{"packages":{"":{"version":"2"}}}');
        tree.write(
          'node_modules/.package-lock.json',
          '{"packages":{"node_modules/needed":{"version":"0.9.0"}}}',
        );
        tree.write('package-lock.json', '{"packages":{"node_modules/needed":{"version":"1.0.1"}}}');
        tree.write('hidden.json', '{"packages":{"node_modules/needed":{"version":"1.0.1"}}}');
      },
      { npm: 1, tsc: 1 },
    ],
    ['somebody ran npm ci by hand: nothing', () => tree.remove('node_modules/.opsagent-stamp'), NOTHING],
    [
      'only development packages are missing and the build is current: nothing',
      () => tree.write('node_modules/.package-lock.json', RUNTIME_ONLY),
      NOTHING,
    ],
    [
      'development packages are missing and the build is stale: both',
      () => {
        tree.write('node_modules/.package-lock.json', RUNTIME_ONLY);
        tree.write('src/main.ts', 'right again');
      },
      { npm: 1, tsc: 1 },
    ],
    [
      'an install by hand left a package out: an install',
      () => tree.write('node_modules/.package-lock.json', '{"packages":{}}'),
      { npm: 1, tsc: 0 },
    ],
  ];

  test.each(cases)('%s', async (_name, change, calls) => {
    change();

    const { code, stderr } = await tree.run();

    expect(code).toBe(0);
    expect(tree.calls()).toEqual(calls);
    expect(stderr === '').toBe(calls === NOTHING);
    expect((await tree.run()).stderr).toBe('');
  });

  test('static files follow into dist, and what has no source any more is removed from it', async () => {
    tree.write('dist/src/gone.js', '');
    tree.write('dist/adapters/console/page/old.css', '');
    tree.write('adapters/console/page/new.css', '');

    await tree.run();

    expect(tree.has('dist/adapters/console/page/new.css')).toBe(true);
    expect(tree.has('dist/adapters/console/page/old.css')).toBe(false);
    expect(tree.has('dist/src/gone.js')).toBe(false);
    expect(tree.has('dist/src/main.js')).toBe(true);
  });

  test('with nothing to do it costs less than 300 ms in a tree as large as this project', () => {
    for (const name of ['src', 'adapters', 'package-lock.json']) {
      cpSync(join(PROJECT, name), join(tree.root, name), { recursive: true });
    }
    const milliseconds = (args: string[]) => {
      const times = Array.from({ length: 5 }, () => {
        const before = performance.now();
        expect(spawnSync(process.execPath, args, { encoding: 'utf8' }).stderr).toBe('');
        return performance.now() - before;
      });
      return Math.min(...times);
    };
    const hidden = join('node_modules', '.package-lock.json');
    cpSync(join(PROJECT, hidden), join(tree.root, hidden));
    spawnSync(process.execPath, [join(tree.root, 'src/bootstrap/cli.mjs')], { cwd: tree.root });

    const overhead = milliseconds([join(tree.root, 'src/bootstrap/cli.mjs')]) - milliseconds(['--eval', '0']);

    expect(overhead).toBeLessThan(300);
  });
});
