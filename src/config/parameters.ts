/**
 * The parameters of a catalogue entry: ours with a type, the predecessor's typed from their name.
 */
import { z } from 'zod';
import type { Param, ParamType } from '../core/param.ts';
import { checkValue, durationSeconds, patternProblem } from '../core/params.ts';
import { hasHidden } from '../core/visible.ts';
import { say } from './yaml.ts';

export const ParamEntry = z.strictObject({
  type: z.enum(['path', 'unit', 'container', 'integer', 'choice', 'host', 'pid', 'port', 'duration', 'text']),
  description: z.string().min(1).max(300),
  roots: z.array(z.string()).min(1).optional(),
  min: z.union([z.int(), z.string()]).optional(),
  max: z.union([z.int(), z.string()]).optional(),
  unit: z
    .string()
    .regex(/^[A-Za-z%][A-Za-z0-9%/ ]{0,19}$/, say('is not a unit', 'write what is counted, such as days'))
    .optional(),
  values: z.array(z.string()).min(1).optional(),
  pattern: z.string().min(1).max(1000).optional(),
  max_length: z.int().min(1).max(4096).optional(),
  optional: z.boolean().optional(),
  several: z.union([z.literal(true), z.int().min(2).max(50)]).optional(),
  default: z.union([z.string(), z.int()]).optional(),
});
export type ParamEntry = z.infer<typeof ParamEntry>;

type Report = (at: readonly string[], rule: string, what: string, remedy: string) => void;

/** The parameters in the order of the file; each problem is reported with the keys that lead to it. */
export function readParams(given: Readonly<Record<string, string | ParamEntry>>, report: Report): Param[] {
  return Object.entries(given).map(([name, entry]) => {
    if (!/^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(name) || name in {})
      report([name], 'bad-name', `"${name}" is not a parameter name`, 'use letters, digits and "_"');
    return typeof entry === 'string' ? described(name, entry) : typed(name, entry, report);
  });
}

/** As many as Linux ever gives. */
const MAX_PID = 4_194_304;

/** Text that no tool takes for an option, a file or a pattern of its own. */
const safeText: ParamType = { kind: 'text', pattern: '^[\\p{L}\\p{N}_.:/@%+=, -]+$', maxLength: 256 };

/** A parameter of the predecessor: one sentence, the type follows from the name, else from the sentence. */
function described(name: string, description: string): Param {
  return { name, description, type: typeFrom(name, description), optional: false };
}

const byName: readonly (readonly [RegExp, ParamType])[] = [
  [/^(?:path|directory|dir|folder|file|file_?(?:path|name))$|_(?:path|dir|directory|file)$/, path()],
  [/^(?:service|unit)(?:_?name)?$|_(?:service|unit)$/, { kind: 'unit' }],
  [/^container/, { kind: 'container' }],
  [/^(?:lines|count|n|num|limit|number|tail)$|_(?:lines|count|limit)$/, numberUpTo(1000)],
  [/^(?:pid|process_?id)$|_pid$/, { kind: 'pid', min: 1, max: MAX_PID }],
  [/^port$|_port$/, { kind: 'port', min: 1, max: 65_535 }],
  [/^(?:host|host_?name|domain|address|ip)$|_(?:host|hostname)$/, { kind: 'host' }],
];
const byDescription: readonly (readonly [RegExp, ParamType])[] = [
  [/\b(?:path|folder|directory|file)\b/i, path()],
  [/\b(?:service|systemd unit)\b/i, { kind: 'unit' }],
  [/\bcontainer\b/i, { kind: 'container' }],
  [/\b(?:number of|how many)\b/i, numberUpTo(1000)],
  [/\b(?:process id|pid)\b/i, { kind: 'pid', min: 1, max: MAX_PID }],
  [/\bport\b/i, { kind: 'port', min: 1, max: 65_535 }],
  [/\b(?:host ?name|ip address|domain)\b/i, { kind: 'host' }],
];

function typeFrom(name: string, description: string): ParamType {
  const found =
    byName.find(([form]) => form.test(name)) ?? byDescription.find(([form]) => form.test(description));
  return found?.[1] ?? safeText;
}

function path(): ParamType {
  return { kind: 'path', roots: [] };
}

function numberUpTo(max: number): ParamType {
  return { kind: 'integer', min: 1, max };
}

function typed(name: string, entry: ParamEntry, report: Report): Param {
  for (const [key, types] of Object.entries(keyOwners))
    if (entry[key as keyof ParamEntry] !== undefined && !types.includes(entry.type))
      report(
        [name, key],
        'wrong-key',
        `${key} means nothing for a ${entry.type}`,
        `remove it, or use type ${types.join(' or ')}`,
      );
  const param: Param = {
    name,
    description: entry.description,
    type: typeOf(name, entry, report),
    optional: entry.optional ?? false,
    ...(entry.several === undefined ? {} : { several: entry.several === true ? 10 : entry.several }),
    ...(entry.default === undefined ? {} : { default: String(entry.default) }),
  };
  if (param.default !== undefined) {
    const checked = checkValue(param, param.default);
    if (!checked.ok)
      report(
        [name, 'default'],
        'bad-default',
        `the default of ${checked.reason}`,
        'give a value of the type',
      );
    if (param.optional)
      report(
        [name, 'optional'],
        'wrong-key',
        `${name} has a default and is optional too`,
        'keep one of the two',
      );
  }
  return param;
}

const keyOwners: Readonly<Record<string, readonly string[]>> = {
  roots: ['path'],
  min: ['integer', 'pid', 'port', 'duration'],
  max: ['integer', 'pid', 'port', 'duration'],
  unit: ['integer'],
  values: ['choice'],
  pattern: ['text'],
  max_length: ['text'],
};

function typeOf(name: string, entry: ParamEntry, report: Report): ParamType {
  switch (entry.type) {
    case 'path':
      for (const root of entry.roots ?? [])
        if (
          !checkValue({ name, description: '', type: { kind: 'path', roots: [] }, optional: false }, root).ok
        )
          report(
            [name, 'roots'],
            'bad-root',
            `the root "${root}" is not an absolute path without ".."`,
            'begin it with "/"',
          );
      return { kind: 'path', roots: entry.roots ?? [] };
    case 'integer':
      if (entry.max === undefined) report([name], 'missing-key', `${name} needs a max`, 'add max');
      return {
        kind: 'integer',
        ...range(name, entry, 0, Number.MAX_SAFE_INTEGER, report),
        ...(entry.unit === undefined ? {} : { unit: entry.unit }),
      };
    case 'pid':
      return { kind: 'pid', ...range(name, entry, 1, MAX_PID, report) };
    case 'port':
      return { kind: 'port', ...range(name, entry, 1, 65_535, report) };
    case 'duration':
      return { kind: 'duration', ...range(name, entry, 1, 3650 * 86_400, report) };
    case 'choice':
      if (entry.values === undefined)
        report([name], 'missing-key', `${name} needs its values`, 'add values: [a, b]');
      for (const value of entry.values ?? [])
        if (value === '' || value.startsWith('-') || hasHidden(value))
          report(
            [name, 'values'],
            'bad-choice',
            `a value of ${name} is empty, begins with "-" or holds a control character`,
            'write options into the template instead',
          );
      return { kind: 'choice', values: entry.values ?? [] };
    case 'text':
      checkPattern(name, entry.pattern, report);
      return {
        kind: 'text',
        ...(entry.pattern === undefined ? {} : { pattern: entry.pattern }),
        maxLength: entry.max_length ?? 256,
      };
    default:
      return { kind: entry.type };
  }
}

/** The limits of a number, or of a duration in seconds, within what the type has at all. */
function range(
  name: string,
  entry: ParamEntry,
  least: number,
  most: number,
  report: Report,
): { readonly min: number; readonly max: number } {
  const limit = (key: 'min' | 'max', otherwise: number): number => {
    const given = entry[key];
    if (given === undefined) return otherwise;
    const seconds = entry.type === 'duration' ? durationSeconds(String(given)) : undefined;
    const number = entry.type === 'duration' ? seconds : given;
    if (typeof number === 'number' && number >= least && number <= most) return number;
    const [what, remedy] =
      entry.type === 'duration'
        ? ['is not a duration', 'write it as 90s, 15m, 2h or 7d']
        : typeof given === 'string'
          ? ['is not a number', 'write a whole number']
          : given < 0
            ? ['is negative, which would begin an option', 'use 0 or more']
            : ['is beyond what the type has', `use ${least} to ${most}`];
    report([name, key], 'bad-range', `${key} of ${name} ${what}`, remedy);
    return otherwise;
  };
  const min = limit('min', least);
  const max = limit('max', most);
  if (max < min) report([name, 'max'], 'bad-range', `max of ${name} is below its min`, 'swap them');
  return { min, max };
}

function checkPattern(name: string, pattern: string | undefined, report: Report): void {
  if (pattern === undefined) {
    report([name], 'missing-key', `${name} needs a pattern`, "add pattern: '^…$' with what it may hold");
    return;
  }
  const problem = patternProblem(pattern);
  if (problem !== undefined)
    report(
      [name, 'pattern'],
      'bad-pattern',
      `not an RE2 pattern: ${problem}`,
      'look-around and back-references are not part of RE2',
    );
  else if (!/^(?:\^|\\A)/.test(pattern) || !/(?:(?<!\\)(?:\\\\)*\$|\\z)$/.test(pattern))
    report(
      [name, 'pattern'],
      'unanchored-pattern',
      `the pattern of ${name} is not anchored`,
      'begin it with ^ and end it with $',
    );
}
