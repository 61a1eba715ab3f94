// `npm test`: makes ready all that the tests need, runs them with no credentials in sight, and ends with what was
// left out and with one line of counts. Arguments go to vitest: `npm test -- test/core`.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { progress } from '../src/bootstrap/step.mjs';
import { ensureReady, ROOT } from '../src/bootstrap.mjs';
import { installMissingPrograms } from './install-programs.mjs';
import { countTests, describeLeftOut } from './report.mjs';

const CREDENTIALS =
  /^(ANTHROPIC|SLACK|DISCORD|REMOTE|OPSAGENT)_|^(REDIS_URL|CLAUDE_MODEL|MAX_TOKENS|UI_PORT|LOG_LEVEL|TS_AUTHKEY)$|^SSH_(KEY|KNOWN|AUTH)_|_PASSPHRASE(_FILE)?$|(^|_)(TOKEN|SECRET|PASSWORD|API_KEY|AUTHKEY)(_FILE)?$/;

const problem = await ensureReady({ dev: true });
if (problem) {
  process.stderr.write(`opsagent: ${problem.message}\n`);
  process.exit(problem.exitCode);
}

const steps = progress();
await installMissingPrograms(steps.step);
steps.end();

const folder = mkdtempSync(join(tmpdir(), 'opsagent-test-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

const report = join(folder, 'report.json');
const leftOutList = join(folder, 'left-out.jsonl');
const code = await vitest(process.argv.slice(2));
const leftOut = readLeftOut();

if (leftOut.length > 0) {
  process.stdout.write(isCi() ? '\nLeft out, which with CI=true is a failure:\n' : '\nLeft out:\n');
  process.stdout.write(`${describeLeftOut(leftOut, ROOT)}\n\n`);
}
process.stdout.write(`${countTests(readOr(report), code)}\n`);
process.exit(code || (isCi() && leftOut.length > 0 ? 1 : 0));

function vitest(args) {
  const reporters = args.some((arg) => arg.startsWith('--reporter')) ? [] : ['--reporter=default'];
  const own = [...reporters, '--reporter=json', `--outputFile.json=${report}`];
  const bin = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !CREDENTIALS.test(name)));

  return new Promise((resolve) => {
    const child = spawn(process.execPath, [bin, 'run', ...own, ...args], {
      cwd: ROOT,
      env: { ...env, LEFT_OUT_SUITES: leftOutList },
      stdio: 'inherit',
    });
    // A terminal sends Ctrl-C to vitest as well; this process waits for it to clean up.
    process.on('SIGINT', () => {});
    process.on('SIGTERM', () => child.kill('SIGTERM'));
    child.once('error', () => resolve(1));
    child.once('close', (exit) => resolve(exit ?? 1));
  });
}

function readLeftOut() {
  const lines = (readOr(leftOutList) ?? '').split('\n').filter(Boolean);

  return [...new Set(lines)].sort().map((line) => JSON.parse(line));
}

function readOr(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function isCi() {
  return !['', '0', 'false', undefined].includes(process.env.CI);
}
