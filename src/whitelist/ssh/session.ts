/**
 * One request to one host: a leased connection, a shell that waits there or a line of its own, again on another
 * connection where nothing was started, and what ends it through a second channel.
 */
import { randomBytes } from 'node:crypto';
import type { CommandEnd, CommandResult, Host, RenderedCommand } from '../../core/command.ts';
import type { Clock } from '../../core/ports.ts';
import { decodeUtf8 } from '../../core/visible.ts';
import type { FrameNote } from '../frame.ts';
import { type RemoteLine, type RemoteLineInput, remoteLine, requestLine, tagOf } from '../remote-line.ts';
import { END_RUN } from '../remote-script.ts';
import type { Ahead } from './ahead.ts';
import { type Execution, execute, type Outcome } from './execute.ts';
import type { Lease, Pool } from './pool.ts';
import type { EndRun } from './stopper.ts';

/** The line for a host whose login runs the remote gate, instead of `remoteLine`: framed, limited and kept alike. */
export type GateLine = (
  asked: Pick<RemoteLineInput, 'marker' | 'kept'> & { readonly command: Request['command'] },
) => RemoteLine;

export interface SessionDeps {
  readonly pool: Pool;
  readonly ahead: Ahead;
  readonly clock: Clock;
  readonly gateLine?: GateLine;
}

/** A script of ours that is no command of the catalogue. */
type OwnScript = Pick<RenderedCommand, 'script' | 'args' | 'timeoutSeconds' | 'maxOutputBytes'>;

export interface Request {
  readonly command: RenderedCommand | OwnScript;
  readonly host: Host;
  readonly signal: AbortSignal;
  readonly onOutput?: (bytes: number) => void;
  readonly kept?: { readonly id: string; readonly collect: boolean };
}

export type Performed =
  /** `told`: by the host itself; otherwise what follows from its silence. */
  | { readonly kind: 'result'; readonly result: Omit<CommandResult, 'ms'>; readonly told: boolean }
  /** Nothing was started; what the host says of the record. */
  | { readonly kind: 'noted'; readonly note: FrameNote };

const ATTEMPTS = 10;
/** A command that takes longer has others beside it: the next shell is started meanwhile. */
const NEXT_SHELL_MS = 250;

export async function perform(deps: SessionDeps, request: Request): Promise<Performed> {
  const { host, signal } = request;
  let problem = '';
  let mayWait = true;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const leased = await orAborted(deps.pool.lease(host), signal, (late) => late.ok && late.lease.release());
    if (leased === 'aborted') return notRun({ kind: 'cancelled', ended: true });
    if (!leased.ok) return notRun({ kind: 'unreachable', problem: leased.problem });
    const { lease } = leased;
    const sending = await sendingOf(deps, request, lease, mayWait);
    if ('reason' in sending) {
      lease.release();
      return notRun({ kind: 'unreachable', problem: sending.reason });
    }
    // A waiting shell may have been waited for meanwhile.
    if (signal.aborted) {
      if ('to' in sending.send) sending.send.to.channel.close();
      lease.release();
      return notRun({ kind: 'cancelled', ended: true });
    }
    const outcome = await executeOn(deps, request, lease, sending);
    if (outcome.kind === 'ran') {
      return { kind: 'result', result: resultOf(outcome, lease.hostKey), told: outcome.told };
    }
    if (outcome.kind === 'noted') return { kind: 'noted', note: outcome.note };
    // Nothing was started, and the connection was another's: stale, or full where sshd allows few sessions.
    problem = outcome.problem;
    if (!lease.kept && !sending.waited) break;
    mayWait = !sending.waited;
  }
  return notRun({ kind: 'unreachable', problem });
}

/**
 * Ends what bears this mark on the host, and the process group if there is one; true when the host says that all is
 * gone. Processes of another user (sudo) cannot be signalled: then it is false.
 */
export async function endRun(
  deps: SessionDeps,
  host: Host,
  tag: string,
  group?: number,
): Promise<boolean | undefined> {
  const performed = await perform(deps, {
    command: ownScript(END_RUN, [group === undefined ? '' : String(group), tag]),
    host,
    signal: new AbortController().signal,
  });
  if (performed.kind !== 'result') return undefined;
  const { end } = performed.result;
  return end.kind === 'exited' ? end.code === 0 : undefined;
}

export function ownScript(script: string, args: readonly string[]): OwnScript {
  return { script, args, timeoutSeconds: 10, maxOutputBytes: 1000 };
}

const isOwn = (command: Request['command']): boolean => !('digest' in command);

interface Sending {
  readonly send: Parameters<typeof execute>[0]['send'];
  readonly marker: string;
  readonly waited: boolean;
}

async function sendingOf(
  { ahead, gateLine }: SessionDeps,
  { command, host, kept }: Request,
  lease: Lease,
  mayWait: boolean,
): Promise<Sending | { readonly reason: string }> {
  const inputFor = (marker: string): RemoteLineInput => ({
    script: command.script,
    args: command.args,
    timeoutSeconds: command.timeoutSeconds,
    maxOutputBytes: command.maxOutputBytes,
    ...(host.path === undefined ? {} : { path: host.path }),
    ...(kept === undefined ? {} : { kept }),
    marker,
  });
  const own = randomBytes(16).toString('hex');
  if (mayWait && !host.gate && requestLine(inputFor(own)) !== undefined) {
    const to = await ahead.take(lease.client, host, command.maxOutputBytes);
    const request = to && requestLine(inputFor(to.marker));
    if (to && request !== undefined) return { send: { request, to }, marker: to.marker, waited: true };
  }
  // Here it is chosen what a host is sent.
  const asked = { command, marker: own, ...(kept === undefined ? {} : { kept }) };
  const rendered = host.gate ? gateLine?.(asked) : remoteLine(inputFor(own));
  if (rendered === undefined) return { reason: `${host.name} has a gate, and nothing here speaks to gates` };
  if (!rendered.ok) return { reason: rendered.reason };
  return { send: { line: rendered.line }, marker: own, waited: false };
}

async function executeOn(
  deps: SessionDeps,
  request: Request,
  lease: Lease,
  sending: Sending,
): Promise<Outcome> {
  const { command, host, signal, onOutput, kept } = request;
  const { marker } = sending;
  const end: EndRun = (group, why) => {
    // A host that is silent beyond its own limit is asked on another connection.
    if (why === 'timed-out') lease.retire();
    return endRun(deps, host, tagOf({ marker, ...(kept === undefined ? {} : { kept }) }), group);
  };
  const openNext = (): void => {
    if (!isOwn(command)) deps.ahead.open(lease.client, host, command.maxOutputBytes);
  };
  const early = setTimeout(openNext, NEXT_SHELL_MS);
  const outcome = await execute({
    client: lease.client,
    send: sending.send,
    marker,
    host,
    timeoutSeconds: command.timeoutSeconds,
    maxOutputBytes: command.maxOutputBytes,
    signal,
    endRun: isOwn(command) ? async () => undefined : end,
    ...(onOutput === undefined ? {} : { onOutput }),
  });
  clearTimeout(early);
  const closed = outcome.kind === 'not-started' ? Promise.resolve(sending.waited) : outcome.closed;
  void closed.then((whole) => {
    if (whole) openNext();
    else lease.retire();
    lease.release();
  });
  return outcome;
}

function resultOf(execution: Execution, hostKey: string): Omit<CommandResult, 'ms'> {
  return {
    end: execution.end,
    stdout: decodeUtf8(execution.stdout),
    stderr: decodeUtf8(execution.stderr),
    truncated: execution.truncated,
    hostKey,
  };
}

function notRun(end: CommandEnd): Performed {
  return { kind: 'result', result: { end, stdout: '', stderr: '', truncated: false }, told: false };
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
