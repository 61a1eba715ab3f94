/**
 * `opsagent gate print`: the POSIX sh script that a host's authorized_keys names as the forced command of the bot's
 * key. It takes a request (request.ts) and nothing else, and runs its own copy of the catalogue's commands.
 */
import type { CommandSpec, Host } from '../../core/command.ts';
import { coversHost } from '../../core/policy.ts';
import { FORGET } from '../remote-kept.ts';
import { STANDARD_PATH } from '../remote-line.ts';
import { gateEntry } from './entry.ts';
import { HELD_SCRIPT, PATH_FUNCTIONS, SETTLE_FUNCTIONS } from './path-part.ts';
import { quoted } from './quoted.ts';
import { GATE_VERSION, GATE_WORD, MAX_REQUEST_BYTES } from './request.ts';
import { endScript, runFunctions } from './run-part.ts';
import { checkFunctions } from './value-checks.ts';

/** Where the gate is installed on a host. */
export const GATE_FILE = '/usr/local/lib/opsagent/gate';

export interface Gate {
  readonly script: string;
  /** Commands of this host that the gate does not take, and why. */
  readonly left: readonly { readonly name: string; readonly reason: string }[];
  /** Those in the gate that run as root: each needs its line of sudoers. */
  readonly asRoot: readonly string[];
}

/** The gate of one host: the commands that may run there, with its PATH. */
export function gateScript(catalogue: readonly CommandSpec[], host: Host, gateFile = GATE_FILE): Gate {
  const here = catalogue.filter((spec) => spec.hosts.length === 0 || coversHost(spec.hosts, host));
  const entries = here.map((spec) => ({ spec, entry: gateEntry(spec, gateFile) }));
  const taken = entries.filter(({ entry }) => entry.ok).map(({ spec }) => spec);
  const asRoot = taken.filter((spec) => spec.sudo).map((spec) => spec.name);
  const branches = entries.map(({ entry }) => (entry.ok ? entry.text : '')).join('');
  return {
    script: [
      head(host, taken.length),
      FUNCTIONS,
      checkFunctions(),
      `path_functions=${quoted(PATH_FUNCTIONS)}\nheld_script=${quoted(HELD_SCRIPT)}\neval "$path_functions"\n`,
      SETTLE_FUNCTIONS,
      READ,
      runFunctions(),
      kinds(asRoot.length > 0 ? `printf "%s\\n" "$3" | sudo -n -- ${gateFile} as-root end` : ''),
      `case $id in\n${branches}*) refuse "there is no command $id in this host's gate: run opsagent gate install again" ;;\nesac\n`,
      RUN,
    ].join(''),
    left: entries.flatMap(({ spec, entry }) => (entry.ok ? [] : [{ name: spec.name, reason: entry.reason }])),
    asRoot,
  };
}

/** Starts itself again with nothing of the environment that a client may have set, exported functions included. */
function head(host: Host, commands: number): string {
  return `#!/bin/sh
# The opsagent gate of ${host.name}, for ${commands} commands. Made by opsagent gate print ${host.name}: edit commands.yaml, not this.
# Owner root, mode 0755; in authorized_keys: restrict,command="…" before the bot's key.
case $# in
0) exec /usr/bin/env -i HOME="\${HOME:-/}" USER="\${USER-}" PATH=${quoted(host.path ?? STANDARD_PATH)} LC_ALL=C /bin/sh "$0" ask "\${SSH_ORIGINAL_COMMAND-}" ;;
2) case $1 in as-root) exec /usr/bin/env -i HOME=/root USER=root LOGNAME=root PATH=${quoted(STANDARD_PATH)} LC_ALL=C /bin/sh "$0" root "$2" ;; esac ;;
esac
set -f
umask 022
nl='
'
mode=\${1-} request=\${2-} count=0 outside= held=
`;
}

const FUNCTIONS = `refuse() {
  printf 'opsagent gate: %s\\n' "$1" >&2
  exit 65
}
is_hex() { case $1 in *[!0-9a-f]*) return 1 ;; esac; [ \${#1} -eq "$2" ]; }
is_record() { case $1 in ''|*[!a-z0-9-]*) return 1 ;; esac; [ \${#1} -le 64 ]; }
is_number() { case $1 in ''|*[!0-9]*|0?*) return 1 ;; esac; [ \${#1} -le 9 ]; }
put() { count=$((count + 1)); }
same_spec() {
  [ "$spec" = "$1" ] || refuse "this host's gate has another version of $id: run opsagent gate install again"
}
# The last line of the request, then as many words as were put: nothing is left over.
all_taken() {
  [ "\${1-}" = end ] && [ $# -eq $((count + 1)) ] || refuse "$id: it has values that it does not take"
}
`;

const READ = `as_root=
case $mode in
ask)
  [ $# -eq 2 ] || refuse 'this takes no arguments'
  ! { [ -t 0 ] || [ -t 1 ] || [ -t 2 ]; } || refuse 'this login has no terminal'
  ;;
root)
  [ "$(id -u)" = 0 ] || refuse 'this is for root'
  as_root=$request
  request=$(head -c ${MAX_REQUEST_BYTES + 1})
  ;;
*) refuse 'this takes no arguments' ;;
esac
[ \${#request} -le ${MAX_REQUEST_BYTES} ] || refuse 'the request is too long'
case $request in
'${GATE_WORD} ${GATE_VERSION} '*) ;;
'${GATE_WORD} '*) refuse "this host's gate takes another version of requests: run opsagent gate install again" ;;
*) refuse 'this login takes requests of opsagent only: no shell, no terminal, no files, no forwarding' ;;
esac
rest=\${request#${GATE_WORD} ${GATE_VERSION} }
sum=\${rest%% *}
body=\${rest#* }
case $sum in ''|*[!0-9]*) refuse 'the request is cut or damaged' ;; esac
case $body in ''|*[!A-Za-z0-9+/=]*) refuse 'the request is cut or damaged' ;; esac
[ "$(printf %s "$body" | cksum)" = "$sum \${#body}" ] || refuse 'the request is cut or damaged'
text=$(printf %s "$body" | base64 -d 2>/dev/null; echo x)
text=\${text%x}
# Exactly the text that was encoded: no NUL, no stray bits, nothing behind the end.
[ "$(printf %s "$text" | base64 | tr -d '\\n')" = "$body" ] || refuse 'the request is cut or damaged'
case $text in *"$nl$nl"*|"$nl"*) refuse 'the request has an empty line' ;; *"$nl"end) ;; *) refuse 'the request has no end' ;; esac
IFS=$nl
set -- $text
IFS=' 	
'
me=$(id -u)
kind=$1 tag=\${2-} marker=\${3-}
is_hex "$tag" 16 && is_hex "$marker" 32 || refuse 'the request names no call'
`;

/** The requests that name no command, and the head of those that do. */
function kinds(asRoot: string): string {
  return `LC_ALL=C.UTF-8
case $kind in
end)
  [ $# -eq 6 ] && { [ "$4" = - ] || { is_number "$4" && [ "$4" -gt 1 ]; }; } && is_hex "$5" 16 || refuse 'the request does not say what to end'
  s=${quoted(endScript(asRoot))} seconds=10 bytes=1000
  set +f
  case $mode:$as_root in
  root:end) export LC_ALL; limited "$4" "$5" ;;
  ask:) export LC_ALL; frame run 10 "$s" "$4" "$5" "$request" ;;
  *) refuse 'this is for another request' ;;
  esac
  exit
  ;;
collect|forget)
  [ "$mode" = ask ] || refuse 'this is for another request'
  shift 3
  if [ $kind = collect ]; then
    [ $# -eq 3 ] && is_record "$1" && is_number "$2" || refuse 'the request does not say what to collect'
    bytes=$2
    set -- attach "$1"
  else
    s=${quoted(FORGET)} bytes=1000
    set -- "$@" run 10 "$s"
    while [ "$1" != end ]; do
      is_record "$1" || refuse 'the request does not say what to forget'
      set -- "$@" "$1"
      shift
    done
    shift
  fi
  set +f
  export LC_ALL
  frame "$@"
  exit
  ;;
run|keep) ;;
*) refuse 'the request is of no kind that is known here' ;;
esac
LC_ALL=C
shift 3
record=
if [ $kind = keep ]; then
  is_record "\${1-}" || refuse 'the request does not say where to keep the result'
  record=$1
  shift
fi
[ $# -ge 5 ] || refuse 'the request is too short'
id=$1 spec=$2 seconds=$3 bytes=$4
shift 4
is_number "$seconds" && [ "$seconds" -ge 1 ] && is_number "$bytes" || refuse 'the limits of the request are not numbers'
case $id in *[!a-z0-9_-]*) refuse 'the request names no command' ;; esac
[ "$mode" = ask ] || [ "$as_root" = "$id" ] || refuse 'this is for another command'
`;
}

const RUN = `[ "$seconds" -le "$most_seconds" ] || seconds=$most_seconds
[ "$bytes" -le "$most_bytes" ] || bytes=$most_bytes
[ -z "$held" ] || [ -n "$outside" ] || look_before
if [ -n "$outside" ]; then
  set -- "$outside"
  s='printf "%s\\n" "$1" >&2; exit 65'
elif [ -n "$held" ]; then
  set -- "$s" "$((bytes + 1))" "$before" "$held" "$me" "$@"
  s=$path_functions$held_script
fi
LC_ALL=C.UTF-8
export LC_ALL
set +f
case $mode:$record in
root:*) limited "$@" ;;
ask:) frame run "$seconds" "$s" "$@" ;;
*) frame keep "$record" "$seconds" "$s" "$@" ;;
esac
`;
