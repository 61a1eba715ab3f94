/**
 * Takes secrets out of text before anybody sees it: exactly the ones we hold, private keys, then the published shapes.
 * Strip terminal sequences first (`visible`), since colour codes can stand inside a secret.
 */
import { marker, secretShapes } from './secret-shapes.ts';

const shortest = 6;

/**
 * Makes a redactor that knows `exact`, the secrets this process holds; shorter than 6 characters are left out, since
 * they would stand everywhere. Replaces each secret by `[redacted:kind]`. Idempotent; linear in the text's length.
 */
export function createRedactor(opts: { readonly exact: readonly string[] }): (text: string) => string {
  const literals = [...new Set(opts.exact.filter((s) => s.length >= shortest).flatMap(formsOf))]
    .filter((form) => form.length >= shortest)
    .sort((a, b) => b.length - a.length);

  // A marker can bare the start of the next secret, so it goes on until nothing is found any more.
  return (text) => {
    let before = text;
    for (let pass = 0; pass < 10; pass++) {
      let clean = withoutPrivateKeys(withoutExact(before, literals));
      for (const { kind, pattern } of secretShapes) clean = withoutShape(clean, kind, pattern);
      if (clean === before) break;
      before = clean;
    }
    return before;
  };
}

/** A secret as it may appear: as it is, base64, base64url, URL-encoded, in JSON. */
function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret, 'utf8');
  return [
    secret,
    secret.trim(),
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
    encodeURIComponent(bytes.toString('utf8')),
    JSON.stringify(secret).slice(1, -1),
  ];
}

function withoutExact(text: string, literals: readonly string[]): string {
  const found = literals.filter((literal) => text.includes(literal)).map(escapeForPattern);
  if (found.length === 0) return text;
  // The marker comes first so that a secret such as "redacted" does not match inside one.
  return text.replace(new RegExp(`(${marker})|${found.join('|')}`, 'g'), (_, kept: string | undefined) =>
    kept === undefined ? '[redacted:secret]' : kept,
  );
}

function withoutShape(text: string, kind: string, pattern: RegExp): string {
  if (!pattern.source.includes('(?<before>')) return text.replace(pattern, `[redacted:${kind}]`);
  return text.replace(pattern, `$<before>[redacted:${kind}]`);
}

// The body stops at the next BEGIN, so that many beginnings without an end are read once each.
const keyBlock =
  /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:(?:(?!-----BEGIN )[\s\S])*?-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|[A-Za-z0-9+/=:,\\\s-]*)/g;
const keyEnd = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/g;

/** Private key blocks, whole or cut at either end. */
function withoutPrivateKeys(text: string): string {
  const clean = text.replace(keyBlock, '[redacted:private-key]');
  let result = '';
  let from = 0;
  for (const end of clean.matchAll(keyEnd)) {
    const start = startOfBase64Lines(clean, from, end.index);
    result += `${clean.slice(from, start)}[redacted:private-key]`;
    from = end.index + end[0].length;
  }
  return result + clean.slice(from);
}

const longestLine = 200;

/** Walks back from `end` over lines of nothing but base64, not before `floor`. */
function startOfBase64Lines(text: string, floor: number, end: number): number {
  let start = end;
  while (start > floor) {
    const from = Math.max(floor, start - longestLine);
    const lineBreak = text.slice(from, start - 1).lastIndexOf('\n');
    const lineStart = lineBreak < 0 ? from : from + lineBreak + 1;
    if (!/^[A-Za-z0-9+/=]+\s*$/.test(text.slice(lineStart, start))) break;
    start = lineStart;
  }
  return start;
}

function escapeForPattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}
