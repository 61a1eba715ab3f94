/**
 * A command marked `sudo` in two halves: what root runs, and what its output is piped into, which the login runs. The
 * template's own `sudo -n -- ` would need a line of sudoers with wildcards for the values, which match across words.
 */
import type { CommandSpec } from '../../core/command.ts';
import type { TemplatePiece } from '../../core/template.ts';

export type Halves =
  | {
      readonly ok: true;
      readonly asRoot: readonly TemplatePiece[];
      readonly asLogin: readonly TemplatePiece[];
    }
  | { readonly ok: false; readonly reason: string };

const PREFIX = 'sudo -n -- ';

/** Splits at the first pipe outside quotes. Text whose halves could mean something else apart is refused. */
export function splitSudo(spec: CommandSpec): Halves {
  const [first, ...others] = spec.template.pieces;
  if (first?.kind !== 'text' || !first.text.startsWith(PREFIX))
    throw new Error(`${spec.name} is marked sudo and its template does not begin with ${PREFIX}`);
  const pieces = [{ kind: 'text' as const, text: first.text.slice(PREFIX.length) }, ...others];
  const asRoot: TemplatePiece[] = [];
  let quote = '';
  for (const [i, piece] of pieces.entries()) {
    if (piece.kind === 'param') {
      asRoot.push(piece);
      continue;
    }
    // Redirections that only silence or join stay with the command; any other file is the login's to open.
    const text = piece.text.replace(/[12]?>(?:\s?\/dev\/null|&[12])(?=[\s|]|$)/g, (found) =>
      'r'.repeat(found.length),
    );
    for (let at = 0; at < text.length; at++) {
      const c = text.charAt(at);
      if (quote !== "'" && c === '\\') at += 1;
      else if (c === quote) quote = '';
      else if (quote === "'") continue;
      else if (c === '`' || c === '$')
        return {
          ok: false,
          reason: 'what root runs holds a "$" or a backtick, which the login would expand',
        };
      else if (quote === '"') continue;
      else if (c === "'" || c === '"') quote = c;
      else if ('<>;&()\n#*?[~'.includes(c))
        return {
          ok: false,
          reason: `what root runs holds "${c}" outside quotes, which the login would act on`,
        };
      else if (c === '|') {
        asRoot.push({ kind: 'text', text: piece.text.slice(0, at) });
        return pipe(spec, asRoot, [{ kind: 'text', text: piece.text.slice(at) }, ...pieces.slice(i + 1)]);
      }
    }
    asRoot.push(piece);
  }
  return { ok: true, asRoot, asLogin: [] };
}

function pipe(spec: CommandSpec, asRoot: TemplatePiece[], asLogin: readonly TemplatePiece[]): Halves {
  const second = asLogin[0];
  if (second?.kind === 'text' && second.text.startsWith('||'))
    return { ok: false, reason: 'what root runs is followed by "||"' };
  for (const piece of asLogin) {
    const type = piece.kind === 'param' ? spec.params.find((p) => p.name === piece.name)?.type : undefined;
    if (type?.kind === 'path' && type.roots.length > 0)
      return { ok: false, reason: 'a path with roots stands behind the pipe, where root does not check it' };
  }
  return { ok: true, asRoot, asLogin };
}
