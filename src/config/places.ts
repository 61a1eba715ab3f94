/**
 * Placeholders judged together with their parameters' types, what `sudo: true` does to a template, and what to do
 * about each rule of a template.
 */
import type { Param } from '../core/param.ts';
import { commandsOf } from '../core/shell-commands.ts';
import type { Template } from '../core/template.ts';

/** `offset` undefined: the template as a whole. */
export interface PlaceProblem {
  readonly rule: string;
  readonly message: string;
  readonly offset: number | undefined;
}

/** Optional or several values as part of a word, and a value that would add letters to a short option. */
export function checkPlaces(template: Template, params: readonly Param[]): readonly PlaceProblem[] {
  return template.pieces.flatMap((piece, i): PlaceProblem[] => {
    if (piece.kind !== 'param' || piece.inQuotes) return [];
    const param = params.find((p) => p.name === piece.name);
    if (param === undefined) return [];
    const before = template.pieces[i - 1];
    const after = template.pieces[i + 1];
    const text = before?.kind === 'text' ? before.text : '';
    const alone =
      (before === undefined || (before.kind === 'text' && /[\s(]$/.test(text))) &&
      (after === undefined || (after.kind === 'text' && /^[\s;|&)<>]/.test(after.text)));
    const problems: PlaceProblem[] = [];
    const say = (rule: string, message: string) =>
      problems.push({ rule, message: `{${piece.name}} ${message}`, offset: undefined });
    if (param.optional && !alone) say('optional-in-word', 'is optional but only part of a word');
    if (param.several !== undefined && !alone)
      say('several-in-word', 'takes several values but is only part of a word');
    if (/(?:^|\s)-[A-Za-z]$/.test(text) && !numeric.has(param.type.kind))
      say('placeholder-in-option', 'stands right behind an option’s letter and is no number');
    return problems;
  });
}

const numeric = new Set<Param['type']['kind']>(['integer', 'pid', 'port', 'duration']);

/** `sudo: true` covers one command; what it is piped into runs without rights. */
export function sudoProblem(template: Template): readonly PlaceProblem[] {
  const all = commandsOf(template);
  const [first, ...rest] = all;
  const text = template.pieces.map((p) => (p.kind === 'text' ? p.text : 'x')).join('');
  const plain = /^\s*[A-Za-z0-9_./-]/.test(text) && first?.assignments.length === 0;
  const one = rest.every((c) => c.piped || c.by.includes('find'));
  if (!plain || !one)
    return [
      {
        rule: 'sudo-not-simple',
        message: 'sudo: true covers one command, which may be piped into others',
        offset: undefined,
      },
    ];
  return all.some((c) => c.by.includes('sudo') || c.name === 'sudo')
    ? [{ rule: 'sudo-twice', message: 'sudo: true, and sudo in the template too', offset: undefined }]
    : [];
}

/** The template with exactly `sudo -n -- ` before it: never asks for a password, and no value becomes its option. */
export function withSudo(template: Template): Template {
  const [first, ...rest] = template.pieces;
  const prefix = 'sudo -n -- ';
  return first?.kind === 'text'
    ? { ...template, pieces: [{ kind: 'text', text: prefix + first.text.trimStart() }, ...rest] }
    : { ...template, pieces: [{ kind: 'text', text: prefix }, ...template.pieces] };
}

export const templateRemedies: Readonly<Record<string, string>> = {
  'undeclared-placeholder':
    'declare it under parameters, or single-quote the braces if they are meant literally',
  'placeholder-in-quotes': 'take the quotes away',
  'placeholder-in-substitution': 'pass it as an argument of the outer command',
  'placeholder-in-comment': 'remove the comment',
  'placeholder-in-here-document': 'use printf with the placeholder as its argument',
  'placeholder-in-redirection': 'give the file to the command as an argument, or name it in the template',
  'placeholder-in-option': 'write the option out and let the value stand behind "=" or a space',
  'placeholder-as-command': 'write the command name out; use one catalogue entry for each command',
  'placeholder-as-code': 'write the code out and give the value as an argument after it',
  'unused-parameter': 'use it in the template or remove it',
  'unclosed-quote': 'close it',
  'optional-in-word': 'give it a default, or let it stand alone between spaces',
  'several-in-word': 'let it stand alone between spaces',
  'sudo-not-simple': 'split it into several commands, or put the rest into a script on the host',
  'sudo-twice': 'keep one of the two',
};
