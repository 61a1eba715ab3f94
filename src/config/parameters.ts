/**
 * The parameters of a catalogue entry: ours with a type, the predecessor's typed from their name.
 */
import { z } from 'zod';
import type { Param, ParamType } from '../core/param.ts';
import { checkValue, patternProblem } from '../core/params.ts';
import { hasHidden } from '../core/visible.ts';

export const ParamEntry = z.strictObject({
  type: z.enum(['path', 'unit', 'container', 'integer', 'choice', 'text']),
  description: z.string().min(1).max(300),
  roots: z.array(z.string()).min(1).optional(),
  min: z.int().optional(),
  max: z.int().optional(),
  values: z.array(z.string()).min(1).optional(),
  pattern: z.string().min(1).max(1000).optional(),
  max_length: z.int().min(1).max(4096).optional(),
  optional: z.boolean().optional(),
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

/** Text that no tool takes for an option, a file or a pattern of its own. */
const safeText: ParamType = { kind: 'text', pattern: '[\\p{L}\\p{N}_.:/@%+=, -]+', maxLength: 256 };

/** A parameter of the predecessor: one sentence, the type follows from the name. */
function described(name: string, description: string): Param {
  return { name, description, type: typeFromName(name), optional: false };
}

function typeFromName(name: string): ParamType {
  if (/^(?:path|directory|dir|file|file_?path)$|_(?:path|dir|directory)$/.test(name))
    return { kind: 'path', roots: [] };
  if (/^(?:service|service_name|unit|unit_name)$/.test(name)) return { kind: 'unit' };
  if (/^container/.test(name)) return { kind: 'container' };
  if (/^(?:lines|count|n|num|limit|number)$|_(?:lines|count)$/.test(name))
    return { kind: 'integer', min: 1, max: 1000 };
  return safeText;
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
  min: ['integer'],
  max: ['integer'],
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
    case 'integer': {
      const { min = 0, max } = entry;
      if (min < 0)
        report([name, 'min'], 'bad-range', 'a negative number would begin an option', 'use min 0 or more');
      if (max === undefined) report([name], 'missing-key', `${name} needs a max`, 'add max');
      else if (max < min) report([name, 'max'], 'bad-range', `max ${max} is below min ${min}`, 'swap them');
      return { kind: 'integer', min, max: max ?? min };
    }
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
    case 'text': {
      const problem = entry.pattern === undefined ? undefined : patternProblem(entry.pattern);
      if (problem !== undefined)
        report(
          [name, 'pattern'],
          'bad-pattern',
          `not an RE2 pattern: ${problem}`,
          'look-around and back-references are not part of RE2',
        );
      return {
        kind: 'text',
        ...(entry.pattern === undefined ? {} : { pattern: entry.pattern }),
        maxLength: entry.max_length ?? 256,
      };
    }
    default:
      return { kind: entry.type };
  }
}
