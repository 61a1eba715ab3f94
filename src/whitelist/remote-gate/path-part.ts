/**
 * The part of the gate that looks at paths with roots on the host itself: links are resolved, the result is compared
 * with the roots again and is what runs. Somebody who may write on the way could swap a folder for a link afterwards:
 * then a change is refused, and what a read has printed is held back until nothing is seen to have changed.
 */

/** Functions of the gate, and of the script that holds output back. `$me` is the user id of who runs the command. */
export const PATH_FUNCTIONS = `# Sets $real; the x keeps newlines at the end of a name.
resolve() {
  real=$({ realpath -e -- "$1" 2>/dev/null || realpath "$1"; } && echo x) && real=\${real%
x}
}
# The folders on the way to "$1" in which anybody but root and this user may put something else, one a line, with the
# second of their last change: that time cannot be set by anyone. Where the sticky bit is set, as in /tmp, nobody can
# move what belongs to root or to this user.
open_folders() {
  folder=$1
  below=$(stat -c %u "$folder" 2>/dev/null)
  while [ "$folder" != / ]; do
    folder=\${folder%/*}
    folder=\${folder:-/}
    set -- $(stat -c '%u %A %Z' "$folder" 2>/dev/null)
    case \${1-} in 0|"$me") trusted=yes ;; *) trusted=no ;; esac
    case $trusted:\${2-}:$below in
    yes:d????-??-?:*|yes:d????????[tT]:0|yes:d????????[tT]:"$me") ;;
    *) printf '%s %s\\n' "\${3:-0}" "$folder" ;;
    esac
    below=\${1-}
  done
}
# For each path of "$1", one a line: the folders above, then what the path is. In this order, because a change after
# the first look at a folder shows in the second.
state() {
  printf '%s' "$1" | while IFS= read -r path; do
    open_folders "$path"
    resolve "$path" 2>/dev/null && [ "$real" = "$path" ] || echo moved
    stat -c %d:%i "$path" 2>/dev/null
  done
}
`;

/** Functions of the gate alone: `settle_path TEXT ROOT…` turns `$v` into what it really is, or sets `$outside`. */
export const SETTLE_FUNCTIONS = `# Something is mounted below the root "$1", and $real lies on it: a bind mount leads out as a link does.
mounted_below() {
  [ -r /proc/self/mountinfo ] || return 1
  while read -r mount_id parent device inner mount options; do
    case $mount in *\\\\*) mount=$(printf %b "$(printf %s "$mount" | sed 's/\\\\\\([0-7]\\)/\\\\0\\1/g')") ;; esac
    case $mount in "$1"/*) case $real in "$mount"|"$mount"/*) return 0 ;; esac ;; esac
  done </proc/self/mountinfo
  return 1
}
settle_path() {
  told=$1
  shift
  [ -z "$outside" ] || return 0
  if ! resolve "$v" 2>/dev/null; then
    outside=$(realpath "$v" 2>&1)
    outside=\${outside:-refused: the path cannot be resolved}
    return 0
  fi
  case $real in *"$nl"*) outside='refused: the path leads to a name with a newline'; return 0 ;; esac
  for root do
    case $real in "$root"|"$root"/*) ;; *) continue ;; esac
    [ -z "$root" ] || ! mounted_below "$root" || continue
    v=$real
    open=$(open_folders "$v")
    [ -n "$open" ] || return 0
    if [ "$risk" != read ]; then
      open=\${open%%"$nl"*}
      outside="refused: others may write in \${open#* } and could put something else there while the command runs"
    fi
    held=$held$v$nl
    return 0
  done
  outside="refused: the path leads out of $told"
}
# Sets $before, unless one of these folders has just changed: within a second no further change would show.
look_before() {
  now=$(date +%s)
  before=$(state "$held")
  case $nl$before$nl in *"$nl"moved"$nl"*) outside='refused: the path was changed at this moment'; return 0 ;; esac
  for second in $(printf '%s\\n' "$before" | sed -n 's/^\\([0-9][0-9]*\\) .*/\\1/p'); do
    [ "$((now - second))" -lt 2 ] || continue
    outside='refused: a folder on the way, in which others may write, has just changed; try again in a moment'
  done
}
`;

/**
 * Runs the script "$1" with the words from "$6" on and holds what it prints, at most "$2" bytes of each stream, until
 * the paths "$4" are seen to be as they were ("$3"). The files have no name while they are written to.
 */
export const HELD_SCRIPT = `held_script=$1 held_bytes=$2 held_before=$3 held_paths=$4 me=$5
shift 5
t=$(mktemp -d) && exec 3>"$t/o" 4<"$t/o" 5>"$t/e" 6<"$t/e" 8>"$t/r" 9<"$t/r" && rm -rf "$t" || exit 65
keep_most() { head -c "$held_bytes"; cat >/dev/null; }
out_held() {
  { sh -c "$held_script" sh "$@" 8>&-; echo $? >&8; } 3>&- 4<&- 5>&- 6<&- 9<&- | keep_most >&3
}
out_held "$@" 2>&1 | keep_most >&5
if [ "$(state "$held_paths")" != "$held_before" ]; then
  echo 'refused: a folder on the way, in which others may write, changed while the command ran' >&2
  exit 65
fi
cat <&4
cat <&6 >&2
read -r r <&9
exit "$r"
`;
