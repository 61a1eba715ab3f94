/**
 * A pattern of the catalogue (RE2) as an expression that grep -E can check on the far side, over hex text. Characters
 * of ASCII are told apart exactly; beyond ASCII a class lets all or none through. What is not understood is refused.
 */
import { RE2JS } from 're2js';
import { BEYOND_ASCII, oneOfAscii } from './utf8-hex.ts';

/** The expression, anchored at both ends; undefined where the pattern uses more than the gate can check. */
export function patternOverHex(pattern: string): string | undefined {
  const reader = { text: pattern.replace(/^(?:\^|\\A)/, '').replace(/(?:(?<!\\)\$|\\z)$/, ''), at: 0 };
  const inner = alternatives(reader);
  return inner === undefined || reader.at < reader.text.length ? undefined : `^(${inner})$`;
}

interface Reader {
  readonly text: string;
  at: number;
}

function alternatives(reader: Reader): string | undefined {
  const found: string[] = [];
  for (;;) {
    const one = sequence(reader);
    if (one === undefined) return undefined;
    found.push(one);
    if (reader.text.charAt(reader.at) !== '|') break;
    reader.at += 1;
  }
  return found.join('|');
}

function sequence(reader: Reader): string | undefined {
  let found = '';
  while (reader.at < reader.text.length && !'|)'.includes(reader.text.charAt(reader.at))) {
    const one = atom(reader);
    if (one === undefined) return undefined;
    const repeat = /^(?:[*+?]|\{(\d+)(?:,(\d*))?\})\??/.exec(reader.text.slice(reader.at))?.[0] ?? '';
    reader.at += repeat.length;
    found += repeat === '' ? one : `(${one})${repeat.replace(/(.)\?$/, '$1')}`;
  }
  // An empty alternative means different things to different greps.
  return found === '' ? undefined : found;
}

function atom(reader: Reader): string | undefined {
  const rest = reader.text.slice(reader.at);
  const group = /^\((?:\?:)?(?!\?)/.exec(rest);
  if (group !== null) {
    reader.at += group[0].length;
    const inner = alternatives(reader);
    if (inner === undefined || reader.text.charAt(reader.at) !== ')') return undefined;
    reader.at += 1;
    return `(${inner})`;
  }
  const one =
    /^\[\^?\]?(?:\[:\^?[a-z]+:\]|\\[pP]\{\^?\w+\}|\\.|[^\]\\])*\]/u.exec(rest) ??
    /^\\(?:[pP]\{\^?\w+\}|[pP][A-Z]|[dwsDWS]|[^A-Za-z0-9])/u.exec(rest) ??
    /^[^\\()[\]{}^$*+?|]/u.exec(rest);
  if (one === null) return undefined;
  reader.at += one[0].length;
  return oneCharacter(one[0]);
}

/** RE2 itself says which characters a class, an escape or a letter means. */
function oneCharacter(source: string): string | undefined {
  let expression: RE2JS;
  try {
    expression = RE2JS.compile(source);
  } catch {
    return undefined;
  }
  const ascii = Array.from({ length: 0x80 }, (_, code) => code).filter((code) =>
    expression.matches(String.fromCodePoint(code)),
  );
  const parts = [oneOfAscii(ascii), reachesBeyondAscii(expression) ? BEYOND_ASCII : undefined];
  const found = parts.filter((part) => part !== undefined);
  return found.length === 0 ? undefined : found.length === 1 ? found[0] : `(${found.join('|')})`;
}

/** Every character of the first blocks, then one in sixteen: all scripts have longer runs than that. */
function reachesBeyondAscii(expression: RE2JS): boolean {
  for (let code = 0x80; code <= 0x10ffff; code += code < 0x3000 ? 1 : 16) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    if (expression.matches(String.fromCodePoint(code))) return true;
  }
  return false;
}
