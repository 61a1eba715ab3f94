/**
 * The shell text of the wrapper around every command, for a POSIX /bin/sh: frames its output, limits its bytes and
 * its time, and at the time limit finds and ends what left its process group.
 */

/** After TERM at the time limit; what lives longer gets KILL. */
export const KILL_AFTER_SECONDS = 3;
/** Beyond the limit output is read and thrown away up to this, so that a change is not ended for being talkative. */
export const DRAIN_BYTES = 100_000_000_000;

/**
 * Shell functions over `g` (process group, may be empty) and `t` (what OPSAGENT_CALL holds): `look` sets `found` to
 * the processes of that group, those with that mark in their environment, and those in `kin`; zombies do not count.
 * `finish` ends all of them, TERM then KILL, and is false when some are left: those of another user, by sudo, say.
 */
const PROCESSES = `kin= pairs=
look() {
  found=
  if [ -r /proc/self/stat ]; then
    [ -z "$t" ] || for e in $(grep -ls "OPSAGENT_CALL=$t" /proc/[0-9]*/environ 2>/dev/null); do
      e=\${e#/proc/}; found="$found \${e%/environ}"
    done
    pairs=
    for f in /proc/[0-9]*; do
      read -r l 2>/dev/null <"$f/stat" || continue
      set -- \${l##*\\) }
      case $1 in (Z | X) continue ;; esac
      f=\${f#/proc/} pairs="$pairs $f:$2"
      if [ "$3" = "$g" ]; then found="$found $f"
      else case " $kin " in (*" $f "*) found="$found $f" ;; esac; fi
    done
  else
    pairs=$(ps -A -o pid= -o ppid= | while read -r f l; do echo "$f:$l"; done)
    found=$(
      ps -A -o pid= -o pgid= -o stat= | while read -r f l s; do
        case $s in (Z*) continue ;; esac
        if [ "$l" = "$g" ]; then echo "$f"
        else case " $kin " in (*" $f "*) echo "$f" ;; esac; fi
      done
      [ -z "$t" ] || ps axeww -o pid= -o command= | while read -r f l; do
        case $l in (*"OPSAGENT_CALL=$t"*) echo "$f" ;; esac
      done
    )
  fi
  [ -n "$found" ]
}
finish() {
  i=0
  while look; do
    if [ $i -eq 0 ]; then kill -TERM \${g:+-$g} $found; fi
    if [ $i -ge 9 ]; then kill -KILL \${g:+-$g} $found; fi
    [ $i -lt 13 ] || return 1
    i=$((i + 1))
    if [ $i -lt 6 ]; then sleep 0.1; else sleep 0.3; fi
  done 2>/dev/null
  return 0
}
`;

/**
 * Script: ends what process group "$1" and mark "$2" name, and all that descends from it now: a child with an
 * environment and a session of its own is still found as long as its parent lives. Exit 0 when all of it is gone.
 */
export const END_RUN = `g=$1 t=$2
${PROCESSES}
look
kin=$found grown=1
while [ -n "$grown" ]; do
  grown=
  for f in $pairs; do
    case " $kin " in
      (*" \${f%:*} "*) ;;
      (*" \${f#*:} "*) kin="$kin \${f%:*}" grown=1 ;;
    esac
  done
done
finish`;

/**
 * Definitions, with `marker` and the output limit in bytes built in: `frame NAME ARGS…` calls the function NAME with
 * its stdout and fd 4 as the streams of the command and fd 7 for marker lines. Stdout gets `<marker> start`,
 * `<marker> group <n>`, at the time limit `<marker> late <1: all gone, 0: not>`, `<marker> exit <status>`; stderr
 * gets `<marker> start`; what came before those is rc-file noise. `<marker> end` on each says that no more output is
 * sent, so that nobody waits for the shells to go.
 */
export function wrapper(marker: string, maxOutputBytes: number): string {
  const head = `$h -c ${maxOutputBytes + 1}`;
  const drain = `exec head -c ${DRAIN_BYTES} >/dev/null`;
  // GNU head holds what it has read until there is much of it or no more comes, unless stdbuf tells it not to.
  // GNU timeout leads a process group of its own. Without it (macOS: job control) or with busybox's, which leads none
  // and keeps the output open for a second (setsid), the script's shell leads and $w watches the time.
  return `umask 022
export LOGNAME="$USER"
m=${marker} t= g= d= j= b=
n='
'
command -v timeout >/dev/null 2>&1 || j=1
h=head
! command -v stdbuf >/dev/null 2>&1 || h='stdbuf -o0 head'
[ ! -x /bin/busybox ] || [ ! "$(command -v timeout)" -ef /bin/busybox ] || b=setsid
now() { { read -r u _ </proc/uptime && u=\${u%.*}\${u#*.}; } 2>/dev/null || u=$(date +%s)00; }
${PROCESSES}
run() {
  T=$1 s=$2 late= w=
  shift 2
  if [ -n "$j$b" ]; then set -- $b sh -c "$s" sh "$@"
  else set -- timeout -k ${KILL_AFTER_SECONDS} "$T" sh -c "$s" sh "$@"; fi
  now; began=$u
  echo "$m start" >&7 || return 1
  [ -z "$j" ] || set -m
  OPSAGENT_CALL=$t "$@" </dev/null 2>&4 4>&- 7>&- &
  g=$!
  trap 'kill -TERM "-$g"' HUP INT TERM
  [ -z "$d" ] || { trap : HUP PIPE; echo "$g done" >"$d/group"; }
  echo "$m group $g" >&7
  if [ -n "$j$b" ]; then
    $b sh -c 'sleep "$2"; kill -TERM "-$1"; sleep ${KILL_AFTER_SECONDS}; kill -KILL "-$1"' sh "$g" "$T" </dev/null >&- 4>&- 7>&- &
    w=$!
  fi
  while :; do
    wait "$g"; r=$?
    kill -0 "$g" || break
  done
  [ -z "$w" ] || kill -KILL "-$w" "$w"
  case $r in (124 | 137 | 143) now; [ $((u - began)) -lt "\${T}00" ] || late=0 ;; esac
  if [ -n "$late" ]; then
    ! finish || late=1
    echo "$m late $late" >&7
  elif kill -TERM "-$g" && sleep 0.1 && (t= && look); then
    sleep 1
    kill -KILL "-$g"
  fi
  [ -z "$d" ] || echo "$r \${late:--} done" >"$d/exit"
  echo "$m exit $r" >&7
  return 0
}
frame() {
  exec 7>&1
  echo "$m start" >&2
  {
    {
      "$@"
    } 2>/dev/null | { trap '' HUP INT TERM; ${head} >&7; echo "$m end" >&7; ${drain} 7>&-; } 4>&-
  } 4>&1 | { trap '' HUP INT TERM; ${head} >&2; echo "$m end" >&2; ${drain} 2>&1; } 7>&-
}
`;
}

/** `frame ahead` waits for one line of shell text and evaluates it: a request with its newlines as `"$n"`. */
export const AHEAD = `ahead() {
  echo "$m ready" >&7
  IFS= read -r q && eval "$q"
}
`;
