/**
 * The shell text that keeps a run on the host until its result is collected: a private folder named by its id, made
 * once, with both streams, the process group, the mark and the exit status. Each file says `done` when it is whole.
 */

import { DRAIN_BYTES } from './remote-script.ts';

/** So long a record lasts that nobody has collected, in days. */
const KEPT_DAYS = 7;

/**
 * `find_record` sets `d` to the folder of record `k`, false when there is none; `make_record` makes it and is false
 * when it exists or cannot be made. The home comes first; without one, or where it is full or read-only, a folder
 * that only this user can have made.
 */
const RECORDS = `uid=$(id -u)
mine() { [ ! -L "$1" ] && [ -d "$1" ] && [ -O "$1" ]; }
each_place() {
  case $HOME in (/?*) "$1" "$HOME/.local/state/opsagent" && return ;; esac
  "$1" "/var/tmp/opsagent-$uid" || "$1" "/dev/shm/opsagent-$uid"
}
has_record() { d=$1/$k; mine "$1" && mine "$d"; }
find_record() { each_place has_record || { d=; return 1; }; }
try_place() {
  d=$1/$k
  mine "$1" || { mkdir -p "\${1%/*}"; mkdir "$1"; mine "$1"; } || return
  chmod 700 "$1" && mkdir "$d" || return
  echo done >"$d/made" && read -r w <"$d/made" && [ "$w" = done ] || { rm -rf "$d"; return 1; }
}
begin_once() { set -C; true >"$d/begun" && set +C || { set +C; return 1; }; }
make_record() { each_place try_place || { d=; return 1; }; }
`;

/**
 * For `frame`: `keep ID LIMIT SCRIPT VALUES…` runs a command under a record; `<marker> kept` when it began before under
 * this id, `<marker> nowhere` when no record can be made: neither starts anything. `attach ID` follows one to its end:
 * `<marker> none` when there is none, and from then on none can begin; `<marker> dead` when it ended without a status.
 */
export function keeping(maxOutputBytes: number): string {
  return `${RECORDS}
save() {
  trap '' HUP INT TERM PIPE
  umask 077
  $h -c ${maxOutputBytes + 1} | tee "$d/$1"
  true >"$d/$1.end"
  exec head -c ${DRAIN_BYTES} >/dev/null 5>&- 6>&- 7>&-
}
keep() {
  k=$1
  shift
  umask 077
  if find_record; then echo "$m kept" >&7; return; fi
  if ! make_record; then
    if find_record; then echo "$m kept" >&7; else echo "$m nowhere" >&7; fi
    return
  fi
  now
  echo "$t $1 $u $$ done" >"$d/about"
  if ! begin_once; then echo "$m kept" >&7; return; fi
  umask 022
  trap : HUP PIPE
  {
    { { run "$@" 5>&- 6>&- || true >"$d/never"; } | save out >&6 4>&- 5>&-; } 4>&1 | save err >&5 4>&- 6>&-
  } 5>&4 6>&1
}
new_of() {
  z=$(wc -c <"$1") && z=$((z)) && [ "$z" -gt "$2" ] || { z=$2; return; }
  tail -c "+$(($2 + 1))" "$1" | head -c "$((z - $2))"
}
news() {
  new_of "$d/out" "$o"; o=$z
  new_of "$d/err" "$e" >&4; e=$z
}
attach() {
  k=$1 o=0 e=0 i=0 gone=0 pause=0.1
  umask 077
  find_record || make_record || find_record || { echo "$m nowhere" >&7; return; }
  ! begin_once || true >"$d/never"
  w=
  read -r t T began shell w <"$d/about"
  if [ "$w" != done ] || [ -e "$d/never" ]; then echo "$m none" >&7; return; fi
  echo "$m start" >&7
  while :; do
    if [ -z "$g" ]; then
      read -r g w <"$d/group" && [ "$w" = done ] || g=
      [ -z "$g" ] || echo "$m group $g" >&7
    fi
    news
    if read -r r late w <"$d/exit" && [ "$w" = done ]; then
      until [ -e "$d/out.end" ] && [ -e "$d/err.end" ] || [ $i -ge 20 ]; do i=$((i + 1)); sleep 0.1; done
      news
      [ "$late" = - ] || echo "$m late $late" >&7
      echo "$m exit $r" >&7
      return
    fi
    now
    if [ "$u" -lt "$began" ] || [ $((u - began)) -gt $(((T + 30) * 100)) ]; then gone=9
    elif kill -0 "$shell" || look; then gone=0
    else gone=$((gone + 1)); fi
    [ $gone -lt 3 ] || { echo "$m dead" >&7; return; }
    i=$((i + 1))
    [ $i -lt 20 ] || { pause=1 i=0; }
    sleep $pause
  done
}
`;
}

/**
 * Script: the results of the records named by "$@" have been received. Their output goes; the folder and the status
 * stay, so that nothing begins again under their ids, until they are swept with all that is older than a week.
 */
export const FORGET = `${RECORDS}
for k do
  find_record && [ -e "$d/exit" ] && rm -f "$d/out" "$d/err"
done
sweep() {
  mine "$1" && find "$1" -mindepth 1 -maxdepth 1 -type d -mtime +${KEPT_DAYS} -exec rm -rf {} +
  false
}
each_place sweep
exit 0`;
