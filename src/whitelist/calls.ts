/**
 * Calls under way in this process, by id: calling again attaches to the one that runs, and what ended a moment
 * ago is still told. Decides what a caller's going away means: a read ends, a change that has begun goes on, and so
 * does what its host keeps.
 */

export interface CallControl {
  /** Aborted when somebody stopped the call, or nobody waits for a read any more. */
  readonly signal: AbortSignal;
  /** From now on only an explicit stop ends it, no lost connection. */
  changeBegins(): void;
  /** The same for a read that its host keeps; but nobody here has to see it to its end. */
  keptByHost(): void;
  /** So many more bytes of output have come; whoever is attached hears the sum. */
  output(bytes: number): void;
  /** So many of the hosts of a group have ended. */
  hosts(ended: number, of: number): void;
}

/** How a call is coming along. */
export interface SoFar {
  readonly bytes: number;
  readonly hosts?: { readonly ended: number; readonly of: number };
}

/** What a caller's signal says: the person stopped it, or only the connection is gone. */
export type Gone = 'stopped' | 'disconnected';

interface CallerSignal {
  readonly signal: AbortSignal;
  readonly why: (signal: AbortSignal) => Gone;
  readonly onProgress?: (soFar: SoFar) => void;
}

export interface Calls<Reply> {
  /**
   * Attaches to the call with this id, or begins it. `fingerprint` tells that it is the same call; undefined comes
   * back while another one runs under the same id.
   */
  join(
    id: string,
    fingerprint: string,
    caller: CallerSignal,
    begin: (control: CallControl) => Promise<Reply>,
  ): Promise<Reply> | undefined;
  /** Stops the call, if it still runs, and tells how it ended; undefined when nothing is known of it. */
  stop(id: string, fingerprint: string): Promise<Reply> | undefined;
  /** Resolves when no call is under way that somebody waits for, or that is not kept by its host. */
  idle(): Promise<void>;
}

interface Entry<Reply> {
  readonly fingerprint: string;
  readonly controller: AbortController;
  readonly reply: Promise<Reply>;
  readonly listeners: Set<(soFar: SoFar) => void>;
  soFar: SoFar;
  attached: number;
  change: boolean;
  kept: boolean;
  ended: boolean;
}

/** Why a call was ended that nobody stopped: all who waited for it are gone. */
export const nobodyWaits = new Error('nobody waits for it any more');

/** How many ended calls are remembered for a caller that stopped one and asks how it ended. */
const remembered = 100;

export function createCalls<Reply>(): Calls<Reply> {
  const entries = new Map<string, Entry<Reply>>();

  const start = (
    id: string,
    fingerprint: string,
    begin: (control: CallControl) => Promise<Reply>,
    after?: Promise<Reply>,
  ) => {
    const controller = new AbortController();
    const tell = (soFar: SoFar) => {
      entry.soFar = soFar;
      for (const listener of entry.listeners) listener(soFar);
    };
    const control: CallControl = {
      signal: controller.signal,
      changeBegins: () => {
        entry.change = true;
      },
      keptByHost: () => {
        entry.kept = true;
      },
      output: (bytes) => tell({ ...entry.soFar, bytes: entry.soFar.bytes + bytes }),
      hosts: (ended, of) => tell({ ...entry.soFar, hosts: { ended, of } }),
    };
    const reply = Promise.resolve(after)
      .catch(() => {})
      .then(() => begin(control))
      .finally(() => {
        entry.ended = true;
        forget();
      });
    const entry: Entry<Reply> = {
      fingerprint,
      controller,
      reply,
      listeners: new Set(),
      soFar: { bytes: 0 },
      attached: 0,
      change: false,
      kept: false,
      ended: false,
    };
    reply.catch(() => {});
    entries.delete(id);
    entries.set(id, entry);
    return entry;
  };

  const forget = () => {
    const ended = [...entries].filter(([, e]) => e.ended);
    for (const [id] of ended.slice(0, Math.max(0, ended.length - remembered))) entries.delete(id);
  };

  const attach = (entry: Entry<Reply>, caller: CallerSignal) => {
    entry.attached += 1;
    if (caller.onProgress) entry.listeners.add(caller.onProgress);
    const gone = () => {
      entry.attached -= 1;
      if (caller.onProgress) entry.listeners.delete(caller.onProgress);
      const stopped = caller.why(caller.signal) === 'stopped';
      if (stopped) entry.controller.abort();
      else if (entry.attached === 0 && !entry.change && !entry.kept) entry.controller.abort(nobodyWaits);
    };
    if (caller.signal.aborted) gone();
    else {
      caller.signal.addEventListener('abort', gone, { once: true });
      const leave = () => caller.signal.removeEventListener('abort', gone);
      entry.reply.then(leave, leave);
    }
    return entry.reply;
  };

  return {
    join(id, fingerprint, caller, begin) {
      const known = entries.get(id);
      if (!known || known.ended) return attach(start(id, fingerprint, begin), caller);
      if (known.fingerprint !== fingerprint) return undefined;
      // One that is being ended because nobody waited any more is no answer to whoever comes now.
      const isLeft = known.controller.signal.reason === nobodyWaits;
      return attach(isLeft ? start(id, fingerprint, begin, known.reply) : known, caller);
    },
    stop(id, fingerprint) {
      const known = entries.get(id);
      if (known?.fingerprint !== fingerprint) return undefined;
      known.controller.abort();
      return known.reply;
    },
    async idle() {
      for (;;) {
        const running = [...entries.values()].filter((e) => !e.ended && (e.attached > 0 || !e.kept));
        if (running.length === 0) return;
        await Promise.allSettled(running.map((e) => e.reply));
      }
    },
  };
}
