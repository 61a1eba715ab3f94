/**
 * YAML files read with their places: every problem says file, line and column, the rule, what is wrong and what to do.
 * Duplicate and unknown keys are refused; what comes out has the shape of the zod schema that went in.
 */
import { type Document, isMap, isScalar, LineCounter, type Node, parseDocument, visit } from 'yaml';
import { z } from 'zod';
import { didYouMean } from '../core/nearest-name.ts';
import type { ConfigProblem } from './problem.ts';

export type Path = readonly (string | number)[];

/** A file that was read, and how to point into it. */
export interface YamlFile<T> {
  /** undefined when there are problems. */
  readonly value: T | undefined;
  readonly problems: readonly ConfigProblem[];
  /** What the file says, where it is YAML at all; for finding more problems in what fits. */
  readonly data: unknown;
  /** `file:line:column` of the value at a path; with `key`, of its key. */
  at(path: Path, what?: 'key' | 'value'): string;
  /** `file:line:column` of a character inside the text at a path. */
  within(path: Path, offset: number): string;
}

/** Reads `text` against `schema`. `file` is only for messages. Never throws. */
export function readYaml<T>(file: string, text: string, schema: z.ZodType<T>): YamlFile<T> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const at = (path: Path, what: 'key' | 'value' = 'value') => place(offsetOf(document, path, what));
  const within = (path: Path, offset: number) => placeWithin(document, path, offset, lines, file, text);
  const refused = (problems: readonly ConfigProblem[], data?: unknown): YamlFile<T> => ({
    value: undefined,
    problems,
    data,
    at,
    within,
  });

  const broken = [...document.errors, ...document.warnings].map((error) => ({
    where: place(error.pos[0]),
    rule: error.code === 'DUPLICATE_KEY' ? 'duplicate-key' : 'yaml',
    what: error.message.split('\n')[0] ?? 'not valid YAML',
    remedy: error.code === 'DUPLICATE_KEY' ? 'keep one of the two' : 'correct the YAML',
  }));
  // Such a key would be taken for the object's prototype, by zod or by whoever reads the value.
  visit(document, {
    Pair(_, pair) {
      if (isScalar(pair.key) && pair.key.value === '__proto__')
        broken.push({
          where: place(pair.key.range?.[0] ?? 0),
          rule: 'unknown-key',
          what: '__proto__ is not a key here',
          remedy: 'remove it',
        });
    },
  });
  if (broken.length > 0) return refused(broken);

  let data: unknown;
  try {
    data = document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch {
    return refused([
      { where: place(0), rule: 'yaml', what: 'too many aliases', remedy: 'write the values out' },
    ]);
  }
  const parsed = schema.safeParse(data);
  if (parsed.success) return { value: parsed.data, problems: [], data, at, within };
  return refused(
    parsed.error.issues.flatMap((issue) => problemsOf(issue, data, schema, at)),
    data,
  );
}

/** A schema's own message: what is wrong, and what to do. */
export function say(what: string, remedy: string): string {
  return `${what} — ${remedy}`;
}

type At = YamlFile<unknown>['at'];

function problemsOf(issue: z.core.$ZodIssue, data: unknown, schema: z.ZodType, at: At): ConfigProblem[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  const name = path.length > 0 ? pathText(path) : 'the file';
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, path);
    return issue.keys.map((key) => {
      const meant = didYouMean(key, known);
      return {
        where: at([...path, key], 'key'),
        rule: 'unknown-key',
        what: `${key} is not a key here`,
        remedy: meant ? `did you mean ${meant}?` : `known keys: ${known.join(', ')}`,
      };
    });
  }
  if (issue.code === 'invalid_union') {
    // The form that the author chose is the one whose outermost type fits.
    const chosen = issue.errors.find(
      (errors) => !errors.some((e) => e.path.length === 0 && e.code === 'invalid_type'),
    );
    if (chosen)
      return chosen.flatMap((inner) =>
        problemsOf({ ...inner, path: [...issue.path, ...inner.path] } as z.core.$ZodIssue, data, schema, at),
      );
  }
  if (issue.code === 'invalid_key') {
    const inner = issue.issues[0];
    return [
      { where: at(path, 'key'), rule: 'bad-name', ...whatAndRemedy(inner?.message, name, 'rename it') },
    ];
  }
  const found = valueAt(data, path);
  if (found === undefined)
    return [
      { where: at(path), rule: 'missing-key', what: `${name} is missing`, remedy: `add ${path.at(-1)}` },
    ];
  if (issue.message.includes(' — '))
    return [{ where: at(path), rule: 'bad-value', ...whatAndRemedy(issue.message, name, '') }];
  return [{ where: at(path), rule: 'bad-value', ...defaultMessage(issue, name, found) }];
}

function whatAndRemedy(message: string | undefined, name: string, otherwise: string) {
  const [what, remedy] = (message ?? '').split(' — ');
  return { what: `${name} ${what ?? 'is not valid'}`, remedy: remedy ?? otherwise };
}

function defaultMessage(issue: z.core.$ZodIssue, name: string, found: unknown) {
  switch (issue.code) {
    case 'invalid_type': {
      const wanted = kindNames[issue.expected] ?? issue.expected;
      const quote = issue.expected === 'string' && (typeof found === 'number' || typeof found === 'boolean');
      return {
        what: `${name} is ${kindOf(found)}, not ${wanted}`,
        remedy: quote ? 'put it in quotes' : `write ${wanted}`,
      };
    }
    case 'invalid_value':
      return { what: `${name} is not a known word`, remedy: `use one of ${issue.values.join(', ')}` };
    case 'too_small':
    case 'too_big': {
      const limit = issue.code === 'too_small' ? `at least ${issue.minimum}` : `at most ${issue.maximum}`;
      const unit = issue.origin === 'string' ? ' characters' : issue.origin === 'array' ? ' entries' : '';
      return { what: `${name} is out of range`, remedy: `use ${limit}${unit}` };
    }
    case 'invalid_union':
      return { what: `${name} has the wrong form`, remedy: 'see the examples in config/' };
    default:
      return { what: `${name}: ${issue.message}`, remedy: 'correct it' };
  }
}

const kindNames: Readonly<Record<string, string>> = {
  string: 'text',
  array: 'a list',
  object: 'a map',
  record: 'a map',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
};

function kindOf(found: unknown): string {
  if (found === null) return 'empty';
  if (Array.isArray(found)) return 'a list';
  return kindNames[typeof found] ?? typeof found;
}

function pathText(path: Path): string {
  return path
    .map((part, i) => (typeof part === 'number' ? `[${part + 1}]` : i > 0 ? `.${part}` : part))
    .join('');
}

function valueAt(data: unknown, path: Path): unknown {
  let here = data;
  for (const part of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, part)) return undefined;
    here = (here as Record<string | number, unknown>)[part];
  }
  return here;
}

/** The keys that the schema knows at a path, through lists, maps, optional and alternative schemas. */
function keysAt(schema: z.ZodType, path: Path): string[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodNullable)
    return keysAt(schema.unwrap() as z.ZodType, path);
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((o) => keysAt(o as z.ZodType, path));
  const [first, ...rest] = path;
  if (schema instanceof z.ZodObject) {
    if (first === undefined) return Object.keys(schema.shape);
    const next: unknown = Object.hasOwn(schema.shape, first) ? schema.shape[first] : undefined;
    return next instanceof z.ZodType ? keysAt(next, rest) : [];
  }
  if (first === undefined) return [];
  if (schema instanceof z.ZodArray) return keysAt(schema.element as z.ZodType, rest);
  if (schema instanceof z.ZodRecord) return keysAt(schema.valueType as z.ZodType, rest);
  return [];
}

/** Start of the node at a path; of the nearest one above when it is not in the file. */
function offsetOf(document: Document, path: Path, what: 'key' | 'value'): number {
  const parent = document.getIn(path.slice(0, -1), true);
  const last = path.at(-1);
  const pair = isMap(parent) ? parent.items.find((p) => isScalar(p.key) && p.key.value === last) : undefined;
  const node = what === 'key' ? pair?.key : document.getIn(path, true);
  const start = (node as Node | undefined)?.range?.[0] ?? (pair?.key as Node | undefined)?.range?.[0];
  if (start !== undefined) return start;
  return path.length > 0 ? offsetOf(document, path.slice(0, -1), 'value') : 0;
}

function placeWithin(
  document: Document,
  path: Path,
  offset: number,
  lines: LineCounter,
  file: string,
  text: string,
): string {
  const node = document.getIn(path, true);
  const start = offsetOf(document, path, 'value');
  const place = (at: number) => `${file}:${lines.linePos(at).line}:${lines.linePos(at).col}`;
  if (!isScalar(node) || typeof node.value !== 'string') return place(start);
  if (node.type === 'PLAIN') return place(start + offset);
  if (node.type === 'QUOTE_SINGLE' || node.type === 'QUOTE_DOUBLE') return place(start + 1 + offset);
  if (node.type !== 'BLOCK_LITERAL') return place(start);
  const before = node.value.slice(0, offset).split('\n');
  const line = lines.linePos(start).line + before.length;
  const indent = /^ */.exec(text.split('\n')[line - 1] ?? '')?.[0].length ?? 0;
  return `${file}:${line}:${indent + (before.at(-1) ?? '').length + 1}`;
}
