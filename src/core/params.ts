/**
 * Which values a command's parameters take: decided by type, never by a list of bad characters.
 * re2js is the one import from outside in core: pure, and linear in time on patterns that people wrote.
 */
import { RE2JS } from 're2js';
import type { Param, ParamType } from './param.ts';
import { hasHidden } from './visible.ts';

export type Checked =
  | { readonly ok: true; readonly value: string }
  | { readonly ok: false; readonly reason: string };

export type CheckedAll =
  | { readonly ok: true; readonly values: Readonly<Record<string, string>> }
  | { readonly ok: false; readonly problems: string[] };

/**
 * Checks all given values against the declared parameters, by name: unknown ones are refused, defaults filled in,
 * an optional one that was not given stays out. Every problem is reported at once, as a sentence for people.
 */
export function checkParams(params: readonly Param[], given: Readonly<Record<string, string>>): CheckedAll {
  const declared = params.map((p) => p.name);
  const problems = Object.keys(given)
    .filter((name) => !declared.includes(name))
    .map((name) => unknownParameter(name, declared));
  const values: Record<string, string> = {};

  for (const param of params) {
    const raw = Object.hasOwn(given, param.name) ? given[param.name] : param.default;
    if (raw === undefined) {
      if (!param.optional)
        problems.push(`${param.name} is missing: ${param.description || expected(param.type)}.`);
      continue;
    }
    const checked = param.several === undefined ? checkValue(param, raw) : checkSeveral(param, raw);
    if (checked.ok) values[param.name] = checked.value;
    else problems.push(checked.reason);
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, values };
}

/** The values of a parameter, of which a value never holds a newline; a parameter that takes one has just that. */
export function wordsOf(param: Pick<Param, 'several'>, value: string): readonly string[] {
  return param.several === undefined ? [value] : value.split('\n');
}

/** Several values as one text, as `checkParams` takes them. A newline in one of them makes two of it. */
export function joinWords(words: readonly string[]): string {
  return words.join('\n');
}

function checkSeveral(param: Param, raw: string): Checked {
  if (typeof raw !== 'string') return { ok: false, reason: `${param.name} must be text.` };
  const words = wordsOf(param, raw);
  if (words.length > (param.several ?? 1))
    return { ok: false, reason: `${param.name} has ${words.length} values, more than ${param.several}.` };
  const refused = words.map((word) => checkValue(param, word)).find((checked) => !checked.ok);
  return refused ?? { ok: true, value: raw };
}

/**
 * Checks one value against its parameter's type. An accepted value is returned byte for byte as given; it never begins
 * an option, never is empty and holds nothing invisible. The reason never repeats more than the parameter's name.
 */
export function checkValue(param: Param, raw: string): Checked {
  const problem = typeof raw === 'string' ? problemOf(param.type, raw) : 'must be text';
  return problem === undefined
    ? { ok: true, value: raw }
    : { ok: false, reason: `${param.name} ${problem}.` };
}

/** What is wrong with the value, as the end of a sentence; undefined when it is fine. */
function problemOf(type: ParamType, raw: string): string | undefined {
  if (raw === '') return 'is empty';
  if (hasHidden(raw)) return 'holds a control, invisible or newline character';
  if (raw.startsWith('-')) return 'begins with "-", which would make it an option';
  switch (type.kind) {
    case 'path':
      return pathProblem(raw, type.roots);
    case 'unit':
      return unitName.test(raw) && raw.length <= 255 ? undefined : `is not ${expected(type)}`;
    case 'container':
      return containerName.test(raw) && raw.length <= 255 ? undefined : `is not ${expected(type)}`;
    case 'integer':
    case 'pid':
    case 'port':
      return isWithin(raw, type.min, type.max) ? undefined : `is not ${expected(type)}`;
    case 'duration':
      return isDuration(raw, type.min, type.max) ? undefined : `is not ${expected(type)}`;
    case 'host':
      return isHostName(raw) ? undefined : `is not ${expected(type)}`;
    case 'choice':
      return type.values.includes(raw) ? undefined : `is not ${expected(type)}`;
    case 'text':
      return textProblem(raw, type);
    default:
      return type satisfies never;
  }
}

// A backslash stands only in systemd's own escape, as in dev-disk-by\x2duuid-1.device; "-.mount" begins an option.
const unitName = /^(?:[A-Za-z0-9:_]|\\x[0-9a-f]{2})(?:[A-Za-z0-9:_.@-]|\\x[0-9a-f]{2})*$/;
const containerName = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

function isWithin(raw: string, min: number, max: number): boolean {
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(raw)) return false;
  const n = Number(raw);
  return Number.isSafeInteger(n) && n >= min && n <= max;
}

/** Seconds of a duration such as 90s, 15m, 2h or 7d; undefined for anything else. */
export function durationSeconds(raw: string): number | undefined {
  const [, digits, unit] = /^([1-9][0-9]{0,8})([smhd])$/.exec(raw) ?? [];
  const factor = { s: 1, m: 60, h: 3600, d: 86_400 }[unit ?? ''];
  return factor === undefined ? undefined : Number(digits) * factor;
}

function isDuration(raw: string, min: number, max: number): boolean {
  const seconds = durationSeconds(raw);
  return seconds !== undefined && seconds >= min && seconds <= max;
}

/** A name as in RFC 1123, an IPv4 or an IPv6 address; ASCII only, so that nothing looks like something else. */
function isHostName(raw: string): boolean {
  if (raw.length > 253) return false;
  if (/^[0-9.]+$/.test(raw)) return isAddress4(raw);
  if (raw.includes(':')) return isAddress6(raw);
  return raw.split('.').every((label) => /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(label));
}

function isAddress4(raw: string): boolean {
  const parts = raw.split('.');
  return parts.length === 4 && parts.every((part) => isWithin(part, 0, 255));
}

function isAddress6(raw: string): boolean {
  const [head = '', tail, more] = raw.split('::');
  if (more !== undefined) return false;
  const groups = [head, tail ?? ''].flatMap((half) => (half === '' ? [] : half.split(':')));
  if (!groups.every((group) => /^[0-9A-Fa-f]{1,4}$/.test(group))) return false;
  return tail === undefined ? groups.length === 8 : groups.length <= 7;
}

function pathProblem(raw: string, roots: readonly string[]): string | undefined {
  if (!raw.startsWith('/')) return 'is not an absolute path (it must begin with "/")';
  if (new TextEncoder().encode(raw).length > 4096) return 'is longer than 4096 bytes';
  const segments = raw.split('/').slice(1);
  if (segments.includes('.') || segments.includes('..')) return 'holds a "." or ".." segment';
  if (segments.slice(0, -1).includes('')) return 'holds "//"';
  if (roots.length > 0 && !roots.some((root) => liesUnder(segments, root)))
    return `is outside the allowed ${roots.length === 1 ? 'folder' : 'folders'} ${roots.join(', ')}`;
  return undefined;
}

function liesUnder(segments: readonly string[], root: string): boolean {
  const wanted = root.split('/').filter((s) => s !== '');
  return wanted.every((segment, i) => segments[i] === segment);
}

function textProblem(raw: string, type: Extract<ParamType, { kind: 'text' }>): string | undefined {
  if (raw.startsWith('+') || raw.startsWith('@'))
    return 'begins with "+" or "@", which some tools read as an option or a file';
  if (raw.length > type.maxLength) return `is longer than ${type.maxLength} characters`;
  if (type.pattern === undefined) return undefined;
  try {
    return RE2JS.compile(type.pattern).matches(raw) ? undefined : `does not match ${type.pattern}`;
  } catch {
    return 'cannot be checked, because its pattern in commands.yaml is not valid';
  }
}

/** Why a pattern of the catalogue cannot be used; undefined when it can. */
export function patternProblem(pattern: string): string | undefined {
  try {
    RE2JS.compile(pattern);
    return undefined;
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : 'not a pattern';
  }
}

/** The type in words, as in "is not …": for messages, help and tool descriptions. */
export function expected(type: ParamType): string {
  switch (type.kind) {
    case 'path':
      return type.roots.length > 0 ? `an absolute path under ${type.roots.join(' or ')}` : 'an absolute path';
    case 'unit':
      return 'the name of a systemd unit, such as nginx.service';
    case 'container':
      return 'the name or id of a container';
    case 'integer':
      return `a whole number${type.unit ? ` of ${type.unit}` : ''} from ${type.min} to ${type.max}`;
    case 'pid':
      return `a process id from ${type.min} to ${type.max}`;
    case 'port':
      return `a port from ${type.min} to ${type.max}`;
    case 'duration':
      return `a duration such as 15m or 2h, from ${durationText(type.min)} to ${durationText(type.max)}`;
    case 'host':
      return 'a host name or an IP address';
    case 'choice':
      return `one of ${type.values.join(', ')}`;
    case 'text':
      return `text of at most ${type.maxLength} characters${type.pattern ? ` that matches ${type.pattern}` : ''}`;
    default:
      return type satisfies never;
  }
}

function durationText(seconds: number): string {
  for (const [unit, factor] of [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
  ] as const)
    if (seconds % factor === 0) return `${seconds / factor}${unit}`;
  return `${seconds}s`;
}

function unknownParameter(name: string, declared: readonly string[]): string {
  const known = declared.length > 0 ? `It takes ${declared.join(', ')}.` : 'It takes none.';
  const shown = hasHidden(name) || name.length > 64 ? 'A parameter was given that' : `"${name}"`;
  return `${shown} is not a parameter of this command. ${known}`;
}
