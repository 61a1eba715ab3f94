// The bootstrap alone, for npm scripts: `cli.mjs` makes ready for development what is stale, `cli.mjs build`
// builds whether it is stale or not.

import { ensureReady } from '../bootstrap.mjs';

const problem = await ensureReady({
  dev: true,
  build: process.argv[2] === 'build' ? 'always' : 'when-stale',
});

if (problem) {
  process.stderr.write(`opsagent: ${problem.message}\n`);
  process.exit(problem.exitCode);
}
