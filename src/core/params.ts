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
    const checked = checkValue(param, raw);
    if (checked.ok) values[param.name] = checked.value;
    else problems.push(checked.reason);
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, values };
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
      return isWithin(raw, type.min, type.max) ? undefined : `is not ${expected(type)}`;
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
function expected(type: ParamType): string {
  switch (type.kind) {
    case 'path':
      return type.roots.length > 0 ? `an absolute path under ${type.roots.join(' or ')}` : 'an absolute path';
    case 'unit':
      return 'the name of a systemd unit, such as nginx.service';
    case 'container':
      return 'the name or id of a container';
    case 'integer':
      return `a whole number from ${type.min} to ${type.max}`;
    case 'choice':
      return `one of ${type.values.join(', ')}`;
    case 'text':
      return `text of at most ${type.maxLength} characters${type.pattern ? ` that matches ${type.pattern}` : ''}`;
    default:
      return type satisfies never;
  }
}

function unknownParameter(name: string, declared: readonly string[]): string {
  const known = declared.length > 0 ? `It takes ${declared.join(', ')}.` : 'It takes none.';
  const shown = hasHidden(name) || name.length > 64 ? 'A parameter was given that' : `"${name}"`;
  return `${shown} is not a parameter of this command. ${known}`;
}
