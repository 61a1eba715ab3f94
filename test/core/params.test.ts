/**
 * Parameters: the type decides which values exist, and an accepted value is never changed.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Param, ParamType } from '../../src/core/param.ts';
import { checkParams, checkValue } from '../../src/core/params.ts';
import { hasHidden } from '../../src/core/visible.ts';

const path: ParamType = { kind: 'path', roots: [] };
const unit: ParamType = { kind: 'unit' };
const container: ParamType = { kind: 'container' };
const integer: ParamType = { kind: 'integer', min: 1, max: 500 };
const choice: ParamType = { kind: 'choice', values: ['100M', '1G'] };
const text: ParamType = { kind: 'text', maxLength: 20 };
const host: ParamType = { kind: 'host' };
const pid: ParamType = { kind: 'pid', min: 1, max: 4_194_304 };
const port: ParamType = { kind: 'port', min: 1, max: 65_535 };
const duration: ParamType = { kind: 'duration', min: 60, max: 86_400 };
const all = [path, unit, container, integer, choice, text, host, pid, port, duration];

const param = (type: ParamType, more: Partial<Param> = {}): Param => ({
  name: 'value',
  description: 'a value',
  type,
  optional: false,
  ...more,
});
const accepts = (type: ParamType, raw: string) => checkValue(param(type), raw).ok;

describe('checkValue', () => {
  it.each([
    [path, '/srv/My Files/ü'],
    [path, '/'],
    [path, '/var/log/'],
    [path, '/a/*?[b]$(id);`x`\'"'],
    [path, '/srv/...'],
    [unit, 'nginx'],
    [unit, 'getty@tty1.service'],
    [unit, 'dev-disk-by\\x2duuid-1.device'],
    [container, 'compose-web-1'],
    [container, 'a1b2c3d4e5f6'],
    [integer, '1'],
    [integer, '500'],
    [choice, '1G'],
    [text, 'hello, wörld'],
    [host, 'web-1.example.com'],
    [host, '10.0.0.255'],
    [host, '::1'],
    [host, 'fe80::1:2'],
    [host, '2001:db8:0:0:0:0:0:1'],
    [pid, '4194304'],
    [port, '65535'],
    [duration, '90s'],
    [duration, '15m'],
    [duration, '1d'],
  ])('%j accepts %j byte for byte', (type, raw) => {
    expect(checkValue(param(type), raw)).toEqual({ ok: true, value: raw });
  });

  it.each([
    [path, 'var/log'],
    [path, '-delete'],
    [path, './x'],
    [path, '../../root/.ssh'],
    [path, '/srv/../etc'],
    [path, '/srv/./x'],
    [path, '/srv//x'],
    [path, '//srv'],
    [path, '/a\nb'],
    [path, '/a\0b'],
    [path, '/a\u202eb'],
    [path, '/a\u200bb'],
    [path, '/a\ud800'],
    [path, `/${'ü'.repeat(2048)}`],
    [path, '\uff0fetc'],
    [unit, '-Hevil'],
    [unit, '*'],
    [unit, 'a*'],
    [unit, 'a?'],
    [unit, '[a]'],
    [unit, 'a\\b'],
    [unit, '.hidden'],
    [unit, '@x.service'],
    [unit, 'ngіnx'],
    [unit, 'a b'],
    [container, '.web'],
    [container, 'web/1'],
    [container, '-f'],
    [integer, '0'],
    [integer, '501'],
    [integer, '007'],
    [integer, '1.0'],
    [integer, '1e2'],
    [integer, '+1'],
    [integer, '0x10'],
    [integer, '99999999999999999999'],
    [choice, '1g'],
    [choice, '100M '],
    [text, '@/etc/passwd'],
    [text, '+x'],
    [text, '--files0-from=/etc/passwd'],
    [text, 'a\tb'],
    [text, 'x'.repeat(21)],
    [host, 'user@web'],
    [host, '-oProxyCommand=x'],
    [host, 'wеb'],
    [host, 'web.'],
    [host, '10.0.0.256'],
    [host, '1.2.3'],
    [host, '1::2::3'],
    [host, ':::'],
    [host, '1:2:3:4:5:6:7'],
    [host, 'a_b'],
    [host, 'a b'],
    [pid, '0'],
    [pid, '-1'],
    [port, '65536'],
    [port, '080'],
    [duration, '59s'],
    [duration, '25h'],
    [duration, '15'],
    [duration, '1h30m'],
    [duration, '0m'],
    [duration, '15 m'],
  ])('%j refuses %j', (type, raw) => {
    expect(checkValue(param(type), raw)).toEqual({
      ok: false,
      reason: expect.stringMatching(/^value .+\.$/),
    });
  });

  it('compares roots by segment', () => {
    const under: ParamType = { kind: 'path', roots: ['/srv', '/var/log/'] };

    expect(['/srv', '/srv/a', '/var/log', '/var/log/x'].map((raw) => accepts(under, raw))).not.toContain(
      false,
    );
    expect(['/srvx', '/var', '/var/logs', '/'].map((raw) => accepts(under, raw))).not.toContain(true);
  });

  it('matches a text pattern as a whole', () => {
    const type: ParamType = { kind: 'text', pattern: 'a|bc', maxLength: 100 };

    expect(['a', 'bc'].map((raw) => accepts(type, raw))).toEqual([true, true]);
    expect(['ab', 'abc', 'xa', 'a\n'].map((raw) => accepts(type, raw))).not.toContain(true);
  });

  it('checks a pattern that makes backtracking engines hang in no time', () => {
    const before = performance.now();

    expect(accepts({ kind: 'text', pattern: '(a+)+', maxLength: 200 }, `${'a'.repeat(100)}!`)).toBe(false);

    expect(performance.now() - before).toBeLessThan(1000);
  });

  it('refuses everything when the pattern is not valid', () => {
    expect(accepts({ kind: 'text', pattern: '(?=a)', maxLength: 9 }, 'a')).toBe(false);
  });

  it('whatever is accepted is unchanged, begins no option, is not empty and hides nothing', () => {
    const raw = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 12 }),
      fc.string({
        unit: fc.constantFrom('/', '.', '-', 'a', '@', '*', '\n', '\\x2d', ' ', '\u202e', '1'),
        maxLength: 8,
      }),
    );
    fc.assert(
      fc.property(fc.constantFrom(...all), raw, (type, given) => {
        const checked = checkValue(param(type), given);
        if (!checked.ok) return;

        expect(checked.value).toBe(given);
        expect(given).not.toMatch(/^(?:-|$)/);
        expect(hasHidden(given)).toBe(false);
        if (type.kind === 'path') expect(`${given}/`).toMatch(/^\/(?!.*\/\.{1,2}\/)/);
      }),
      { numRuns: process.env.CHECK_DEEP ? 20_000 : 500 },
    );
  });
});

describe('checkParams', () => {
  const params = [
    param(path, { name: 'path' }),
    param(integer, { name: 'lines', default: '50' }),
    param(text, { name: 'note', optional: true }),
  ];

  it('fills in defaults and leaves out what is optional', () => {
    expect(checkParams(params, { path: '/srv' })).toEqual({
      ok: true,
      values: { path: '/srv', lines: '50' },
    });
  });

  it('reports everything at once', () => {
    const checked = checkParams(params, { lines: '0', nots: 'x' });

    expect(checked).toEqual({
      ok: false,
      problems: [
        '"nots" is not a parameter of this command. It takes path, lines, note.',
        'path is missing: a value.',
        'lines is not a whole number from 1 to 500.',
      ],
    });
  });

  it.each(['__proto__', 'constructor', 'toString'])('refuses the unknown parameter %s', (name) => {
    const given = JSON.parse(`{"path": "/srv", "${name}": "x"}`);

    expect(checkParams(params, given).ok).toBe(false);
  });

  it('does not take an inherited property for a value', () => {
    expect(checkParams([param(text, { name: 'constructor', optional: true })], {})).toEqual({
      ok: true,
      values: {},
    });
  });

  it('takes several values with a newline between them, each of the type', () => {
    const several = [param(path, { name: 'path', several: 2 })];

    expect(checkParams(several, { path: '/a b\n/c' })).toEqual({ ok: true, values: { path: '/a b\n/c' } });
    for (const given of ['/a\n-delete', '/a\n', '\n/a', '/a\n/b\n/c', '/a\r\n/b'])
      expect(checkParams(several, { path: given })).toEqual({
        ok: false,
        problems: [expect.stringMatching(/^path /)],
      });
    expect(checkParams(params, { path: '/a\n/b' }).ok).toBe(false);
  });

  it('refuses a value that is not text', () => {
    expect(checkParams(params, JSON.parse('{"path": ["/srv"]}')).ok).toBe(false);
  });
});
