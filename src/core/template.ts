/**
 * A command template: the author's fixed shell text in which `{name}` stands for one declared parameter.
 * Everything else in braces (`{}`, `{{.Names}}`, `${x}`, `awk '{print}'`) is literal text.
 */
import type { Param } from './param.ts';
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
      if (shell.quote === 'none' && !shell.comment)
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
 * parameter that was not given is `''` in `args` and no word at all in the script.
 */
export function renderScript(
  template: Template,
  params: readonly Param[],
  values: Readonly<Record<string, string>>,
): { readonly script: string; readonly args: readonly string[] } {
  const pieces = template.pieces.map((piece) => {
    if (piece.kind === 'text') return piece.text;
    const i = params.findIndex((p) => p.name === piece.name);
    const param = params[i];
    if (param === undefined) throw new Error(`template names ${piece.name}, which is not declared`);
    const n = i + 1 < 10 && !piece.inQuotes ? `$${i + 1}` : `\${${i + 1}}`;
    if (piece.inQuotes) return n;
    return param.optional ? `\${${i + 1}:+"${n}"}` : `"${n}"`;
  });
  const args = params.map((p) => (Object.hasOwn(values, p.name) ? (values[p.name] ?? '') : ''));
  return { script: pieces.join(''), args };
}

/** The command as a person reads it: values in their places, quoted as a POSIX shell wants them, all of it visible. */
export function displayLine(template: Template, values: Readonly<Record<string, string>>): string {
  const line = template.pieces.map((piece) => {
    if (piece.kind === 'text') return visible(piece.text);
    const value = Object.hasOwn(values, piece.name) ? values[piece.name] : undefined;
    if (value === undefined) return '';
    const shown = visible(value, { keepNewlines: false });
    return piece.inQuotes ? shown.replace(/["$`\\]/g, '\\$&') : quoted(shown);
  });
  return line.join('');
}

function quoted(value: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
}
