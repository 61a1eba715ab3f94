/**
 * A call that outlasts people's patience goes on in the background: the thread says so, for how long already and how
 * it is coming along, until it ends. Counted from when it was first begun, whichever worker that was.
 */
import type { CallId } from '../core/ids.ts';
import type { Clock } from '../core/ports.ts';
import type { Session } from './session.ts';

/** What people wait for without being told more than "running", in ms. */
export const defaultPatienceMs = 20_000;
/** Each line is an edit of the thread's message. */
const everyMs = 5_000;

export interface Watch {
  /** What the whitelist server last said of it, in words. */
  readonly progress: (message: string) => void;
  end(): void;
}

export function watchCall(
  session: Session,
  call: { readonly id: CallId; readonly since: number },
  clock: Clock,
  patienceMs: number,
): Watch {
  let message = '';
  const tell = () => {
    const seconds = Math.round((clock.now() - call.since) / 1000);
    session.note(call.id, `in the background for ${durationText(seconds)}${message ? `: ${message}` : ''}`);
  };
  let interval: NodeJS.Timeout | undefined;
  const begin = () => {
    tell();
    interval = setInterval(tell, everyMs);
  };
  const timer = setTimeout(begin, Math.max(0, call.since + patienceMs - clock.now()));
  return {
    progress: (said) => {
      message = said;
    },
    end() {
      clearTimeout(timer);
      clearInterval(interval);
      session.note(call.id, undefined);
    },
  };
}

function durationText(seconds: number): string {
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
