// The bootstrap as a person meets it: the command is started for real in a tree of its own, on a path with spaces,
// and what it ran and said is looked at.

import { readdirSync } from 'node:fs';
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

describe('what it does', () => {
  test('a fresh clone is installed and built, then the program runs in the same process', async () => {
    const { code, stdout, stderr } = await tree.run();

    expect(code).toBe(0);
    expect(stderr).toMatch(/installing dependencies.*building.*ready/s);
    expect(stdout).toBe('["a","b c"]\n');
    expect(tree.calls()).toEqual({ npm: 1, tsc: 1 });
  });

  test('stdout holds nothing but the words of the program', async () => {
    const first = await tree.run();
    const second = await tree.run();

    expect(first.stdout).toBe(second.stdout);
    expect(second.stderr).toBe('');
  });

  test('development packages are installed with NODE_ENV=production too, and no script of theirs runs', async () => {
    await tree.run({ env: { NODE_ENV: 'production' } });

    expect(tree.read('npm-calls')).toContain('--include=dev');
    expect(tree.read('npm-calls')).toContain('--ignore-scripts');
  });

  test('a copy without sources runs as it is, without npm', async () => {
    await tree.run();
    for (const file of ['tsconfig.json', 'package-lock.json', 'node_modules', 'src/main.ts'])
      tree.remove(file);
    tree.calls();

    const { code, stdout } = await tree.run({ env: { PATH: '/nowhere' } });

    expect([code, stdout]).toEqual([0, '["a","b c"]\n']);
    expect(tree.calls()).toEqual(NOTHING);
  });

  test('a copy with neither sources nor a build says so', async () => {
    tree.remove('tsconfig.json');

    const { code, stderr } = await tree.run();

    expect([code, stderr]).toEqual([1, expect.stringMatching(/^opsagent: this copy holds neither .*\n$/)]);
  });

  test('an old Node is refused in one line with exit code 2', async () => {
    const pretend = 'data:text/javascript,Object.defineProperty(process.versions,"node",{value:"20.18.3"})';

    const { code, stderr } = await tree.run({ node: ['--import', pretend] });

    expect(code).toBe(2);
    expect(stderr).toBe('opsagent needs Node 20.19 or newer, this is 20.18.3.\n');
    expect(tree.calls()).toEqual(NOTHING);
  });
});

describe('what can go wrong', () => {
  const failures: readonly [string, string, RegExp][] = [
    [
      'no network: one sentence',
      'npm error code ENOTFOUND\nnpm error syscall getaddrinfo\nnpm error network request failed\n    at somewhere\n',
      /^opsagent: could not install the dependencies: the npm registry could not be reached \(ENOTFOUND\); .*\n$/,
    ],
    [
      'another failure of npm: its code and its own first sentence',
      'npm warn old\nnpm error code EUSAGE\nnpm error\nnpm error The lock file is out of sync.\nnpm error more\n',
      /^opsagent: could not install the dependencies: npm ci failed: EUSAGE, The lock file is out of sync; run .*\n$/,
    ],
    [
      'a failure without words: the exit code',
      '',
      /^opsagent: could not install the dependencies: npm ci failed: exit code 1; run .*\n$/,
    ],
  ];

  test.each(failures)('%s', async (_name, says, sentence) => {
    tree.write('npm-says', says);

    const { code, stdout, stderr } = await tree.run();

    expect([code, stdout]).toEqual([1, '']);
    expect(withoutSteps(stderr)).toMatch(sentence);
    expect(readdirSync(join(tree.root, '.cache'))).toEqual([]);
  });

  test('no npm on the PATH is said', async () => {
    const { code, stderr } = await tree.run({ env: { PATH: '/nowhere' } });

    expect(code).toBe(1);
    expect(withoutSteps(stderr)).toMatch(/: npm was not found on the PATH; it comes with Node\.\n$/);
  });

  test('an npm that leaves packages out is not believed', async () => {
    tree.write('hidden.json', '{"packages":{}}');

    const { code, stderr } = await tree.run();

    expect(code).toBe(1);
    expect(withoutSteps(stderr)).toMatch(/not all of package-lock\.json is installed\.\n$/);
  });

  test('what the compiler says is shown, and the next start builds again', async () => {
    tree.write('src/main.ts', '@wrong');

    const first = await tree.run();
    tree.write('src/main.ts', 'right');
    const second = await tree.run();

    expect(first.code).toBe(1);
    expect(withoutSteps(first.stderr)).toBe(
      'opsagent: the build failed:\nsrc/main.ts(1,1): error TS0000: wrong.\n',
    );
    expect(second.code).toBe(0);
  });

  test('Ctrl-C during the install ends it, and leaves no lock', async () => {
    tree.gate();
    const running = tree.start();
    await running.says('installing');

    running.child.kill('SIGINT');
    const { code, stderr } = await running.end;

    expect(code).toBe(130);
    expect(withoutSteps(stderr)).toBe('opsagent: stopped by SIGINT; the next start goes on.\n');
    expect(readdirSync(join(tree.root, '.cache'))).toEqual([]);
  });
});

function withoutSteps(stderr: string): string {
  return stderr.replace(/^opsagent: \[.*\n/gm, '');
}
