/**
 * The part of the gate that runs: the very wrapper of remote-line.ts, with the marker and the limits of the request in
 * shell variables, and the script that ends a run from another channel.
 */
import { keeping } from '../remote-kept.ts';
import { END_RUN, KILL_AFTER_SECONDS, wrapper } from '../remote-script.ts';

/** Stands in the wrapper's text where the gate has a variable. */
const BYTES = 987_654_320;

/**
 * Functions `frame`, `run`, `keep` and `attach` as without a gate, over `$marker`, `$tag` and `$bytes`; and `limited`,
 * which is for root's half: its output goes into the frame of the login's.
 */
export function runFunctions(): string {
  const text = `${wrapper('$marker', BYTES)}${keeping(BYTES)}`.replaceAll(
    String(BYTES + 1),
    '"$((bytes + 1))"',
  );
  return `${text}t=$tag
limited() {
  OPSAGENT_CALL=$tag exec timeout -k ${KILL_AFTER_SECONDS} "$seconds" sh -c "$s" sh "$@" </dev/null
}
`;
}

/**
 * Ends the run whose processes bear the tag "$2" in their environment, with what descends from them. "$1", the group
 * that the run has told, is signalled only where one of them is in it: its number may be somebody else's by now, and a
 * request may name any. Exit 1 when something is left. `asRoot` is shell text that ends what runs as root in the same
 * way, '' where nothing may.
 */
export function endScript(asRoot: string): string {
  return `end_run() (
told=$1 own= other=
for e in $(grep -ls "OPSAGENT_CALL=$2" /proc/[0-9]*/environ 2>/dev/null); do
  { read -r l <"\${e%environ}stat"; } 2>/dev/null || continue
  set -- "$1" "$2" \${l##*\\) }
  [ "$5" = "$told" ] && own=$5 || other=$5
done
if [ -z "$own$other" ]; then
  for e in /proc/[0-9]*/stat; do
    { read -r l <"$e"; } 2>/dev/null || continue
    set -- \${l##*\\) }
    case $1:$3 in [ZX]:*) ;; *:"$told") exit 1 ;; esac
  done
  exit 0
fi
set -- "\${own:-$other}" "$2"
${END_RUN}
)
end_run "$1" "$2"${asRoot === '' ? '' : ` || { ${asRoot}; } >/dev/null 2>&1 && end_run "$1" "$2"`}
`;
}
