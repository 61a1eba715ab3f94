import { describe, expect, it } from 'vitest';
import { MAX_LINE_BYTES, remoteLine, requestLine, tagOf } from '../../src/whitelist/remote-line.ts';

const input = {
  script: 'true',
  args: [] as string[],
  timeoutSeconds: 5,
  maxOutputBytes: 1000,
  marker: 'ab'.repeat(16),
};

function lineOf(over: Partial<typeof input> & { path?: string }): string {
  const rendered = remoteLine({ ...input, ...over });
  if (!rendered.ok) throw new Error(rendered.reason);
  return rendered.line;
}

describe('remoteLine', () => {
  it('holds values only as base64 words, whatever they are', () => {
    const plain = lineOf({ args: ['x'] });
    const hostile = lineOf({ args: ["'; touch /tmp/x; '\n!\\`$(id)"] });

    const constant = (line: string) => line.slice(0, line.lastIndexOf(' '));
    expect(constant(hostile)).toBe(constant(plain));
    expect(hostile.slice(hostile.lastIndexOf(' ') + 1)).toMatch(/^[A-Za-z0-9+/]+$/);
  });

  it('has no character that a login shell could take for its own beyond the constant part', () => {
    expect(lineOf({ script: 'echo "!"; a\n\\b', args: ['-n', ''] })).not.toMatch(/[!\\\n;`*?<>&]/);
  });

  it('keeps the marker out of the environment of what runs', () => {
    expect(lineOf({})).not.toContain(input.marker);
    expect(tagOf(input)).toMatch(/^[0-9a-f]{16}$/);
    expect(input.marker).not.toContain(tagOf(input).slice(0, 4));
  });

  it('throws for what no caller may pass', () => {
    expect(() => lineOf({ args: ['a\0b'] })).toThrow(TypeError);
    expect(() => lineOf({ script: 'a\0b' })).toThrow(TypeError);
    expect(() => lineOf({ args: ['\ud800'] })).toThrow(TypeError);
    expect(() => lineOf({ marker: '$(id)' })).toThrow(TypeError);
    expect(() => lineOf({ timeoutSeconds: 0 })).toThrow(TypeError);
    expect(() => lineOf({ maxOutputBytes: 1.5 })).toThrow(TypeError);
  });

  it('refuses a line longer than ssh carries, with a reason', () => {
    const room = MAX_LINE_BYTES - lineOf({}).length;
    const fits = 'x'.repeat(Math.floor((room - 200) / 4) * 3);

    expect(remoteLine({ ...input, args: [fits] }).ok).toBe(true);
    expect(remoteLine({ ...input, args: [`${fits}${'x'.repeat(400)}`] })).toMatchObject({
      ok: false,
      reason: expect.stringContaining('131071'),
    });
  });

  it('refuses a PATH that a login shell could misread', () => {
    expect(remoteLine({ ...input, path: '/opt/x/bin:/usr/bin' }).ok).toBe(true);
    for (const path of ['', 'bin', '/a b', '/a;id', '/a$HOME', '/a\n/b', "/a'"]) {
      expect(remoteLine({ ...input, path }).ok).toBe(false);
    }
  });
});

describe('requestLine', () => {
  const kept = { id: 'call-1', collect: false };

  it('is one line whatever it carries, and ends with a newline', () => {
    for (const args of [['a\nb', "'\n'", ''], ['é\u0081ā'], ['\r\t\x1b']]) {
      expect(requestLine({ ...input, script: 'a\nb', args })).toMatch(/^[\x20-\x7e]+\n$/);
    }
  });

  it('gives way to a line of its own where a shell would read it slowly', () => {
    expect(requestLine({ ...input, args: ['x'.repeat(3000)] })).toBeDefined();
    expect(requestLine({ ...input, args: ['x'.repeat(5000)] })).toBeUndefined();
  });

  it('marks a kept run by its id, so that another process can find it', () => {
    const other = { ...input, marker: 'cd'.repeat(16), kept };

    expect(tagOf(other)).toBe(tagOf({ ...input, kept: { id: 'call-1', collect: true } }));
    expect(tagOf(other)).not.toBe(tagOf(input));
  });

  it('refuses an id that could be read as anything else', () => {
    for (const id of ['', '..', 'a/b', 'a b', 'A', '$x', 'x'.repeat(65)]) {
      expect(() => requestLine({ ...input, kept: { ...kept, id } })).toThrow(TypeError);
      expect(() => remoteLine({ ...input, kept: { ...kept, id } })).toThrow(TypeError);
    }
  });
});
