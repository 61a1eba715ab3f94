/**
 * Names a process so that another can tell whether it still lives: a process id alone is soon given to somebody else.
 */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

export interface Owner {
  readonly pid: number;
  /** When the kernel started it, in ticks since boot; empty where the system does not say. */
  readonly started: string;
  readonly machine: string;
}

export function thisProcess(): Owner {
  return { pid: process.pid, started: startOf(process.pid), machine: hostname() };
}

export function isThisProcess(owner: Owner): boolean {
  const own = thisProcess();
  return owner.pid === own.pid && owner.started === own.started && owner.machine === own.machine;
}

/** False for a process of another machine or container: it cannot be seen from here. */
export function isAlive(owner: Owner): boolean {
  if (owner.machine !== hostname()) return false;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return startOf(owner.pid) === owner.started;
}

/** The start time by which the kernel tells two holders of one number apart; a zombie has none any more. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Fields are counted after the name, which is in parentheses and may hold anything: first the state.
    const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? 'ended' : (rest[18] ?? '');
  } catch {
    return '';
  }
}
