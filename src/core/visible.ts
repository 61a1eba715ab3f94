/**
 * Text from outside made safe to show: terminal sequences are dropped, what cannot be seen is shown escaped.
 * Nothing here changes what is executed; it is for chat, cards, logs, terminals and the model.
 */

/** Bidi controls, zero-width and other characters that draw nothing, tag characters, line separators. */
const invisible =
  '\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164' +
  '\\ufe00-\\ufe0d\\ufeff\\uffa0\\ufff0-\\ufffb\\u{1bca0}-\\u{1bca3}\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}';

/** C0, DEL and C1 controls, and lone surrogates (with the `u` flag a pair is one character and does not match). */
const controls = '\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff';

/** Sequences that only draw: CSI (colour, cursor), OSC (title, link), DCS and its like, character sets. */
const sequence = [
  '(?:\\x1b\\[|\\x9b)[0-?]*[ -/]*[@-~]',
  '(?:\\x1b[\\]PX^_]|[\\x90\\x98\\x9d-\\x9f])[^\\x00-\\x1f\\x7f-\\x9f]*(?:\\x07|\\x1b\\\\|\\x9c)',
  '\\x1b[()*+][0-9A-Za-z]',
].join('|');

const toShow = new RegExp(`(${sequence})|\\r+\\n?|[${controls}${invisible}]`, 'gu');
const hidden = new RegExp(`[${controls}${invisible}]`, 'u');

/**
 * Shows `text`: ANSI sequences are dropped, every other control or invisible character becomes its escape (`\x1b`,
 * `\u202e`, `\u{e0041}`). Newline and tab stay unless `keepNewlines` is false; a CR before a newline goes, any
 * other is shown, so that nothing is overwritten. Applying it to its own result changes nothing.
 */
export function visible(text: string, opts: { readonly keepNewlines?: boolean } = {}): string {
  const keep = opts.keepNewlines ?? true;
  return text.replace(toShow, (found, drawing: string | undefined) => {
    if (drawing !== undefined) return '';
    if (keep && (found === '\t' || found.endsWith('\n'))) return found === '\t' ? found : '\n';
    return found.length === 1 ? escapeOf(found) : Array.from(found, escapeOf).join('');
  });
}

/** True when the text holds a control character, a lone surrogate or something that draws nothing. */
export function hasHidden(text: string): boolean {
  return hidden.test(text);
}

/** Decodes UTF-8; a byte that is not part of valid UTF-8 is shown as `\xNN` and none is lost. */
export function decodeUtf8(bytes: Uint8Array): string {
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  try {
    return strict.decode(bytes);
  } catch {
    return decodeBroken(bytes, strict);
  }
}

function decodeBroken(bytes: Uint8Array, strict: InstanceType<typeof TextDecoder>): string {
  let text = '';
  let good = 0;
  for (let i = 0; i < bytes.length; ) {
    const length = sequenceLength(bytes, i);
    if (length > 0) {
      i += length;
      continue;
    }
    text += strict.decode(bytes.subarray(good, i)) + hex(bytes[i] ?? 0);
    i += 1;
    good = i;
  }
  return text + strict.decode(bytes.subarray(good));
}

/** Length of the well-formed UTF-8 character at `i` (Unicode table 3-7), 0 when there is none. */
function sequenceLength(bytes: Uint8Array, i: number): number {
  const first = bytes[i] ?? 0;
  const second = bytes[i + 1] ?? 0;
  const continues = (n: number) => ((bytes[i + n] ?? 0) & 0xc0) === 0x80;
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const low = first === 0xe0 ? 0xa0 : 0x80;
    const high = first === 0xed ? 0x9f : 0xbf;
    return second >= low && second <= high && continues(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const low = first === 0xf0 ? 0x90 : 0x80;
    const high = first === 0xf4 ? 0x8f : 0xbf;
    return second >= low && second <= high && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

function escapeOf(character: string): string {
  if (character === '\n') return '\\n';
  if (character === '\r') return '\\r';
  if (character === '\t') return '\\t';
  const code = character.codePointAt(0) ?? 0;
  if (code <= 0xff) return hex(code);
  if (code <= 0xffff) return `\\u${code.toString(16).padStart(4, '0')}`;
  return `\\u{${code.toString(16)}}`;
}

function hex(code: number): string {
  return `\\x${code.toString(16).padStart(2, '0')}`;
}
