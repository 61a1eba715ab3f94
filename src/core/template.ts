/**
 * A command template: the author's fixed shell text in which `{name}` stands for one declared parameter.
 * Everything else in braces (`{}`, `{{.Names}}`, `${x}`, `awk '{print}'`) is literal text.
 */
import type { Param } from './param.ts';
import { wordsOf } from './params.ts';
import { ShellReader } from './shell-reader.ts';
import { visible } from './visible.ts';

export type TemplatePiece =
  | { readonly kind: 'text'; readonly text: string }
  /** `inQuotes`: stands inside double quotes of the text around it (the predecessor's dialect only). */
  | { readonly kind: 'param'; readonly name: string; readonly inQuotes?: true };

export interface Template {
  readonly source: string;
  readonly pieces: readonly TemplatePiece[];
}

/** Something wrong with a template: rule name for lint, message, offset into the source in characters. */
export interface TemplateProblem {
  readonly rule: string;
  readonly message: string;
  readonly offset: number;
}

/**
 * Reads a template against its declared parameters and reports every misplaced placeholder: in quotes, in a
 * substitution, comment or here-document, as a command's name, where a tool takes code, undeclared. Never throws.
 * `predecessor`: a placeholder inside double quotes is a parameter too.
 */
export function parseTemplate(
  source: string,
  declared: readonly string[],
  dialect: 'ours' | 'predecessor' = 'ours',
): { template: Template; problems: readonly TemplateProblem[] } {
  const pieces: TemplatePiece[] = [];
  const problems: TemplateProblem[] = [];
  const used = new Set<string>();
  const shell = new ShellReader();
  let text = '';

  for (let i = 0; i < source.length; ) {
    const name = placeholderAt(source, i);
    if (name === undefined || shell.escaped) {
      text += source.charAt(i);
      shell.read(source, i);
      i += 1;
      continue;
    }
    const inQuotes = dialect === 'predecessor' && shell.quote === 'double';
    if (!declared.includes(name)) {
      // awk '{x}' is literal; in double quotes a placeholder is what was meant.
      if (shell.quote !== 'single' && !shell.comment)
        problems.push({
          rule: 'undeclared-placeholder',
          message: `{${name}} is not a declared parameter`,
          offset: i,
        });
      text += source.slice(i, i + name.length + 2);
    } else {
      const misplaced = shell.misplaced(inQuotes);
      if (misplaced)
        problems.push({ rule: misplaced.rule, message: `{${name}} ${misplaced.message}`, offset: i });
      used.add(name);
      pieces.push({ kind: 'text', text }, { kind: 'param', name, ...(inQuotes ? { inQuotes: true } : {}) });
      text = '';
    }
    shell.word += '\0';
    i += name.length + 2;
  }
  pieces.push({ kind: 'text', text });

  if (shell.unclosed)
    problems.push({
      rule: 'unclosed-quote',
      message: `${shell.unclosed} is never closed`,
      offset: source.length,
    });
  for (const name of declared)
    if (!used.has(name))
      problems.push({
        rule: 'unused-parameter',
        message: `parameter ${name} is declared but never used`,
        offset: 0,
      });

  return {
    template: { source, pieces: pieces.filter((p) => p.kind === 'param' || p.text !== '') },
    problems,
  };
}

/** The name in `{name}` at `i`; undefined for `${name}`, `{{name}}` and everything else. */
function placeholderAt(source: string, i: number): string | undefined {
  if (source.charAt(i) !== '{') return undefined;
  const name = /^\{([A-Za-z_][A-Za-z0-9_]{0,63})\}/.exec(source.slice(i, i + 66))?.[1];
  if (name === undefined) return undefined;
  const before = source.charAt(i - 1);
  return before === '$' || before === '{' || source.charAt(i + name.length + 2) === '}' ? undefined : name;
}

/**
 * What goes to the far side for these values: the template with each placeholder as `"$n"`, n counted from 1 in the
 * order the parameters are declared, and the values in that order. A value is never text of the script. An optional
 * parameter that was not given is `''` in `args` and no word at all in the script; one of several values takes a
 * place for each of them.
 */
export function renderScript(
  template: Template,
  params: readonly Param[],
  values: Readonly<Record<string, string>>,
): {
  readonly script: string;
  readonly args: readonly string[];
  /** The numbers of the words of each parameter. */
  readonly places: ReadonlyMap<string, readonly number[]>;
} {
  const args: string[] = [];
  const places = new Map(
    params.map((param) => {
      const value = Object.hasOwn(values, param.name) ? values[param.name] : undefined;
      const words = value === undefined ? (param.several === undefined ? [''] : []) : wordsOf(param, value);
      const from = args.push(...words) - words.length + 1;
      return [param.name, { param, numbers: words.map((_, i) => from + i) }];
    }),
  );
  const pieces = template.pieces.map((piece) => {
    if (piece.kind === 'text') return piece.text;
    const place = places.get(piece.name);
    if (place === undefined) throw new Error(`template names ${piece.name}, which is not declared`);
    const words = place.numbers.map((n) => {
      if (piece.inQuotes) return `\${${n}}`;
      const word = n < 10 ? `"$${n}"` : `"\${${n}}"`;
      return place.param.optional && place.param.several === undefined ? `\${${n}:+${word}}` : word;
    });
    return words.join(' ');
  });
  const numbers = new Map([...places].map(([name, place]) => [name, place.numbers]));
  return { script: pieces.join(''), args, places: numbers };
}

/**
 * The command as a person reads it: values in their places, quoted as a POSIX shell wants them, all of it visible.
 * `params` tells which of them have several values.
 */
export function displayLine(
  template: Template,
  values: Readonly<Record<string, string>>,
  params: readonly Param[] = [],
): string {
  const line = template.pieces.map((piece) => {
    if (piece.kind === 'text') return visible(piece.text);
    const value = Object.hasOwn(values, piece.name) ? values[piece.name] : undefined;
    if (value === undefined) return '';
    const words = wordsOf(params.find((p) => p.name === piece.name) ?? {}, value).map((word) => {
      const shown = visible(word, { keepNewlines: false });
      return piece.inQuotes ? shown.replace(/["$`\\]/g, '\\$&') : quoted(shown);
    });
    return words.join(' ');
  });
  return line.join('');
}

function quoted(value: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
}
