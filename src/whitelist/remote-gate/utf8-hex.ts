/**
 * Characters as extended regular expressions over the hex text of their UTF-8 bytes (` c3 a9`), the form in which the
 * gate looks at a value: such an expression is plain ASCII and means the same to every grep, in every locale.
 */
import { hasHidden } from '../../core/visible.ts';

/** Any one character beyond ASCII, in well-formed text. */
export const BEYOND_ASCII = '( (c[2-9a-f]|d.) ..| e.( ..){2}| f[0-4]( ..){3})';

/** The whole text is well-formed UTF-8 (Unicode table 3-7). */
export const WELL_FORMED = `^(${[
  ' [0-7].',
  ' (c[2-9a-f]|d.) [89ab].',
  ' e0 [ab]. [89ab].',
  ' e[1-9abcef] [89ab]. [89ab].',
  ' ed [89]. [89ab].',
  ' f0 [9ab]. [89ab]. [89ab].',
  ' f[1-3] [89ab]. [89ab]. [89ab].',
  ' f4 8. [89ab]. [89ab].',
].join('|')})*$`;

/** Somewhere in well-formed text: a character that `hasHidden` refuses. */
export function hiddenCharacters(): string {
  const ranges: [number, number][] = [];
  for (let code = 0; code <= 0x10ffff; code++) {
    if ((code >= 0xd800 && code <= 0xdfff) || !hasHidden(String.fromCodePoint(code))) continue;
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === code - 1) last[1] = code;
    else ranges.push([code, code]);
  }
  return ranges.flatMap(([from, to]) => rangeOf(from, to)).join('|');
}

/** The code points from `from` to `to`, one expression for each shape of their bytes. */
function rangeOf(from: number, to: number): readonly string[] {
  const limits = [0x7f, 0x7ff, 0xffff, 0x10ffff];
  const found: string[] = [];
  for (let low = from; low <= to; ) {
    const limit = limits.find((max) => low <= max) ?? 0x10ffff;
    // A run whose last byte (or last two, three) takes all its values is one expression.
    const end = Math.min(to, limit);
    const size = [0x3ffff, 0xfff, 0x3f, 0].find((mask) => (low & mask) === 0 && low + mask <= end) ?? 0;
    const block = low < 0x80 ? 0 : size;
    found.push(bytesOf(low, block));
    low += block + 1;
  }
  return found;
}

function bytesOf(code: number, mask: number): string {
  const bytes = [...Buffer.from(String.fromCodePoint(code), 'utf8')];
  const free = [0, 0x3f, 0xfff, 0x3ffff].indexOf(mask);
  return bytes.map((byte, i) => (i >= bytes.length - free ? ' ..' : ` ${hexOf(byte)}`)).join('');
}

/** An expression for one of these ASCII characters; undefined for none. */
export function oneOfAscii(codes: readonly number[]): string | undefined {
  const rows = new Map<string, string>();
  for (const code of codes) {
    const [high = '', low = ''] = hexOf(code);
    rows.set(high, (rows.get(high) ?? '') + low);
  }
  const parts = [...rows].map(([high, lows]) => (lows.length === 1 ? `${high}${lows}` : `${high}[${lows}]`));
  if (parts.length === 0) return undefined;
  return parts.length === 1 ? ` ${parts[0]}` : ` (${parts.join('|')})`;
}

function hexOf(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
