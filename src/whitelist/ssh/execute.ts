/**
 * One remote line on one connection, watched to its end: frames, time limits, stop. Says truthfully what is known:
 * not started, ended so, or lost.
 */
import type { Client, ClientChannel } from 'ssh2';
import type { CommandEnd, Host } from '../../core/command.ts';
import type { Clock } from '../../core/ports.ts';
import { createFrame } from '../frame.ts';
import { KILL_AFTER_SECONDS } from '../remote-line.ts';
import { at } from './dial.ts';

export interface ExecuteOptions {
  readonly client: Client;
  readonly line: string;
  readonly marker: string;
  readonly host: Host;
  readonly timeoutSeconds: number;
  readonly maxOutputBytes: number;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Ends a process group through another channel; true when it is gone, undefined when the host could not be asked. */
  readonly endGroup: (group: number) => Promise<boolean | undefined>;
  /** Hears how many more bytes have come. */
  readonly onOutput?: (bytes: number) => void;
}

export type Outcome = Execution | { readonly kind: 'not-started'; readonly problem: string };

export interface Execution {
  readonly kind: 'ran';
  readonly end: CommandEnd;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly truncated: boolean;
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

/** How long the host is given to say that a process group is gone. */
const KILL_MS = 8_000;

/** Never rejects. */
export function execute(options: ExecuteOptions): Promise<Outcome> {
  const { client, line, host, clock } = options;
  const sent = clock.now();
  return new Promise((resolve) => {
    try {
      client.exec(line, (error: (Error & { reason?: unknown }) | undefined, channel) => {
        if (error === undefined) return void watch(channel, sent, options).then(resolve);
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

async function watch(channel: ClientChannel, sent: number, options: ExecuteOptions): Promise<Execution> {
  const { marker, maxOutputBytes, signal, clock, host } = options;
  const out = createFrame(marker, maxOutputBytes);
  const err = createFrame(marker, maxOutputBytes);
  const stopper = createStopper(channel, options.endGroup);
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
      if (out.status === undefined) return;
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

  const elapsed = clock.now() - sent;
  const stdout = out.body();
  const stderr = err.body();
  return {
    kind: 'ran',
    end: await endOf(),
    stdout,
    stderr,
    truncated: out.truncated || err.truncated,
    closed,
  };

  async function endOf(): Promise<CommandEnd> {
    const { status, group } = out;
    if (stopper.why !== undefined) {
      const ended =
        (await stopper.gone) ?? (status !== undefined || (group === undefined && shellEnded !== undefined));
      return { kind: stopper.why, ended };
    }
    if (status !== undefined) {
      const late = elapsed >= options.timeoutSeconds * 1000;
      if (!late || ![124, 137, 143].includes(status) || group === undefined) return endOfStatus(status);
      // timeout(1) has done its part; that nothing is left (of another user, say) is asked.
      return { kind: 'timed-out', ended: (await options.endGroup(group)) ?? true };
    }
    if (out.started)
      return { kind: 'lost', problem: `the connection to ${at(host)} was lost while the command ran` };
    if (shellEnded !== undefined) {
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

interface Stopper {
  /** Why the run is being stopped; the first reason stays. */
  readonly why: 'cancelled' | 'timed-out' | undefined;
  /** Whether the host says that the group is gone, once asked. */
  readonly gone: Promise<boolean | undefined>;
  stop(why: 'cancelled' | 'timed-out'): void;
  kill(group: number): Promise<boolean | undefined>;
  atEnd(cleanUp: () => void): void;
  finish(): void;
}

function createStopper(channel: ClientChannel, endGroup: ExecuteOptions['endGroup']): Stopper {
  let why: Stopper['why'];
  let gone: Promise<boolean | undefined> = Promise.resolve(undefined);
  let killing = false;
  let cleanUp = (): void => {};
  return {
    get why() {
      return why;
    },
    get gone() {
      return gone;
    },
    stop(reason) {
      if (why !== undefined) return;
      why = reason;
      // Quick where it works; sshd ignores it for root logins, so it is never relied on.
      channel.signal('TERM');
    },
    kill(group) {
      if (!killing) {
        killing = true;
        gone = Promise.race([endGroup(group), undefinedAfter(KILL_MS)]);
      }
      return gone;
    },
    atEnd(given) {
      cleanUp = given;
    },
    finish: () => cleanUp(),
  };
}

async function falseAfter(ms: number): Promise<boolean> {
  await undefinedAfter(ms);
  return false;
}

function undefinedAfter(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), ms).unref());
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
    closed: Promise.resolve(false),
  };
}
