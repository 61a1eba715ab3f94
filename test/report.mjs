// What `npm test` says after vitest: which suites were left out and how to get them, and the counts.
// The counts are its last line, which CI reads; they never say `0 failed` about a run that failed outside of a test.

import { relative } from 'node:path';
import { PROGRAMS } from './system-packages.mjs';

/**
 * @param {readonly { file: string, suite: string, missing: readonly string[] }[]} suites
 * @param {string} root
 * @returns {string} lines for a person
 */
export function describeLeftOut(suites, root) {
  const programs = [...new Set(suites.flatMap(({ missing }) => missing))];
  const packages = (manager) =>
    [...new Set(programs.map((program) => PROGRAMS[program]?.[manager] ?? program))]
      .filter(Boolean)
      .join(' ');

  return [
    ...suites.map(
      ({ file, suite, missing }) => `  ${relative(root, file)}: ${suite} (no ${missing.join(', ')})`,
    ),
    'To have them run:',
    `  Debian, Ubuntu   apt-get install --no-install-recommends ${packages('apt')} (npm test does so as root)`,
    `  macOS            brew install ${packages('brew')}`,
    `  elsewhere        put on the PATH: ${programs.join(', ')}`,
  ].join('\n');
}

/**
 * @param {string | undefined} json vitest's JSON report, undefined when it wrote none
 * @param {number} exitCode vitest's own
 * @returns {string} `N passed, N failed, N skipped`
 */
export function countTests(json, exitCode) {
  const report = json === undefined ? undefined : JSON.parse(json);
  const files = report?.testResults ?? [];
  // A file that could not be loaded has no tests to fail, yet it is one.
  const unloaded = files.filter(({ status, assertionResults }) => {
    return status === 'failed' && !assertionResults.some((test) => test.status === 'failed');
  });
  const passed = report?.numPassedTests ?? 0;
  const skipped = (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0);
  const failed = (report?.numFailedTests ?? 0) + unloaded.length;

  return `${passed} passed, ${Math.max(failed, exitCode === 0 ? 0 : 1)} failed, ${skipped} skipped`;
}
