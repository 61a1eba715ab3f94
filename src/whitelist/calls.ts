/**
 * Calls under way in this process, by id: calling again attaches to the one that runs, and what ended a moment
 * ago is still told. Decides what a caller's going away means: a read ends, a change that has begun goes on.
 */

export interface CallControl {
  /** Aborted when somebody stopped the call, or nobody waits for a read any more. */
  readonly signal: AbortSignal;
  /** From now on only an explicit stop ends it, no lost connection. */
  changeBegins(): void;
  /** So many more bytes of output have come; whoever is attached hears the sum. */
  output(bytes: number): void;
}

/** What a caller's signal says: the person stopped it, or only the connection is gone. */
export type Gone = 'stopped' | 'disconnected';

interface CallerSignal {
  readonly signal: AbortSignal;
  readonly why: (signal: AbortSignal) => Gone;
  readonly onOutput?: (bytesSoFar: number) => void;
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
  /** Resolves when no call is under way. */
  idle(): Promise<void>;
}

interface Entry<Reply> {
  readonly fingerprint: string;
  readonly controller: AbortController;
  readonly reply: Promise<Reply>;
  readonly listeners: Set<(bytesSoFar: number) => void>;
  bytes: number;
  attached: number;
  change: boolean;
  ended: boolean;
}

/** How many ended calls are remembered for a caller that stopped one and asks how it ended. */
const remembered = 100;

export function createCalls<Reply>(): Calls<Reply> {
  const entries = new Map<string, Entry<Reply>>();

  const start = (id: string, fingerprint: string, begin: (control: CallControl) => Promise<Reply>) => {
    const controller = new AbortController();
    const control: CallControl = {
      signal: controller.signal,
      changeBegins: () => {
        entry.change = true;
      },
      output: (bytes) => {
        entry.bytes += bytes;
        for (const listener of entry.listeners) listener(entry.bytes);
      },
    };
    const reply = Promise.resolve()
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
      bytes: 0,
      attached: 0,
      change: false,
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
    if (caller.onOutput) entry.listeners.add(caller.onOutput);
    const gone = () => {
      entry.attached -= 1;
      if (caller.onOutput) entry.listeners.delete(caller.onOutput);
      const stopped = caller.why(caller.signal) === 'stopped';
      if (stopped || (entry.attached === 0 && !entry.change)) entry.controller.abort();
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
      if (known && !known.ended) return known.fingerprint === fingerprint ? attach(known, caller) : undefined;
      return attach(start(id, fingerprint, begin), caller);
    },
    stop(id, fingerprint) {
      const known = entries.get(id);
      if (known?.fingerprint !== fingerprint) return undefined;
      known.controller.abort();
      return known.reply;
    },
    async idle() {
      for (;;) {
        const running = [...entries.values()].filter((e) => !e.ended);
        if (running.length === 0) return;
        await Promise.allSettled(running.map((e) => e.reply));
      }
    },
  };
}
