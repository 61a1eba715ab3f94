#!/usr/bin/env node
// The command `opsagent`, also behind `npm start` and `npx opsagent`: makes sure that the program is there, then
// becomes it. One process, nothing on stdout (MCP speaks there), syntax that an old Node can parse to be refused.

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`opsagent needs Node 20.19 or newer, this is ${process.versions.node}.\n`);
  process.exitCode = 2;
} else {
  start();
}

async function start() {
  const { ensureReady, useCompileCache } = await import('./bootstrap.mjs');
  const problem = await ensureReady();

  if (problem) {
    process.stderr.write(`opsagent: ${problem.message}\n`);
    process.exit(problem.exitCode);
  }

  useCompileCache();
  const { main } = await import('../dist/src/main.js');
  await main(process.argv.slice(2));
}
