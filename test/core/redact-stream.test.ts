/**
 * Cleaning in pieces gives what cleaning the whole gives, wherever the pieces are cut.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRedactor } from '../../src/core/redact.ts';
import { createStreamCleaner } from '../../src/core/redact-stream.ts';
import { decodeUtf8, visible } from '../../src/core/visible.ts';
import { an, planted, samples } from './redact-samples.ts';

const deep = process.env.CHECK_DEEP === '1';
const held = 'p@ss w/ord"x ünïcode';
const redact = createRedactor({ exact: [held] });
const whole = (bytes: Uint8Array) => redact(visible(redact(decodeUtf8(bytes))));
const window = 600;

function streamed(pieces: readonly Uint8Array[]): { readonly text: string; readonly early: number } {
  const cleaner = createStreamCleaner({ redact, window });
  const before = pieces.map((piece) => cleaner.push(piece)).join('');
  return { text: before + cleaner.end(), early: before.length };
}

const log = (n: number) =>
  Array.from({ length: n }, (_, i) => `12:00:${i} web-1 app[${i}]: GET /x?y=${i} 200.\n`).join('');
/** Each sample amid enough of a log that borders come before, in and after it. */
const amid = (text: string) => Buffer.from(`${log(40)}${text}\n${log(40)}`);
const coloured = (secret: string) =>
  [...secret].map((c, i) => (i % 3 === 1 ? `\x1b[3${i % 8}m${c}` : c)).join('');

const texts = [...samples.map(([, marked]) => planted(marked)), { secret: held, text: `now ${held} here` }];

describe('a stream cleaner', () => {
  it.each(texts)('gives the same for every split of $text', ({ text, secret }) => {
    const bytes = amid(text);
    const wanted = whole(bytes);
    const at = bytes.indexOf(Buffer.from(text));
    const step = deep ? 1 : Math.max(1, Math.floor(text.length / 12));

    for (let cut = at; cut <= at + Buffer.byteLength(text); cut += step) {
      const { text: got, early } = streamed([bytes.subarray(0, cut), bytes.subarray(cut)]);
      expect(got).toBe(wanted);
      expect(early).toBeGreaterThan(0);
    }
    expect(wanted).not.toContain(secret);
  });

  it.each(texts.filter((t) => !/[\n ]/.test(t.secret)))(
    'finds $text under colour codes',
    ({ text, secret }) => {
      const bytes = amid(text.replace(secret, coloured(secret)));

      const { text: got } = streamed([...chunksOf(bytes, 7)]);

      expect(got).toBe(whole(bytes));
      expect(got).not.toContain(secret);
    },
  );

  it('gives the same for any cuts of any mixture', () => {
    const piece = fc.oneof(
      fc.constantFrom(...texts.map((t) => t.text)),
      fc.constantFrom(
        log(8),
        '\n',
        'seq\n',
        `${an(64)}\n`,
        '-----BEGIN PRIVATE KEY-----\n',
        '-----END PRIVATE KEY-----\n',
      ),
      fc.constantFrom(
        'Private-Lines: 2\n',
        '\nPrivate-MAC: 1\n',
        'mysql\n',
        '-p',
        'password=',
        '\x1b[31m',
        '\r\n',
        'ü😀',
      ),
      fc.string({ unit: 'binary', maxLength: 6 }),
    );
    fc.assert(
      fc.property(
        fc.array(piece, { minLength: 10, maxLength: 60, size: 'max' }),
        fc.integer({ min: 1, max: 900 }),
        (pieces, size) => {
          const bytes = Buffer.from(pieces.join(''));

          expect(streamed([...chunksOf(bytes, size)]).text).toBe(whole(bytes));
        },
      ),
      { numRuns: deep ? 5_000 : 100 },
    );
  });

  it('cut at every byte one by one', () => {
    const bytes = amid(
      texts
        .slice(0, 8)
        .map((t) => t.text)
        .join('\n'),
    );

    expect(streamed([...chunksOf(bytes, 1)]).text).toBe(whole(bytes));
  });

  it('lets go of text long before the end, and takes time in proportion', () => {
    const bytes = Buffer.from(log(20_000));
    const cleaner = createStreamCleaner({ redact });
    let early = 0;

    const before = process.cpuUsage();
    for (const chunk of chunksOf(bytes, 16_384)) early += cleaner.push(chunk).length;
    const ms = process.cpuUsage(before).user / 1000;

    expect(early).toBeGreaterThan(bytes.length / 2);
    expect(ms).toBeLessThan(8000);
  });
});

function* chunksOf(bytes: Uint8Array, size: number) {
  for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
}
