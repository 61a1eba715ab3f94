/**
 * CommandRunner over SSH: renders the remote line, runs it on a kept connection, and when the signal or the time
 * limit says so ends the process group on the far side through a second channel.
 */

import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { CommandEnd, CommandResult, Host, RenderedCommand } from '../../core/command.ts';
import type { Clock, CommandRunner, Logger } from '../../core/ports.ts';
import { decodeUtf8 } from '../../core/visible.ts';
import { GROUP_ALIVE, remoteLine } from '../remote-line.ts';
import { type Execution, execute, type Outcome } from './execute.ts';
import type { ReadFile } from './host-key.ts';
import { createPool, type Lease, type Pool } from './pool.ts';

export interface SshRunnerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** SSH_AUTH_SOCK, for hosts without a key file. */
  readonly agent?: string;
  /** A connection unused for this long is closed; default two minutes. */
  readonly idleMs?: number;
  readonly connectTimeoutMs?: number;
  /** Reads key files and known_hosts; default the file system. */
  readonly readFile?: ReadFile;
}

/** Nothing is thrown for what a host does. `close` ends every connection; what ran on them is `lost`. */
export function createSshRunner(options: SshRunnerOptions): CommandRunner {
  const { clock } = options;
  const pool = createPool({
    logger: options.logger,
    readFile: options.readFile ?? ((path) => readFile(path)),
    ...(options.agent === undefined ? {} : { agent: options.agent }),
    idleMs: options.idleMs ?? 120_000,
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
  });

  return {
    async run(command, host, signal, onOutput) {
      const began = clock.now();
      // One signal may stop a whole fan-out; each run takes its listeners off again.
      setMaxListeners(0, signal);
      const outcome = await runOnce(pool, command, host, signal, clock, onOutput);
      return { ...outcome, ms: clock.now() - began };
    },
    async close() {
      pool.close();
    },
  };
}

const ATTEMPTS = 10;

async function runOnce(
  pool: Pool,
  command: RenderedCommand,
  host: Host,
  signal: AbortSignal,
  clock: Clock,
  onOutput: ((bytes: number) => void) | undefined,
): Promise<Omit<CommandResult, 'ms'>> {
  const marker = randomBytes(16).toString('hex');
  const rendered = remoteLine({
    script: command.script,
    args: command.args,
    timeoutSeconds: command.timeoutSeconds,
    maxOutputBytes: command.maxOutputBytes,
    ...(host.path === undefined ? {} : { path: host.path }),
    marker,
  });
  if (!rendered.ok) return notRun({ kind: 'unreachable', problem: rendered.reason });
  let problem = '';
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const leased = await orAborted(pool.lease(host), signal, (late) => late.ok && late.lease.release());
    if (leased === 'aborted') return notRun({ kind: 'cancelled', ended: true });
    if (!leased.ok) return notRun({ kind: 'unreachable', problem: leased.problem });
    const { lease } = leased;
    const outcome = await execute({
      client: lease.client,
      line: rendered.line,
      marker,
      host,
      timeoutSeconds: command.timeoutSeconds,
      maxOutputBytes: command.maxOutputBytes,
      signal,
      clock,
      endGroup: (group) => endGroup(pool, host, group, clock),
      ...(onOutput === undefined ? {} : { onOutput }),
    });
    settle(lease, outcome);
    if (outcome.kind === 'ran') return result(outcome, lease.hostKey);
    // Nothing was started, and the connection was another's: stale, or full where sshd allows few sessions.
    problem = outcome.problem;
    if (!lease.kept) break;
  }
  return notRun({ kind: 'unreachable', problem });
}

/**
 * Ends a process group on the host: TERM, after two seconds KILL. True when the host says that it is gone. Where the
 * group holds processes of another user (sudo), they cannot be signalled and the answer is false.
 */
async function endGroup(pool: Pool, host: Host, group: number, clock: Clock): Promise<boolean | undefined> {
  const marker = randomBytes(16).toString('hex');
  const limits = { timeoutSeconds: 5, maxOutputBytes: 1000 };
  const rendered = remoteLine({ script: END_GROUP, args: [String(group)], ...limits, marker });
  if (!rendered.ok) return undefined;
  const leased = await pool.lease(host);
  if (!leased.ok) return undefined;
  const { lease } = leased;
  const outcome = await execute({
    client: lease.client,
    line: rendered.line,
    marker,
    host,
    ...limits,
    signal: new AbortController().signal,
    clock,
    endGroup: async () => undefined,
  });
  settle(lease, outcome);
  if (outcome.kind !== 'ran' || outcome.end.kind !== 'exited') return undefined;
  return outcome.end.code === 0;
}

const END_GROUP = `${GROUP_ALIVE}
kill -TERM "-$1" 2>/dev/null
i=0
while alive "$1"; do
  i=$((i + 1))
  [ $i -ne 20 ] || kill -KILL "-$1" 2>/dev/null
  [ $i -lt 25 ] || exit 1
  sleep 0.1
done
exit 0`;

function settle(lease: Lease, outcome: Outcome): void {
  const closed = outcome.kind === 'ran' ? outcome.closed : Promise.resolve(false);
  void closed.then((whole) => {
    if (!whole) lease.retire();
    lease.release();
  });
}

function result(execution: Execution, hostKey: string): Omit<CommandResult, 'ms'> {
  return {
    end: execution.end,
    stdout: decodeUtf8(execution.stdout),
    stderr: decodeUtf8(execution.stderr),
    truncated: execution.truncated,
    hostKey,
  };
}

function notRun(end: CommandEnd): Omit<CommandResult, 'ms'> {
  return { end, stdout: '', stderr: '', truncated: false };
}

/** The promise, or 'aborted' as soon as the signal is; a value that comes later goes to `discard`. */
function orAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal,
  discard: (late: T) => void,
): Promise<T | 'aborted'> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      resolve('aborted');
      promise.then(discard, () => {});
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(
      (value) => {
        signal.removeEventListener('abort', onAbort);
        resolve(value);
      },
      (error: unknown) => reject(error),
    );
  });
}
