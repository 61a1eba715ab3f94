/**
 * Child processes of the bench: run one to its end, stop one for certain, and what Linux says that one uses.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';

/** Runs a program to its end. Rejects, with what it said, unless it ends with 0. */
export function runToEnd(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...args], { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
    });
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0
        ? resolve(out)
        : reject(new Error(`${command} ${args[0] ?? ''} ended with ${code}: ${err.trim().slice(-500)}`)),
    );
  });
}

/** Asks a child to end, makes it end after `graceMs`, and resolves when it has. */
export async function stopChild(child: ChildProcess, graceMs = 6_000): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), graceMs);
  await ended;
  clearTimeout(late);
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export interface Usage {
  readonly pid: number;
  /** The command line, words separated by spaces. */
  readonly command: string;
  readonly rssMiB: number;
  /** CPU time spent so far, in clock ticks (1/100 s). */
  readonly ticks: number;
}

/** A process and all its descendants, from /proc; it first. */
export function usageOfTree(root: number): readonly Usage[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? statOf(Number(name)) : undefined;
    if (stat) parents.set(Number(name), Number(stat[1]));
  }
  const below = (pid: number): number[] =>
    [...parents].flatMap(([child, parent]) => (parent === pid ? [child, ...below(child)] : []));
  return [root, ...below(root)].flatMap((pid) => usageOf(pid) ?? []);
}

function usageOf(pid: number): Usage | undefined {
  const stat = statOf(pid);
  const rss = /^VmRSS:\s+(\d+) kB$/m.exec(readOr(`/proc/${pid}/status`))?.[1];
  if (!stat || rss === undefined) return undefined;
  return {
    pid,
    command: readOr(`/proc/${pid}/cmdline`).split('\0').join(' ').trim(),
    rssMiB: Number(rss) / 1024,
    ticks: Number(stat[11]) + Number(stat[12]),
  };
}

/** The fields of /proc/PID/stat after the program's name, which may hold spaces: state, parent, … */
function statOf(pid: number): readonly string[] | undefined {
  const text = readOr(`/proc/${pid}/stat`);
  return text === '' ? undefined : text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** A process may end between being listed and being read. */
function readOr(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
