/**
 * Reads one framed stream of a run (see remote-line.ts) as it arrives, cut anywhere: drops what rc files printed
 * before the start line, takes the lines that bear the marker out, keeps at most the limit of the rest.
 */

export interface Frame {
  push(chunk: Buffer): void;
  /** A shell that was started ahead waits for its request. */
  readonly ready: boolean;
  /** True once the start line came: the script has been started. */
  readonly started: boolean;
  /** The process group to kill; only stdout names it, with or after its start line. */
  readonly group: number | undefined;
  /** The time limit was reached: 1 when all of the run was ended there, 0 when something is left. */
  readonly late: number | undefined;
  /** What became of a record that the host was to keep or has kept (see remote-kept.ts). */
  readonly note: FrameNote | undefined;
  /** Exit status as the far side's shell saw it: 128 + n for a signal, 124 for its own time limit. */
  readonly status: number | undefined;
  /** The far side has said that no more output is coming. */
  readonly ended: boolean;
  /** More came than the limit. */
  readonly truncated: boolean;
  /** The first bytes of what came before the start line. */
  readonly before: Buffer;
  /** Bytes between start and end so far, kept or not. */
  readonly seen: number;
  /** Everything between start and end, at most the limit, without the frame. Call when the stream has ended. */
  body(): Buffer;
}

/** It began before under this id; there is none; none can be made; its run is gone and has left no status. */
export type FrameNote = 'kept' | 'none' | 'nowhere' | 'dead';

/** `limit` in bytes. Memory stays below the limit and one chunk, whatever the far side sends. */
export function createFrame(marker: string, limit: number): Frame {
  const mark = Buffer.from(marker, 'latin1');
  const kept: Buffer[] = [];
  let size = 0;
  let pending: Buffer = Buffer.alloc(0);
  let ready = false;
  let started = false;
  let late: number | undefined;
  let note: FrameNote | undefined;
  let before: Buffer = Buffer.alloc(0);
  let ended = false;
  let truncated = false;
  let seen = 0;
  let group: number | undefined;
  let status: number | undefined;

  const keep = (bytes: Buffer): void => {
    if (!started) before = Buffer.concat([before, bytes.subarray(0, MAX_BEFORE - before.length)]);
    if (!started || bytes.length === 0) return;
    seen += bytes.length;
    const room = limit - size;
    if (bytes.length > room) truncated = true;
    if (room <= 0) return;
    // A copy: a slice would hold the whole chunk it came from.
    kept.push(Buffer.from(bytes.subarray(0, room)));
    size += Math.min(room, bytes.length);
  };

  /** Takes a marker line at the start of `text` in; undefined when it is none, 0 when more bytes are needed. */
  const takeLine = (text: string): number | undefined => {
    const line = /^ (ready|start|group|late|exit|end|kept|none|nowhere|dead)(?: (\d{1,10}))?\n/.exec(text);
    if (line === null) return text.length < LONGEST_TAIL && !text.includes('\n') ? 0 : undefined;
    const [whole, word, number] = line;
    if (word === 'start' && !started) {
      started = true;
      if (number !== undefined) group = Number(number);
      return whole.length;
    }
    if (word === 'ready' && !started) {
      ready = true;
      return whole.length;
    }
    if (word === 'kept' || word === 'none' || word === 'nowhere' || word === 'dead') {
      note = word;
      return whole.length;
    }
    if (!started) return undefined;
    if (word === 'end') {
      ended = true;
      return whole.length;
    }
    if (number === undefined) return undefined;
    if (word === 'group') group = Number(number);
    else if (word === 'late') late = Number(number);
    else if (word === 'exit') status = Number(number);
    else return undefined;
    return whole.length;
  };

  return {
    push(chunk) {
      let rest = pending.length > 0 ? Buffer.concat([pending, chunk]) : chunk;
      for (;;) {
        const at = rest.indexOf(mark);
        if (at < 0) break;
        const after = at + mark.length;
        keep(rest.subarray(0, at));
        const taken = takeLine(rest.subarray(after, after + LONGEST_TAIL).toString('latin1'));
        if (taken === 0) {
          pending = Buffer.from(rest.subarray(at));
          return;
        }
        // Not ours after all: on from its next byte, for ours may begin inside it.
        if (taken === undefined) keep(rest.subarray(at, at + 1));
        rest = rest.subarray(taken === undefined ? at + 1 : after + taken);
      }
      const held = beginningAtEnd(rest, mark);
      keep(rest.subarray(0, rest.length - held));
      pending = Buffer.from(rest.subarray(rest.length - held));
    },
    get ready() {
      return ready;
    },
    get late() {
      return late;
    },
    get note() {
      return note;
    },
    get started() {
      return started;
    },
    get group() {
      return group;
    },
    get status() {
      return status;
    },
    get ended() {
      return ended;
    },
    get before() {
      return before;
    },
    get seen() {
      return seen;
    },
    get truncated() {
      return truncated;
    },
    body() {
      keep(pending);
      pending = Buffer.alloc(0);
      return Buffer.concat(kept);
    },
  };
}

const MAX_BEFORE = 1000;

/** Longest text after a marker: " start 4294967295\n". */
const LONGEST_TAIL = 18;

/** How many last bytes may be the beginning of a marker. */
function beginningAtEnd(bytes: Buffer, mark: Buffer): number {
  for (let n = Math.min(mark.length - 1, bytes.length); n > 0; n--) {
    if (bytes.subarray(bytes.length - n).equals(mark.subarray(0, n))) return n;
  }
  return 0;
}
