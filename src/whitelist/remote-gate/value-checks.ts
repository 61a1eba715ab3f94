/**
 * Shell text that checks a value (`$v`) by the type of its parameter, as `checkValue` (params.ts) does here. Where sh
 * knows less it is told to refuse more; the one exception is a text pattern beyond ASCII (see pattern.ts).
 */
import type { Param, ParamType } from '../../core/param.ts';
import { checkValue } from '../../core/params.ts';
import { patternOverHex } from './pattern.ts';
import { quoted } from './quoted.ts';
import { hiddenCharacters, WELL_FORMED } from './utf8-hex.ts';

export type ValueCheck =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly reason: string };

/** One line of shell that calls `bad` unless `$v` is a value of the type. */
export function valueCheck(param: Param): ValueCheck {
  const { type } = param;
  switch (type.kind) {
    case 'path':
      return ok(`is_path ${inside(type.roots)}`);
    case 'unit':
    case 'container':
    case 'host':
      return ok(`is_${type.kind}`);
    case 'integer':
    case 'pid':
    case 'port':
      return ok(`is_integer ${type.min} ${type.max}`);
    case 'duration':
      return ok(`is_duration ${type.min} ${type.max}`);
    case 'choice':
      return choice(param, type.values);
    case 'text':
      return text(type);
    default:
      return type satisfies never;
  }
}

function choice(param: Param, values: readonly string[]): ValueCheck {
  const takable = values.filter((value) => checkValue(param, value).ok);
  if (takable.length === 0) return { ok: false, reason: `${param.name} takes no value at all` };
  return ok(`case $v in ${takable.map(quoted).join('|')}) ;; *) bad;; esac`);
}

function text(type: Extract<ParamType, { kind: 'text' }>): ValueCheck {
  if (type.pattern === undefined) return ok(`is_text ${type.maxLength}`);
  const pattern = patternOverHex(type.pattern);
  if (pattern === undefined) return { ok: false, reason: `sh cannot check the pattern ${type.pattern}` };
  return ok(`is_text ${type.maxLength}\nhex_matches ${quoted(pattern)} || bad`);
}

function ok(line: string): ValueCheck {
  return { ok: true, text: line };
}

/** The roots of a path as words, without a slash at the end; none: the whole machine. */
export function inside(roots: readonly string[]): string {
  return roots.map((root) => quoted(root.replace(/\/+$/, ''))).join(' ');
}

const label = '[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?';
const octet = '(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])';
const address4 = `^${octet}(\\.${octet}){3}$`;
const name = `^${label}(\\.${label})*$`;

function address6(): string {
  const group = '[0-9A-Fa-f]{1,4}';
  const upTo = (max: number) => (max < 1 ? '' : `(${group}(:${group}){0,${max - 1}})?`);
  const shortened = Array.from({ length: 8 }, (_, head) => {
    const before = head === 0 ? '' : `${group}(:${group}){${head - 1}}`;
    return `${before}::${upTo(7 - head)}`;
  });
  return `^(${[`${group}(:${group}){7}`, ...shortened].join('|')})$`;
}

/** The functions that the lines of `valueCheck` call. `bad` leaves the gate; `$v` is the value, of one line. */
export function checkFunctions(): string {
  return `bad() { refuse "$id: the value of $name is not one that it takes"; }
matches() { printf '%s\\n' "$v" | grep -Eq -e "$1"; }
hex_matches() { printf '%s\\n' "$hex" | grep -Eq -e "$1"; }
# Nothing is empty, begins an option, or holds a control, a character that draws nothing or broken UTF-8.
readable() {
  case $v in ''|-*) bad;; esac
  [ \${#v} -le 16384 ] || bad
  hex=$(printf %s "$v" | od -An -v -tx1 | tr -d '\\n')
  hex_matches ${quoted(WELL_FORMED)} || bad
  ! hex_matches ${quoted(hiddenCharacters())} || bad
}
is_path() {
  readable
  case $v in /*) ;; *) bad;; esac
  [ \${#v} -le 4096 ] || bad
  case $v/ in *//?*|*/./*|*/../*) bad;; esac
  [ $# -gt 0 ] || return 0
  for root do case $v in "$root"|"$root"/*) return 0;; esac; done
  bad
}
is_unit() {
  [ \${#v} -le 255 ] && matches ${quoted(String.raw`^([A-Za-z0-9:_]|\\x[0-9a-f]{2})([A-Za-z0-9:_.@-]|\\x[0-9a-f]{2})*$`)} || bad
}
is_container() { [ \${#v} -le 255 ] && matches '^[A-Za-z0-9][A-Za-z0-9_.-]*$' || bad; }
is_host() {
  [ \${#v} -le 253 ] || bad
  case $v in
  ''|*[!0-9A-Za-z.:-]*) bad;;
  *:*) matches ${quoted(address6())} || bad;;
  *[!0-9.]*) matches ${quoted(name)} || bad;;
  *) matches ${quoted(address4)} || bad;;
  esac
}
is_integer() {
  case $v in ''|*[!0-9]*|0?*) bad;; esac
  [ \${#v} -le 16 ] && [ "$v" -ge "$1" ] && [ "$v" -le "$2" ] || bad
}
is_duration() {
  matches '^[1-9][0-9]{0,8}[smhd]$' || bad
  case $v in *s) units=1;; *m) units=60;; *h) units=3600;; *) units=86400;; esac
  units=$((\${v%?} * units))
  [ "$units" -ge "$1" ] && [ "$units" -le "$2" ] || bad
}
# "$1" is in UTF-16 units, as JavaScript counts: two for a character of four bytes.
is_text() {
  readable
  case $v in +*|@*) bad;; esac
  units=0
  for byte in $hex; do
    case $byte in [89ab]?) ;; f?) units=$((units + 2));; *) units=$((units + 1));; esac
  done
  [ "$units" -le "$1" ] || bad
}
`;
}
