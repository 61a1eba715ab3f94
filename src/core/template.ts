/**
 * A command template: the author's fixed shell text in which `{name}` stands for one declared parameter.
 * Everything else in braces (`{}`, `{{.Names}}`, `${x}`, `awk '{print}'`) is literal text.
 */

export type TemplatePiece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'param'; readonly name: string };

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

type Quote = 'none' | 'single' | 'double';

/**
 * Reads a template against its declared parameters and reports every misplaced placeholder:
 * in quotes, in a substitution or comment, undeclared, as a whole command. Never throws.
 */
export function parseTemplate(
  source: string,
  declared: readonly string[],
): { template: Template; problems: readonly TemplateProblem[] } {
  const pieces: TemplatePiece[] = [];
  const problems: TemplateProblem[] = [];
  const used = new Set<string>();
  let quote: Quote = 'none';
  let substitutions = 0;
  let text = '';
  let wordStart = 0;
  let commandPosition = true;

  const refuse = (rule: string, message: string, offset: number) => problems.push({ rule, message, offset });

  for (let i = 0; i < source.length; i++) {
    const ch = source.charAt(i);
    const placeholder = /^\{([A-Za-z_][A-Za-z0-9_]*)\}/.exec(source.slice(i, i + 66));
    const name = placeholder?.[1];
    const before = source.charAt(i - 1);
    const isPlaceholder =
      name !== undefined && before !== '$' && before !== '{' && source.charAt(i + name.length + 2) !== '}';

    if (isPlaceholder && !declared.includes(name)) {
      if (quote === 'none') refuse('undeclared-placeholder', `{${name}} is not a declared parameter`, i);
      text += ch;
      continue;
    }
    if (isPlaceholder) {
      if (quote !== 'none')
        refuse(
          'placeholder-in-quotes',
          `{${name}} stands inside quotes; write it bare, it is quoted for you`,
          i,
        );
      if (substitutions > 0)
        refuse('placeholder-in-substitution', `{${name}} stands inside a command substitution`, i);
      if (quote === 'none' && commandPosition && i === wordStart)
        refuse('placeholder-as-command', `{${name}} stands where a command's name does`, i);
      used.add(name);
      pieces.push({ kind: 'text', text }, { kind: 'param', name });
      text = '';
      i += name.length + 1;
      continue;
    }

    text += ch;
    if (quote === 'single') {
      if (ch === "'") quote = 'none';
    } else if (ch === '\\') {
      i += 1;
      text += source.charAt(i);
    } else if (ch === '`' || source.startsWith('$(', i)) {
      substitutions += 1;
    } else if (ch === ')' && substitutions > 0 && quote === 'none') {
      substitutions -= 1;
    } else if (ch === '"') {
      quote = quote === 'double' ? 'none' : 'double';
    } else if (quote === 'none' && ch === "'") {
      quote = 'single';
    } else if (quote === 'none' && /\s/.test(ch)) {
      if (i > wordStart) commandPosition = false;
      wordStart = i + 1;
    } else if (quote === 'none' && /[|;&(\n]/.test(ch)) {
      commandPosition = true;
      wordStart = i + 1;
    }
  }
  pieces.push({ kind: 'text', text });
  if (quote !== 'none') refuse('unclosed-quote', `the ${quote} quote is never closed`, source.length);
  for (const name of declared)
    if (!used.has(name)) refuse('unused-parameter', `parameter ${name} is declared but never used`, 0);

  return {
    template: { source, pieces: pieces.filter((p) => p.kind === 'param' || p.text !== '') },
    problems,
  };
}
