/**
 * The gate refuses each value that `checkValue` refuses here, and takes each that it takes: by type, with the values of
 * published lists. The one difference is a text pattern beyond ASCII, where the gate takes more.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { afterAll, describe, expect, it } from 'vitest';
import type { ParamType } from '../../../src/core/param.ts';
import { checkValue } from '../../../src/core/params.ts';
import { hasHidden } from '../../../src/core/visible.ts';
import { patternOverHex } from '../../../src/whitelist/remote-gate/pattern.ts';
import { gateScript } from '../../../src/whitelist/remote-gate/script.ts';
import { hiddenCharacters, WELL_FORMED } from '../../../src/whitelist/remote-gate/utf8-hex.ts';
import { spec } from '../catalogue.ts';
import { ask, gateHost, param, rawLines, rawRequest, writeGate } from './gate-fixture.ts';

const dir = mkdtempSync(join(tmpdir(), 'opsagent-gate-values-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const RUNS = process.env.CHECK_DEEP ? 3000 : 12;

const types: Readonly<Record<string, ParamType>> = {
  path: { kind: 'path', roots: [] },
  unit: { kind: 'unit' },
  container: { kind: 'container' },
  integer: { kind: 'integer', min: 0, max: 99_999 },
  pid: { kind: 'pid', min: 1, max: 4_194_304 },
  port: { kind: 'port', min: 1, max: 65_535 },
  duration: { kind: 'duration', min: 60, max: 86_400 },
  host: { kind: 'host' },
  choice: { kind: 'choice', values: ['100M', 'a b', "it's", '$(id)', '\\'] },
  text: { kind: 'text', maxLength: 8 },
  patterned: { kind: 'text', pattern: '^(?:[a-z]{2,4}|x\\.y|[0-9]+)$', maxLength: 80 },
};
const commands = Object.entries(types).map(([name, type]) =>
  spec(name, `printf %s {x}`, { params: [param('x', type)] }),
);
const gate = writeGate(join(dir, 'gate'), commands);

const corners = [
  ...[
    '',
    '-n',
    '--',
    '-delete',
    '--files0-from=/etc/passwd',
    '@file',
    '+x',
    ';id',
    '$(id)',
    '`id`',
    "'",
    '"',
    '\\',
  ],
  ...[
    '*',
    '?',
    '[a]',
    '{a,b}',
    '~root',
    '$HOME',
    '${IFS}',
    '%s',
    '#',
    '\t',
    '\r',
    '\u0001',
    '\u007f',
    '\u0085',
  ],
  ...[
    '\u200b',
    '\u202e',
    '\ufeff',
    '\u00ad',
    '\u{e0041}',
    'é',
    '日本',
    '💥',
    'a\u0301',
    '\u{1d173}',
    '\ufffd',
  ],
  ...[
    '/',
    '//',
    '/srv',
    '/srv/',
    '/srv//x',
    '/srv/./x',
    '/srv/../etc',
    '/..',
    '/.',
    '/srv/...',
    'srv/x',
    '/a b/ü',
  ],
  ...['/srv/My Files/ü', `/${'x'.repeat(4095)}`, `/${'x'.repeat(4096)}`, '/a\u200b', '/-rf', '/*'],
  ...[
    'getty@tty1.service',
    'dev-disk-by\\x2duuid-1.device',
    '-.mount',
    'a\\x2',
    'a\\X2d',
    'a/b',
    'a'.repeat(256),
  ],
  ...[
    'compose-web-1',
    '_x',
    '.x',
    'Web',
    '0',
    '00',
    '007',
    '7',
    '65535',
    '65536',
    '4194304',
    '99999',
    '100000',
  ],
  ...[
    '1e3',
    '0x10',
    ' 7',
    '7 ',
    '-7',
    '+7',
    '9007199254740993',
    '99999999999999999999',
    '1s',
    '59s',
    '60s',
    '1m',
  ],
  ...[
    '24h',
    '1d',
    '2d',
    '1w',
    '01m',
    '999999999d',
    '0s',
    'a.example',
    'a..b',
    'a_b',
    'a-',
    '-a',
    'a.b.',
    '1.2.3.4',
  ],
  ...[
    '1.2.3',
    '1.2.3.256',
    '01.2.3.4',
    '::',
    '::1',
    'fe80::1',
    '1:2:3:4:5:6:7:8',
    '1:2:3:4:5:6:7',
    ':1::2',
    '1::2::3',
  ],
  ...[
    '1:2:3:4:5:6:7::',
    '::2:3:4:5:6:7:8',
    '1:2:3:4:5:6:7:8::',
    'fe80::1%eth0',
    '::ffff:1.2.3.4',
    'g::1',
    ':::',
  ],
  ...[
    '100M',
    '100m',
    'a b',
    'a',
    "it's",
    '100M|a b',
    'ab',
    'abcde',
    'x.y',
    'xzy',
    '12',
    'aé',
    '12345678',
    '123456789',
  ],
  ...['💥💥💥💥', '💥💥💥💥💥', 'éééééééé', 'ééééééééé', '日本日本日本日本', 'end', 'x=1'],
];
const accepts = async (name: string, value: string): Promise<boolean> => {
  const command = commands.find((c) => c.name === name) ?? commands[0];
  if (command === undefined) throw new Error('no command');
  const answer = await ask(gate, rawRequest(rawLines(command, [`x=${value}`])));
  if (answer.status === 0 && answer.stdout !== value) throw new Error(`${value} became ${answer.stdout}`);
  return answer.status === 0;
};
const wanted = (name: string, value: string): boolean =>
  checkValue(param('x', types[name] ?? { kind: 'unit' }), value).ok;

describe('the gate checks values as they are checked here', () => {
  it('for the corners of every type', { timeout: 300_000 }, async () => {
    // Of each type half of the values it takes and some of the others; all of them with CHECK_DEEP=1.
    for (const name of Object.keys(types)) {
      const some = process.env.CHECK_DEEP
        ? corners
        : corners.filter((value, i) => wanted(name, value) && i % 2 === name.length % 2);
      const near = corners.filter((value, i) => !some.includes(value) && i % 13 === name.length % 13);
      const answers = await Promise.all(
        [...some, ...near].map(async (value) => [value, await accepts(name, value)]),
      );
      expect(answers).toEqual([...some, ...near].map((value) => [value, wanted(name, value)]));
    }
  });

  it('for values made of anything', { timeout: 600_000 }, async () => {
    const value = fc.oneof(
      fc.array(fc.constantFrom(...corners), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('')),
      fc
        .string({ unit: 'binary', minLength: 1, maxLength: 12 })
        .map((text) => text.replace(/[\n\0]|\p{Surrogate}/gu, '')),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...Object.keys(types)), value, async (name, text) => {
        expect([name, text, await accepts(name, text)]).toEqual([name, text, wanted(name, text)]);
      }),
      { numRuns: RUNS },
    );
  });
});

const hex = (text: string) =>
  [...Buffer.from(text)].map((b) => ` ${b.toString(16).padStart(2, '0')}`).join('');

describe('hex text', () => {
  it('finds every character that draws nothing and no other', () => {
    const hidden = new RegExp(hiddenCharacters());
    const wellFormed = new RegExp(WELL_FORMED);
    for (let code = 0; code <= 0x10ffff; code += code < 0x10000 ? 1 : 7) {
      if (code >= 0xd800 && code <= 0xdfff) continue;
      const text = String.fromCodePoint(code);
      const found = [hidden.test(hex(text)), wellFormed.test(hex(text))];
      if (found[0] !== hasHidden(text) || !found[1])
        expect([code, ...found]).toEqual([code, hasHidden(text), true]);
    }
  });

  it('is refused where it is no UTF-8', () => {
    const wellFormed = new RegExp(WELL_FORMED);
    for (const broken of [
      ' 80',
      ' c3',
      ' c0 80',
      ' e0 80 80',
      ' ed a0 80',
      ' f4 90 80 80',
      ' ff',
      ' 61 e2 80',
    ])
      expect([broken, wellFormed.test(broken)]).toEqual([broken, false]);
  });
});

describe('a pattern as grep has it', () => {
  const patterns = [
    '^[\\p{L}\\p{N} .,:!?_-]+$',
    '[\\p{L}\\p{N}_.:/@%+=, -]+',
    'a|bc|d{2,3}e*',
    '(?:ab)+c??[^x-z]',
    '\\d{1,3}\\.\\w+\\-?',
    '[[:alpha:]][]a^-]',
  ];
  it.each(patterns)('%s means the same in ASCII and never less beyond it', (pattern) => {
    const translated = patternOverHex(pattern);
    expect(translated).toBeDefined();
    const grep = new RegExp(translated ?? '$^');
    const re2 = RE2JS.compile(pattern);
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'abcde0.1-w_x]^é日') })),
        (text) => {
          const [here, there] = [re2.matches(text), grep.test(hex(text))];
          expect(/^[\x00-\x7f]*$/.test(text) ? here === there : there || !here).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });

  it.each(['(?i)abc', 'a\\b', 'x^y', '(?P<n>a)', 'a(?=b)', '', 'a||b', '\\Qa\\E'])(
    '%s is more than sh can check: the command stays out of the gate',
    (pattern) => {
      expect(patternOverHex(pattern)).toBeUndefined();
      const one = spec('one', 'printf %s {x}', {
        params: [param('x', { kind: 'text', pattern, maxLength: 9 })],
      });

      const { script, left } = gateScript([one], gateHost);

      expect(left).toEqual([{ name: 'one', reason: `sh cannot check the pattern ${pattern}` }]);
      expect(script).not.toContain("'one')");
    },
  );
});
