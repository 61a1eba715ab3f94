/**
 * One remote line on one connection, watched to its end: frames, time limits, stop. Says truthfully what is known:
 * not started, ended so, or lost.
 */
import type { Client, ClientChannel } from 'ssh2';
import type { CommandEnd, Host } from '../../core/command.ts';
import { decodeUtf8, visible } from '../../core/visible.ts';
import { createFrame, type Frame, type FrameNote } from '../frame.ts';
import { KILL_AFTER_SECONDS } from '../remote-script.ts';
import type { Waiting } from './ahead.ts';
import { at } from './dial.ts';
import { createStopper, type EndRun } from './stopper.ts';

export interface ExecuteOptions {
  readonly client: Client;
  /** A line for the login shell, or a request for a shell that waits for one. */
  readonly send: { readonly line: string } | { readonly request: string; readonly to: Waiting };
  readonly marker: string;
  readonly host: Host;
  readonly timeoutSeconds: number;
  readonly maxOutputBytes: number;
  readonly signal: AbortSignal;
  /** Ends the run's processes through another channel, whether or not they are still in its group. */
  readonly endRun: EndRun;
  /** Hears how many more bytes have come. */
  readonly onOutput?: (bytes: number) => void;
}

export type Outcome =
  | Execution
  | { readonly kind: 'not-started'; readonly problem: string }
  /** Nothing was started; what the host says of the record of this id. */
  | { readonly kind: 'noted'; readonly note: FrameNote; readonly closed: Promise<boolean> };

export interface Execution {
  readonly kind: 'ran';
  readonly end: CommandEnd;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly truncated: boolean;
  /** False when the end is what we conclude from silence, not what the host has said. */
  readonly told: boolean;
  /** Until then the channel takes a place on the connection; false when it was given up and still takes one. */
  readonly closed: Promise<boolean>;
}

/** A login shell may be slow (rc files); one that has not begun by then is given up. */
const START_MS = 20_000;
/** How long a stopped run is waited for when its login shell has not yet begun it. */
const LATE_START_MS = 5_000;
/** After the exit status the output is complete unless a daemon has kept it open. */
const LINGER_MS = 2_000;
/** Beyond the far side's own limit and KILL; then it is ended from here. */
const GRACE_MS = (KILL_AFTER_SECONDS + 5) * 1000;

/** Characters of what a gate says. */
const MAX_REFUSAL = 300;

/** Never rejects. */
export function execute(options: ExecuteOptions): Promise<Outcome> {
  const { client, send, host, marker, maxOutputBytes } = options;
  if ('to' in send) {
    const { channel, out, err } = send.to;
    send.to.handOver();
    const watched = watch(channel, out, err, options);
    channel.write(send.request);
    return watched;
  }
  return new Promise((resolve) => {
    try {
      client.exec(send.line, (error: (Error & { reason?: unknown }) | undefined, channel) => {
        if (error === undefined) {
          const [out, err] = [createFrame(marker, maxOutputBytes), createFrame(marker, maxOutputBytes)];
          return void watch(channel, out, err, options).then(resolve);
        }
        if (error.reason !== undefined) {
          return resolve({ kind: 'not-started', problem: `${at(host)} opens no further session` });
        }
        if (/unable to exec/i.test(error.message)) {
          return resolve({
            kind: 'not-started',
            problem: `${at(host)} does not let ${host.user} run commands`,
          });
        }
        // The line may have been on its way already.
        resolve(lostOnTheWay(`the connection to ${at(host)} was lost as the command was sent`));
      });
    } catch {
      resolve({ kind: 'not-started', problem: `the connection to ${at(host)} was closed` });
    }
  });
}

async function watch(
  channel: ClientChannel,
  out: Frame,
  err: Frame,
  options: ExecuteOptions,
): Promise<Outcome> {
  const { signal, host } = options;
  const stopper = createStopper(channel, options.endRun);
  let shellEnded: string | undefined;
  let told = 0;
  const tell = (): void => {
    const seen = out.seen + err.seen;
    if (seen > told) options.onOutput?.(seen - told);
    told = seen;
  };

  const gone = new Promise<boolean>((resolve) => channel.once('close', () => resolve(true)));
  const over = await new Promise<'complete' | 'closed' | 'given-up'>((resolve) => {
    let timer = setTimeout(() => resolve('given-up'), START_MS);
    const within = (ms: number, then: () => void): void => {
      clearTimeout(timer);
      timer = setTimeout(then, ms);
    };
    const stop = (why: 'cancelled' | 'timed-out'): void => {
      if (out.status !== undefined) return;
      stopper.stop(why);
      if (out.group === undefined) within(LATE_START_MS, () => resolve('given-up'));
      else void stopper.kill(out.group).then(() => within(LINGER_MS, () => resolve('given-up')));
    };
    /** After the exit status: over when all has come, given up when nothing more comes for a while. */
    const afterExit = (): void => {
      if (out.note !== undefined) within(LINGER_MS, () => resolve('given-up'));
      if (out.status === undefined && out.note === undefined) return;
      if (out.ended && err.ended) resolve('complete');
      else within(LINGER_MS, () => resolve('given-up'));
    };
    let begun = false;
    channel.on('data', (chunk: Buffer) => {
      out.push(chunk);
      tell();
      if (!begun && out.group !== undefined) {
        begun = true;
        if (stopper.why === undefined) {
          within(options.timeoutSeconds * 1000 + GRACE_MS, () => stop('timed-out'));
        } else stop(stopper.why);
      }
      afterExit();
    });
    channel.stderr.on('data', (chunk: Buffer) => {
      err.push(chunk);
      tell();
      afterExit();
    });
    channel.once('exit', (code: number | null, name?: string) => {
      shellEnded = code === null ? `${name}` : `exit ${code}`;
    });
    channel.on('error', () => {});
    void gone.then(() => resolve('closed'));
    const onAbort = (): void => stop('cancelled');
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    stopper.atEnd(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    });
  });
  stopper.finish();
  // All is said, but shells and channel take a moment to go; nobody has to wait for that.
  const closed = over === 'given-up' ? Promise.resolve(false) : Promise.race([gone, falseAfter(LINGER_MS)]);
  void closed.then((whole) => whole || channel.close());

  if (out.note !== undefined && !out.started) return { kind: 'noted', note: out.note, closed };
  // The far side has said after its last word that the waiting shell is gone, so it took no request.
  if ('to' in options.send && !out.started && shellEnded !== undefined && stopper.why === undefined) {
    return { kind: 'not-started', problem: `the waiting shell on ${host.name} ended (${shellEnded})` };
  }
  const stdout = out.body();
  const stderr = err.body();
  return {
    kind: 'ran',
    end: await endOf(),
    stdout,
    stderr,
    truncated: out.truncated || err.truncated,
    told: out.status !== undefined || out.note !== undefined,
    closed,
  };

  async function endOf(): Promise<CommandEnd> {
    const { status, late } = out;
    if (stopper.why !== undefined) {
      const asked = await stopper.gone;
      return { kind: stopper.why, ended: asked ?? (!out.started && shellEnded !== undefined) };
    }
    if (late !== undefined) return { kind: 'timed-out', ended: late === 1 };
    if (status !== undefined) return endOfStatus(status);
    if (out.note === 'dead') {
      return {
        kind: 'lost',
        problem: `what watched it on ${host.name} was ended, or ${host.name} restarted`,
      };
    }
    if (out.started)
      return { kind: 'lost', problem: `the connection to ${at(host)} was lost while the command ran` };
    if (shellEnded !== undefined) {
      const refusal = host.gate ? gateRefusal(err.before) : undefined;
      if (refusal !== undefined)
        return { kind: 'unreachable', problem: `the gate of ${host.name} refused it: ${refusal}` };
      const problem = `the login shell of ${host.user} on ${host.name} ended before the command (${shellEnded})`;
      return { kind: 'unreachable', problem };
    }
    if (over === 'closed') {
      return {
        kind: 'lost',
        problem: `the connection to ${at(host)} was lost before the command was seen to begin`,
      };
    }
    return {
      kind: 'lost',
      problem: `the login shell of ${host.user} on ${host.name} has not begun the command within ${START_MS / 1000} s`,
    };
  }
}

/** Why the gate took the request for none: the one line that it says then. */
function gateRefusal(stderr: Buffer): string | undefined {
  const line = /^opsagent gate: (.+)$/m.exec(decodeUtf8(stderr))?.[1];
  return line === undefined ? undefined : visible(line).slice(0, MAX_REFUSAL);
}

function falseAfter(ms: number): Promise<boolean> {
  return new Promise((resolve) => setTimeout(() => resolve(false), ms).unref());
}

/** A shell says 128 + n when a signal ended the command. */
function endOfStatus(status: number): CommandEnd {
  const name = SIGNALS[status - 128];
  return name === undefined ? { kind: 'exited', code: status } : { kind: 'signalled', signal: `SIG${name}` };
}

/** Those whose numbers are the same on every system. */
const SIGNALS: Readonly<Record<number, string>> = {
  1: 'HUP',
  2: 'INT',
  3: 'QUIT',
  4: 'ILL',
  5: 'TRAP',
  6: 'ABRT',
  8: 'FPE',
  9: 'KILL',
  11: 'SEGV',
  13: 'PIPE',
  14: 'ALRM',
  15: 'TERM',
};

function lostOnTheWay(problem: string): Execution {
  const nothing = Buffer.alloc(0);
  return {
    kind: 'ran',
    end: { kind: 'lost', problem },
    stdout: nothing,
    stderr: nothing,
    truncated: false,
    told: false,
    closed: Promise.resolve(false),
  };
}
