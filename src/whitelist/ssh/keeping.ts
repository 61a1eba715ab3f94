/**
 * Runs that their host keeps until they are collected: a lost connection is made again and the result fetched, and
 * what has been received is taken off the host a little later.
 */
import type { CommandEnd, CommandResult, Host } from '../../core/command.ts';
import { FORGET } from '../remote-kept.ts';
import { tagOf } from '../remote-line.ts';
import { endRun, ownScript, type Performed, perform, type Request, type SessionDeps } from './session.ts';

export type Result = Omit<CommandResult, 'ms'>;

interface Keeping {
  run(request: Request, id: string): Promise<Result>;
  /** Undefined: the host has no record under this id, and from now on nothing begins under it there. */
  collect(request: Request, id: string): Promise<Result | undefined>;
  /** Takes what has been received off its hosts, as far as that is quick. */
  close(): Promise<void>;
}

/** Between attempts to reach the host again; the last one repeats. */
const PAUSES_MS = [100, 400, 1000, 2000, 4000, 8000] as const;
/** At least so long a host is tried that was lost, and one that is asked for what an earlier process began there. */
const LEAST_MS = 15_000;
/** Whoever was given the result has this long to put it down before its output is removed on the host. */
const FORGET_MS = 15_000;
const CLOSE_MS = 2_000;

export function createKeeping(deps: SessionDeps): Keeping {
  const { clock } = deps;
  const received = new Map<Host, { readonly ids: string[]; readonly timer: NodeJS.Timeout }>();

  const forget = async (host: Host): Promise<void> => {
    const entry = received.get(host);
    if (entry === undefined) return;
    received.delete(host);
    clearTimeout(entry.timer);
    const { signal } = new AbortController();
    // What is not removed now is swept by a later command.
    await perform(deps, { command: ownScript(FORGET, entry.ids), host, signal });
  };
  const receive = (host: Host, id: string): void => {
    const entry = received.get(host);
    if (entry !== undefined) return void entry.ids.push(id);
    const timer = setTimeout(() => void forget(host), FORGET_MS);
    received.set(host, { ids: [id], timer: timer.unref() });
  };

  /** Follows the record to its end; `unknown` is what is said when the host cannot be asked until then. */
  const follow = async (
    request: Request,
    id: string,
    until: number,
    unknown: CommandEnd,
  ): Promise<Result | undefined> => {
    const { host, signal } = request;
    for (let n = 0; ; n++) {
      if (signal.aborted) break;
      const performed = await perform(deps, { ...request, kept: { id, collect: true } });
      if (performed.kind === 'noted' && performed.note === 'none') return undefined;
      if (performed.kind === 'noted') return nothing({ kind: 'lost', problem: noPlace(host) });
      if (performed.told) {
        receive(host, id);
        return performed.result;
      }
      if (signal.aborted) break;
      const pause = PAUSES_MS[Math.min(n, PAUSES_MS.length - 1)] ?? 0;
      if (clock.now() + pause > until) return nothing(unknown);
      await paused(pause, signal);
    }
    const marker = '';
    const ended = await endRun(deps, host, tagOf({ marker, kept: { id, collect: true } }));
    return nothing({ kind: 'cancelled', ended: ended === true });
  };

  const afterStart = async (
    performed: Performed,
    request: Request,
    id: string,
    until: number,
  ): Promise<Result> => {
    const { host } = request;
    if (performed.kind === 'noted') {
      if (performed.note !== 'kept') return nothing({ kind: 'unreachable', problem: noPlace(host) });
      const problem = `${host.name} has begun it before and does not say how it ended`;
      const earlier = await follow(request, id, until, { kind: 'lost', problem });
      return (
        earlier ?? nothing({ kind: 'unreachable', problem: `${host.name} was told not to begin it any more` })
      );
    }
    const { result, told } = performed;
    if (told) receive(host, id);
    if (told || (result.end.kind !== 'lost' && result.end.kind !== 'timed-out')) return result;
    const found = await follow(request, id, until, result.end);
    if (found !== undefined) return found;
    const problem = `the connection to ${host.name} was lost before it began; it does not begin there any more`;
    return nothing({ kind: 'unreachable', problem });
  };

  const untilFor = ({ command }: Request): number =>
    clock.now() + Math.max(command.timeoutSeconds * 1000, LEAST_MS);

  return {
    async run(request, id) {
      const until = untilFor(request);
      return afterStart(
        await perform(deps, { ...request, kept: { id, collect: false } }),
        request,
        id,
        until,
      );
    },
    collect(request, id) {
      const { host } = request;
      const problem = `${host.name} cannot be asked how it ended`;
      const until = clock.now() + LEAST_MS;
      return follow(request, id, until, { kind: 'lost', problem });
    },
    async close() {
      const all = Promise.allSettled([...received.keys()].map(forget));
      await Promise.race([all, paused(CLOSE_MS, new AbortController().signal)]);
    },
  };
}

function noPlace(host: Host): string {
  return `${host.user} on ${host.name} has no private folder in which its result could be kept (home, /var/tmp, /dev/shm)`;
}

function nothing(end: CommandEnd): Result {
  return { end, stdout: '', stderr: '', truncated: false };
}

/** Resolves after so long, or when the signal aborts. */
function paused(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', over);
      resolve();
    };
    const timer = setTimeout(over, ms);
    signal.addEventListener('abort', over, { once: true });
  });
}
