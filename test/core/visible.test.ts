/**
 * Visible text: what a person could not see is shown, what only draws is dropped, nothing is lost by decoding.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeUtf8, hasHidden, visible } from '../../src/core/visible.ts';

const anyText = fc.string({
  unit: fc.oneof(
    fc.integer({ min: 0, max: 0x9f }).map((n) => String.fromCharCode(n)),
    fc.constantFrom(
      '\x1b[31m',
      '\x1b]0;t\x07',
      '\x1b',
      '[',
      '\r',
      '\n',
      '\u202e',
      '\u200b',
      '\ufeff',
      '\u{e0041}',
      '\ud800',
      'ü',
      '😀',
      '\x9b',
    ),
  ),
  maxLength: 40,
});

describe('visible', () => {
  it.each([
    ['\x1b[31mred\x1b[0m', 'red'],
    ['\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x07', 'link'],
    ['\x9b1mbold', 'bold'],
    ['a\x1bc', 'a\\x1bc'],
    ['a\x00b\x7fc\x85', 'a\\x00b\\x7fc\\x85'],
    ['abc\u202edef', 'abc\\u202edef'],
    ['a\u200bb\ufeff', 'a\\u200bb\\ufeff'],
    ['a\u{e0041}', 'a\\u{e0041}'],
    ['a\ud800', 'a\\ud800'],
    ['50%\r100%', '50%\\r100%'],
    ['dos\r\nline\r\r\n', 'dos\nline\n'],
    ['tab\tnew\nline', 'tab\tnew\nline'],
    ['/srv/My Files/ü 😀', '/srv/My Files/ü 😀'],
  ])('shows %j as %j', (text, shown) => {
    expect(visible(text)).toBe(shown);
  });

  it('escapes newlines and tabs when asked to', () => {
    expect(visible('a\nb\tc\r\n', { keepNewlines: false })).toBe('a\\nb\\tc\\r\\n');
  });

  it('shows an unfinished sequence instead of swallowing what follows', () => {
    expect(visible('\x1b]0;title\nnext')).toBe('\\x1b]0;title\nnext');
  });

  it('changes nothing when applied to its own result, and leaves nothing hidden but newline and tab', () => {
    fc.assert(
      fc.property(anyText, fc.boolean(), (text, keepNewlines) => {
        const once = visible(text, { keepNewlines });

        expect(visible(once, { keepNewlines })).toBe(once);
        expect(hasHidden(keepNewlines ? once.replace(/[\n\t]/g, '') : once)).toBe(false);
      }),
    );
  });

  it.each(['\r', '\x1b[', '\x1b]', '\x1b', '\x9b1;'])('takes linear time on a megabyte of %j', (unit) => {
    const before = process.cpuUsage();

    visible(unit.repeat(Math.floor(1_048_576 / unit.length)));

    expect(process.cpuUsage(before).user / 1000).toBeLessThan(4000);
  });
});

describe('decodeUtf8', () => {
  it('shows each byte that is not UTF-8', () => {
    const bytes = Uint8Array.from([0x61, 0xff, 0xc3, 0xbc, 0xc3, 0x28, 0xed, 0xa0, 0x80, 0xf0, 0x9f]);

    expect(decodeUtf8(bytes)).toBe('a\\xffü\\xc3(\\xed\\xa0\\x80\\xf0\\x9f');
  });

  it('keeps valid text as it is, a byte order mark included', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const wellFormed = Buffer.from(`\ufeff${text}`, 'utf8');

        expect(Buffer.from(decodeUtf8(wellFormed), 'utf8').equals(wellFormed)).toBe(true);
      }),
    );
  });

  it('loses no byte of any input', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const shown = decodeUtf8(bytes.map((b) => (b === 0x5c ? 0x20 : b)));
        const back = Buffer.concat(
          shown
            .split(/(\\x[0-9a-f]{2})/)
            .map((part) =>
              /^\\x[0-9a-f]{2}$/.test(part) ? Buffer.from(part.slice(2), 'hex') : Buffer.from(part, 'utf8'),
            ),
        );

        expect([...back]).toEqual([...bytes].map((b) => (b === 0x5c ? 0x20 : b)));
      }),
    );
  });
});
