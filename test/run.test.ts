// What `npm test` does around vitest: which programs it finds, how a suite is left out, and what it says at the end.
// vitest itself is started in a folder of its own, so that its left-out suites are not ours.

import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { countTests, describeLeftOut } from './report.mjs';
import { missingPrograms, PROGRAMS, programPath } from './system-packages.mjs';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'opsagent run '));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('which programs there are', () => {
  const program = (name: string, mode = 0o755) => {
    writeFileSync(join(folder, name), '');
    chmodSync(join(folder, name), mode);
  };

  test('an empty PATH has none of them', () => {
    expect(missingPrograms([folder])).toEqual(Object.keys(PROGRAMS));
  });

  test('a program is found in the first folder that has it', () => {
    const later = join(folder, 'later');
    mkdirSync(later);
    program('sshd');
    program('later/sshd');

    expect(programPath('sshd', [join(folder, 'nowhere'), folder, later])).toBe(join(folder, 'sshd'));
    expect(missingPrograms([folder])).not.toContain('sshd');
  });

  test('another name of the same program counts', () => {
    program('valkey-server');

    expect(programPath('redis-server', [folder])).toBe(join(folder, 'valkey-server'));
  });

  test('a file that cannot be run does not count', () => {
    program('zsh', 0o644);

    expect(programPath('zsh', [folder])).toBeUndefined();
  });
});

describe('a suite that needs a program', () => {
  const runSuite = async (needed: string) => {
    const list = join(folder, 'left-out.jsonl');
    const suite = join(folder, 'some.test.ts');
    writeFileSync(
      suite,
      `import { expect, test } from ${JSON.stringify(join(PROJECT, 'node_modules/vitest/dist/index.js'))};
      import { needs } from ${JSON.stringify(join(PROJECT, 'test/needs.ts'))};
      needs(${JSON.stringify(needed)})('with the real thing', () => { test('it runs', () => { expect(1).toBe(1); }); });`,
    );
    const vitest = join(PROJECT, 'node_modules/vitest/vitest.mjs');
    const args = [vitest, 'run', '--root', folder, '--reporter=json'];
    const stdout = await new Promise<string>((resolve) => {
      const env = { ...process.env, LEFT_OUT_SUITES: list };
      execFile(process.execPath, args, { env, cwd: folder }, (_error, out) => resolve(out));
    });
    const leftOut = existsSync(list) ? readFileSync(list, 'utf8').trim().split('\n') : [];

    return { counts: countTests(stdout, 0), leftOut: leftOut.map((line) => JSON.parse(line)), suite };
  };

  test('runs where it is, and nothing is recorded', async () => {
    const { counts, leftOut } = await runSuite('node');

    expect(counts).toBe('1 passed, 0 failed, 0 skipped');
    expect(leftOut).toEqual([]);
  });

  test('is skipped where it is not, and recorded with its file and its name', async () => {
    const { counts, leftOut, suite } = await runSuite('no-such-program');

    expect(counts).toBe('0 passed, 0 failed, 1 skipped');
    expect(leftOut).toEqual([{ file: suite, suite: 'with the real thing', missing: ['no-such-program'] }]);
  });
});

describe('what is said at the end', () => {
  const report = (more: object) =>
    JSON.stringify({ numPassedTests: 7, numFailedTests: 0, numPendingTests: 2, numTodoTests: 1, ...more });

  test('the counts are those of the report, with tests to do among the skipped', () => {
    expect(countTests(report({ numFailedTests: 4 }), 1)).toBe('7 passed, 4 failed, 3 skipped');
  });

  test('a file that could not be loaded is a failure', () => {
    const testResults = [
      { status: 'failed', assertionResults: [] },
      { status: 'failed', assertionResults: [{ status: 'failed' }] },
    ];

    expect(countTests(report({ numFailedTests: 1, testResults }), 1)).toBe('7 passed, 2 failed, 3 skipped');
  });

  test('a run that failed outside of any test is never without a failure', () => {
    expect(countTests(report({}), 1)).toBe('7 passed, 1 failed, 3 skipped');
    expect(countTests(undefined, 1)).toBe('0 passed, 1 failed, 0 skipped');
  });

  test('left-out suites are named with what to install, once for each package', () => {
    const text = describeLeftOut(
      [
        { file: '/top/test/a.test.ts', suite: 'a', missing: ['sshd', 'redis-server'] },
        { file: '/top/test/b.test.ts', suite: 'b', missing: ['sshd'] },
      ],
      '/top',
    );

    expect(text).toContain('  test/a.test.ts: a (no sshd, redis-server)\n  test/b.test.ts: b (no sshd)\n');
    expect(text).toContain(' openssh-server redis-server (');
    expect(text).toContain('brew install openssh redis\n');
  });
});
