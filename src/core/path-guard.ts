/**
 * A path with allowed roots is compared again on the far side, after links are resolved: text alone cannot know them.
 * What runs gets the resolved path. Whoever may write under a root can still swap a folder in between.
 */
import type { Param } from './param.ts';

/** Exit status of a script whose path leads out of its roots. */
const OUTSIDE_ROOTS = 65;

/**
 * Shell text that goes before the script: resolves each given path that has roots and replaces it among "$1", "$2"….
 * '' when there is none. `places` are the numbers of the words of each parameter, `count` is that of all words.
 */
export function pathGuard(
  params: readonly Param[],
  places: ReadonlyMap<string, readonly number[]>,
  count: number,
): string {
  const checks = params.flatMap((param) => {
    const { type } = param;
    if (type.kind !== 'path' || type.roots.length === 0) return [];
    return (places.get(param.name) ?? []).map((n) => check(n, type.roots, count));
  });
  return checks.length === 0 ? '' : `${resolve}\n${checks.join('\n')}\n`;
}

// The x keeps newlines at the end of a name; without -e (busybox, macOS) a missing last part is let through.
const resolve = `opsagent_real() { opsagent_path=$({ realpath -e -- "$1" 2>/dev/null || realpath "$1"; } && echo x) || exit ${OUTSIDE_ROOTS}
opsagent_path=\${opsagent_path%
x}; }`;

function check(n: number, roots: readonly string[], count: number): string {
  const inside = roots.flatMap((root) => {
    const plain = root.replace(/\/+$/, '');
    return plain === '' ? ['/*'] : [quoted(plain), `${quoted(plain)}/*`];
  });
  const words = Array.from({ length: count }, (_, i) =>
    i + 1 === n ? '"$opsagent_path"' : `"\${${i + 1}}"`,
  );
  const message = quoted(`refused: the path leads out of ${roots.join(', ')}`);
  return `if [ -n "\${${n}}" ]; then opsagent_real "\${${n}}"
case $opsagent_path in ${inside.join('|')}) ;; *) printf '%s\\n' ${message} >&2; exit ${OUTSIDE_ROOTS};; esac
set -- ${words.join(' ')}; fi`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
