/**
 * What an instance takes when nobody asks anything: resident memory of each of its processes, and CPU time.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Figure } from './figure.ts';
import { startOpsagent } from './opsagent.ts';
import { stopChild, type Usage, usageOfTree } from './process.ts';
import { type Scope, sleep } from './scope.ts';

const settleMs = 10_000;
const watchMs = 10_000;
const ticksPerSecond = 100;

export function whyNotIdle(): string | undefined {
  return existsSync('/proc/self/status') ? undefined : 'it reads /proc, which this system does not have';
}

export async function idle(scope: Scope): Promise<readonly Figure[]> {
  const bare = spawn(process.execPath, ['-e', 'setInterval(() => {}, 2 ** 30)'], { stdio: 'ignore' });
  scope.add(() => stopChild(bare));
  const { pid } = await startOpsagent(scope, scope.folder());

  await sleep(settleMs);
  const before = usageOfTree(pid);
  const began = performance.now();
  await sleep(watchMs);
  const after = usageOfTree(pid);
  const seconds = (performance.now() - began) / 1000;
  const [node] = usageOfTree(bare.pid ?? 0);
  if (!node) throw new Error('the bare node process ended');

  const ticks = sum(after.map((p) => p.ticks)) - sum(before.map((p) => p.ticks));
  const named = after.map((process) => ({ name: nameOf(process, pid), mib: process.rssMiB }));
  const memory = (what: string, mib: number): Figure => ({
    what,
    unit: 'MiB',
    ours: mib,
    peer: { what: 'bare node', value: node.rssMiB },
    rounds: 1,
  });
  return [
    memory('all processes', sum(named.map((p) => p.mib))),
    ...[...new Set(named.map((p) => p.name))].map((name) =>
      memory(`· ${name}`, sum(named.filter((p) => p.name === name).map((p) => p.mib))),
    ),
    { what: 'CPU, of one core', unit: '%', ours: ticks / ticksPerSecond / (seconds / 100), rounds: 1 },
  ];
}

function nameOf({ pid, command }: Usage, root: number): string {
  if (pid === root) return 'bot and worker';
  if (/\bmain\.js mcp$/.test(command)) return 'whitelist server';
  if (/^\S*(redis|valkey)-server\b/.test(command)) return 'Redis';
  return 'shell that ends Redis with us';
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
