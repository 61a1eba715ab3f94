/**
 * Stops one run: through a second channel, which finds all of it while its parents live, and by a signal through its
 * own channel where that did not do.
 */
import type { ClientChannel } from 'ssh2';

/** True when all of the run is gone, undefined when the host could not be asked; `why` it is ended. */
export type EndRun = (group: number, why: Stopper['why']) => Promise<boolean | undefined>;

/** How long the host is given to say that a run is gone. */
const KILL_MS = 12_000;

interface Stopper {
  /** Why the run is being stopped; the first reason stays. */
  readonly why: 'cancelled' | 'timed-out' | undefined;
  /** Whether the host says that all of the run is gone, once asked. */
  readonly gone: Promise<boolean | undefined>;
  stop(why: 'cancelled' | 'timed-out'): void;
  kill(group: number): Promise<boolean | undefined>;
  atEnd(cleanUp: () => void): void;
  finish(): void;
}

export function createStopper(channel: ClientChannel, endRun: EndRun): Stopper {
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
    },
    kill(group) {
      if (!killing) {
        killing = true;
        gone = Promise.race([endRun(group, why), undefinedAfter(KILL_MS)]);
        // sshd ignores it for root logins, so it is never relied on.
        void gone.then((all) => all || channel.signal('TERM'));
      }
      return gone;
    },
    atEnd(given) {
      cleanUp = given;
    },
    finish: () => cleanUp(),
  };
}

function undefinedAfter(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), ms).unref());
}
