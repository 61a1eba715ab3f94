/**
 * The one line handed to a login shell: a constant wrapper around base64, exact in every shell. The script runs under
 * /bin/sh with its values as "$1", "$2"…, its output framed by a random marker, its time and output limited there.
 */
import { createHash } from 'node:crypto';
import { keeping } from './remote-kept.ts';
import { AHEAD, wrapper } from './remote-script.ts';

/** What is made the same for a shell that waits and for the request that it gets. */
interface ShellInput {
  /** Limit of stdout and of stderr, each; one byte more is sent so that the reader sees the cut. */
  readonly maxOutputBytes: number;
  readonly path?: string;
  /** 32 hex digits, random for each run. */
  readonly marker: string;
}

export interface RemoteLineInput extends ShellInput {
  /** POSIX shell text by the catalogue's author; never contains a value. */
  readonly script: string;
  readonly args: readonly string[];
  /** Whole seconds, at least 1; the process group is ended there after that, with KILL some seconds later. */
  readonly timeoutSeconds: number;
  /** The id under which the host keeps the result; `collect` follows what was begun under it instead of running. */
  readonly kept?: { readonly id: string; readonly collect: boolean };
}

export type RemoteLine =
  | { readonly ok: true; readonly line: string }
  | { readonly ok: false; readonly reason: string };

/** Linux refuses a longer single argument, and sshd hands the line over as one. */
export const MAX_LINE_BYTES = 131_071;
export const STANDARD_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** A shell reads its request byte by byte; a longer one is quicker as a line of its own. */
const MAX_REQUEST_BYTES = 4000;

/**
 * Renders the line. Throws TypeError for what no caller may pass (NUL, lone surrogates, a marker that is not
 * hex, limits that are not whole numbers); a line or a PATH that cannot be carried is a reason.
 */
export function remoteLine(input: RemoteLineInput): RemoteLine {
  check(input);
  const { marker, maxOutputBytes, kept } = input;
  const text =
    wrapper(marker, maxOutputBytes) +
    (kept === undefined ? '' : keeping(maxOutputBytes)) +
    `t=${tagOf(input)}\nframe ${verb(input)}`;
  const values = isCollecting(input) ? [] : input.args.map((arg) => ` ${quoted(arg)}`);
  return lineOf([text, ...values], input.path);
}

/** The line of a shell that waits for one request; it prints `<marker> ready` when it does. */
export function aheadLine(input: ShellInput): RemoteLine {
  const { marker, maxOutputBytes } = input;
  return lineOf([wrapper(marker, maxOutputBytes), keeping(maxOutputBytes), AHEAD, 'frame ahead'], input.path);
}

/**
 * The request for a waiting shell with this marker, this output limit and this PATH: one line that only our own
 * /bin/sh reads, and takes whole or not at all. Undefined where it is better sent as a line of its own.
 */
export function requestLine(input: RemoteLineInput): string | undefined {
  check(input);
  const values = isCollecting(input) ? [] : input.args.map((arg) => ` ${quoted(arg)}`);
  const text = `t=${tagOf(input)}; ${verb(input)}${values.join('')}`;
  // Some shells keep bytes of their own between ASCII and what `read` gives them.
  const line = /^[\n\x20-\x7e]*$/.test(text)
    ? text.replaceAll('\n', `'"$n"'`)
    : `eval "$(printf %s ${base64(text)} | base64 -d)"`;
  return line.length > MAX_REQUEST_BYTES ? undefined : `${line}\n`;
}

/** What OPSAGENT_CALL holds in the environment of a run's processes: names the run without giving its marker away. */
export function tagOf({ marker, kept }: Pick<RemoteLineInput, 'marker' | 'kept'>): string {
  const name = kept === undefined ? marker : `kept ${kept.id}`;
  return createHash('sha256').update(name).digest('hex').slice(0, 16);
}

function check({ script, args, timeoutSeconds, maxOutputBytes, marker, kept }: RemoteLineInput): void {
  for (const text of [script, ...args]) {
    if (text.includes('\0')) throw new TypeError('a script or value holds a NUL');
    if (/\p{Surrogate}/u.test(text)) throw new TypeError('a script or value holds a lone surrogate');
  }
  if (!/^[0-9a-f]{32}$/.test(marker)) throw new TypeError('a marker is 32 hex digits');
  if (!Number.isSafeInteger(timeoutSeconds) || timeoutSeconds < 1) throw new TypeError('bad time limit');
  if (!Number.isSafeInteger(maxOutputBytes) || maxOutputBytes < 0) throw new TypeError('bad output limit');
  if (kept !== undefined && !/^[a-z0-9-]{1,64}$/.test(kept.id)) throw new TypeError('bad id of a kept run');
}

const isCollecting = ({ kept }: RemoteLineInput): boolean => kept?.collect === true;

/** The function of the wrapper to call, with its arguments up to the script. */
function verb(input: RemoteLineInput): string {
  const { script, timeoutSeconds, kept } = input;
  if (kept === undefined) return `run ${timeoutSeconds} ${quoted(script)}`;
  return kept.collect ? `attach ${kept.id}` : `keep ${kept.id} ${timeoutSeconds} ${quoted(script)}`;
}

/** Each part is one base64 word, without padding between them, so that one decoder takes them all. */
function lineOf(parts: readonly string[], path = STANDARD_PATH): RemoteLine {
  if (!/^\/[\w./:@+-]*$/.test(path)) {
    return {
      ok: false,
      reason: 'the PATH set for this host has characters other than letters, digits and . / : @ + - _',
    };
  }
  // No exec: an rc file may define it. An absolute path and -i leave nothing of what rc files set, functions included.
  const line =
    `/usr/bin/env -i HOME="$HOME" USER="$USER" PATH=${path} LC_ALL=C.UTF-8 ` +
    `/bin/sh -c 'eval "$(printf %s "$@" | base64 -d)"' sh ${parts.map(wordOf).join(' ')}`;
  if (line.length > MAX_LINE_BYTES) {
    return {
      ok: false,
      reason: `the command is ${line.length} bytes long when encoded, more than the ${MAX_LINE_BYTES} that ssh can carry`,
    };
  }
  return { ok: true, line };
}

function wordOf(text: string): string {
  return base64(text + ' '.repeat((3 - (Buffer.byteLength(text) % 3)) % 3));
}

/** POSIX quoting: exact here because only /bin/sh reads it, never the login shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
