/**
 * One command of the catalogue as a branch of the gate: its digest, its limits, the checks of its values and its text,
 * put together from the author's pieces and the numbers of the words as `renderScript` does here.
 */
import type { CommandSpec } from '../../core/command.ts';
import { floorOf } from '../../core/floor.ts';
import type { Param } from '../../core/param.ts';
import { checkValue } from '../../core/params.ts';
import type { TemplatePiece } from '../../core/template.ts';
import { specHash } from '../binding.ts';
import { quoted } from './quoted.ts';
import { splitSudo } from './sudo-part.ts';
import { inside, valueCheck } from './value-checks.ts';

export type Entry =
  | { readonly ok: true; readonly text: string }
  /** Not in the gate: nobody can run it there, and this is why. */
  | { readonly ok: false; readonly reason: string };

/** `gateFile` is where the gate is installed: it calls itself as root for commands marked sudo. */
export function gateEntry(spec: CommandSpec, gateFile: string): Entry {
  const reason = spec.floor ?? floorReason(spec);
  if (reason !== undefined) return { ok: false, reason };
  const lines: string[] = [];
  for (const param of spec.params) {
    const check = valueCheck(param);
    if (!check.ok) return check;
    lines.push(takeParam(param, check.text + settle(spec, param)));
  }
  const body = bodyOf(spec, gateFile);
  if (!body.ok) return body;
  return {
    ok: true,
    text: `${quoted(spec.name)})
same_spec ${specHash(spec)}
risk=${spec.risk}
most_seconds=${spec.timeoutSeconds} most_bytes=${spec.maxOutputBytes}
${lines.join('')}all_taken "$@"
shift
${body.text};;
`,
  };
}

/**
 * The lines `name=value` of one parameter are taken off the front of "$@" and its words put at the end; `n_name` is
 * the first of their numbers. An optional parameter that is not there is one empty word, or none of several.
 */
function takeParam(param: Param, check: string): string {
  const { name } = param;
  const take = `v=\${1#*=}; shift\n${check}\nput; set -- "$@" "$v"`;
  const none = param.optional
    ? param.several === undefined
      ? `put; set -- "$@" ''`
      : ':'
    : `refuse "$id: ${name} is missing"`;
  const numbers = `q_${name}= n_${name}=$((count + 1)) name=${name}\n`;
  if (param.several === undefined)
    return `${numbers}case \${1-} in ${name}=*)\n${take}\n;; *) ${none} ;; esac\n`;
  return `${numbers}while :; do case \${1-} in ${name}=*)
${take}
q_${name}="$q_${name}\${q_${name}:+ }\\"\\\${$count}\\""
[ "$((count - n_${name}))" -lt ${param.several} ] || refuse "$id: ${name} has more than ${param.several} values"
;; *) break ;; esac; done
[ -n "$q_${name}" ] || ${none}
`;
}

/** A path with roots is resolved by whoever runs the command: where that is root, the login's half leaves it alone. */
function settle(spec: CommandSpec, { type }: Param): string {
  if (type.kind !== 'path' || type.roots.length === 0) return '';
  const line = `settle_path ${quoted(type.roots.join(', '))} ${inside(type.roots)}`;
  return spec.sudo ? `\n[ "$mode" != root ] || ${line}` : `\n${line}`;
}

function bodyOf(spec: CommandSpec, gateFile: string): Entry {
  if (!spec.sudo) return { ok: true, text: `s=${textOf(spec, spec.template.pieces)}\n` };
  const split = splitSudo(spec);
  if (!split.ok) return split;
  const call = quoted(`printf '%s\\n' "$\{`);
  const rest = quoted(`}" | sudo -n -- ${gateFile} as-root ${spec.name}`);
  return {
    ok: true,
    text: `if [ "$mode" = root ]; then s=${textOf(spec, split.asRoot)}
else put; set -- "$@" "$request"; s=${call}$count${rest}${textOf(spec, split.asLogin)}
fi
`,
  };
}

/** The pieces as one word of shell: the author's text quoted, and for each placeholder its words by number. */
function textOf(spec: CommandSpec, pieces: readonly TemplatePiece[]): string {
  const words = pieces.map((piece) => {
    if (piece.kind === 'text') return quoted(piece.text);
    const param = spec.params.find((p) => p.name === piece.name);
    if (param === undefined) throw new Error(`template names ${piece.name}, which is not declared`);
    if (param.several !== undefined) return `"$q_${piece.name}"`;
    const number = `$n_${piece.name}`;
    if (piece.inQuotes) return `"\\\${${number}}"`;
    return param.optional ? `"\\\${${number}:+\\"\\\${${number}}\\"}"` : `"\\"\\\${${number}}\\""`;
  });
  return words.join('') || `''`;
}

/** What the floor asks of the values, sh cannot judge: a command that could break it with any of them stays out. */
function floorReason(spec: CommandSpec): string | undefined {
  const free = spec.params.flatMap((param) => probesOf(param).map((value) => ({ [param.name]: value })));
  for (const values of [{}, ...free]) {
    const broken = floorOf(spec.template, spec.params, values);
    if (broken !== undefined)
      return `with some values it breaks the floor (${broken.rule}), which only opsagent itself can judge`;
  }
  return undefined;
}

const WORST = [
  ...['/', '/etc', '/home', '/dev/sda', '/dev/null/x', '/etc/passwd', '/etc/sudoers.d/x', '/var/log/syslog'],
  ...['/root/.ssh/authorized_keys', '/root/.bash_history', 'sh', 'system("id")'],
];

function probesOf(param: Param): readonly string[] {
  const { type } = param;
  const own = type.kind === 'path' ? type.roots.flatMap((root) => [root, `${root}/x`]) : [];
  const values = type.kind === 'choice' ? type.values : [...WORST, ...own];
  return values.filter((value) => checkValue(param, value).ok);
}
