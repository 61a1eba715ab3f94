/**
 * The one line handed to a login shell: a constant wrapper around base64, exact in every shell. The script runs under
 * /bin/sh with its values as "$1", "$2"…, its output framed by a random marker, its time and output limited there.
 */
import { createHash } from 'node:crypto';

export interface RemoteLineInput {
  /** POSIX shell text by the catalogue's author; never contains a value. */
  readonly script: string;
  readonly args: readonly string[];
  /** Whole seconds, at least 1; the process group is ended there after that, with KILL 5 s later. */
  readonly timeoutSeconds: number;
  /** Limit of stdout and of stderr, each; one byte more is sent so that the reader sees the cut. */
  readonly maxOutputBytes: number;
  readonly path?: string;
  /** 32 hex digits, random for each run. */
  readonly marker: string;
}

export type RemoteLine =
  | { readonly ok: true; readonly line: string }
  | { readonly ok: false; readonly reason: string };

/** Linux refuses a longer single argument, and sshd hands the line over as one. */
export const MAX_LINE_BYTES = 131_071;
export const STANDARD_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
export const KILL_AFTER_SECONDS = 5;
/** Beyond the limit output is read and thrown away up to this, so that a change is not ended for being talkative. */
const DRAIN_BYTES = 100_000_000;

/**
 * Renders the line. Throws TypeError for what no caller may pass (NUL, lone surrogates, a marker that is not
 * hex, limits that are not whole numbers); a line or a PATH that cannot be carried is a reason.
 */
export function remoteLine(input: RemoteLineInput): RemoteLine {
  check(input);
  const path = input.path ?? STANDARD_PATH;
  if (!/^\/[\w./:@+-]*$/.test(path)) {
    return {
      ok: false,
      reason: 'the PATH set for this host has characters other than letters, digits and . / : @ + - _',
    };
  }
  const words = [base64(runner(input)), ...input.args.map((arg) => `_${base64(arg)}`)];
  // No exec: an rc file may define it. An absolute path and -i leave nothing of what rc files set, functions included.
  const line =
    `/usr/bin/env -i HOME="$HOME" USER="$USER" PATH=${path} LC_ALL=C.UTF-8 OPSAGENT_CALL=${callTag(input.marker)} ` +
    `/bin/sh -c 'eval "$(printf %s "$1" | base64 -d)"' sh ${words.join(' ')}`;
  if (line.length > MAX_LINE_BYTES) {
    return {
      ok: false,
      reason: `the command is ${line.length} bytes long when encoded, more than the ${MAX_LINE_BYTES} that ssh can carry`,
    };
  }
  return { ok: true, line };
}

/** What OPSAGENT_CALL holds in the environment of a run's processes: names the run without giving its marker away. */
export function callTag(marker: string): string {
  return createHash('sha256').update(marker).digest('hex').slice(0, 16);
}

function check({ script, args, timeoutSeconds, maxOutputBytes, marker }: RemoteLineInput): void {
  for (const text of [script, ...args]) {
    if (text.includes('\0')) throw new TypeError('a script or value holds a NUL');
    if (/\p{Surrogate}/u.test(text)) throw new TypeError('a script or value holds a lone surrogate');
  }
  if (!/^[0-9a-f]{32}$/.test(marker)) throw new TypeError('a marker is 32 hex digits');
  if (!Number.isSafeInteger(timeoutSeconds) || timeoutSeconds < 1) throw new TypeError('bad time limit');
  if (!Number.isSafeInteger(maxOutputBytes) || maxOutputBytes < 0) throw new TypeError('bad output limit');
}

/**
 * The text that /bin/sh evaluates there. On stdout it says `<marker> start <process group>` before and
 * `<marker> exit <status>` after the script, on stderr `<marker> start`; what came before those is rc-file noise.
 * `<marker> end` on each says that no more output is sent, so that nobody waits for the shells to go.
 */
function runner({ script, args, timeoutSeconds, maxOutputBytes, marker }: RemoteLineInput): string {
  const head = `head -c ${maxOutputBytes + 1}`;
  const command = (groupLeader: string) =>
    `sh -c 'echo "${marker} start ${groupLeader}" >&7; exec 7>&-
'"$s" sh "$@"`;
  const decode = `for a do v=$(printf %s "\${a#_}" | base64 -d; echo x); set -- "$@" "\${v%x}"; shift; done`;
  // GNU timeout leads a process group of its own. Without it (macOS: job control) or with busybox's, which leads none
  // and keeps the output open for a second (setsid), the script's shell leads and $w watches the time.
  return `umask 022
export LOGNAME="$USER"
shift
${args.length > 0 ? decode : ''}
s=${quoted(script)}
${GROUP_ALIVE}
exec 7>&1
echo "${marker} start" >&2
j= b= w=
command -v timeout >/dev/null 2>&1 || j=1
[ ! -x /bin/busybox ] || [ ! "$(command -v timeout)" -ef /bin/busybox ] || b=setsid
if [ -n "$j$b" ]; then
  set -- $b ${command('$$')}
else
  set -- timeout -k ${KILL_AFTER_SECONDS} ${timeoutSeconds} ${command('$PPID')}
fi
{
  {
    [ -z "$j" ] || set -m
    "$@" </dev/null 2>&4 4>&- &
    p=$!
    trap 'kill -TERM "-$p"' HUP INT TERM
    if [ -n "$j$b" ]; then
      $b sh -c 'sleep ${timeoutSeconds}; kill -TERM "-$1"; sleep ${KILL_AFTER_SECONDS}; kill -KILL "-$1"' sh "$p" >&- 4>&- 7>&- &
      w=$!
    fi
    wait "$p"
    r=$?
    [ -z "$w" ] || kill -KILL "-$w" "$w"
    if kill -TERM "-$p" && sleep 0.1 && alive "$p"; then
      sleep 1
      kill -KILL "-$p"
    fi
    echo "${marker} exit $r" >&7
  } 2>/dev/null | { trap '' HUP INT TERM; ${head} >&7; echo "${marker} end" >&7; ${drain} 7>&-; } 4>&-
} 4>&1 | { trap '' HUP INT TERM; ${head} >&2; echo "${marker} end" >&2; ${drain} 2>&1; } 7>&-
`;
}

/**
 * Shell function: does the process group "$1" still have a process? Zombies that nobody has yet collected do not
 * count; where ps cannot tell, kill must do.
 */
export const GROUP_ALIVE = `alive() {
  if ps -A -o pgid= -o stat= 2>/dev/null | grep -q "[0-9]"; then ps -A -o pgid= -o stat= | grep -q "^ *$1  *[^Z ]"
  else kill -0 "-$1" 2>/dev/null; fi
}`;

const drain = `exec head -c ${DRAIN_BYTES} >/dev/null`;

/** POSIX quoting: exact here because only /bin/sh reads it, never the login shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
