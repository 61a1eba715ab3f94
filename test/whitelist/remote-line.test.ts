import { describe, expect, it } from 'vitest';
import { callTag, MAX_LINE_BYTES, remoteLine } from '../../src/whitelist/remote-line.ts';

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
    expect(hostile.slice(hostile.lastIndexOf(' ') + 1)).toMatch(/^_[A-Za-z0-9+/]+=*$/);
  });

  it('has no character that a login shell could take for its own beyond the constant part', () => {
    expect(lineOf({ script: 'echo "!"; a\n\\b', args: ['-n', ''] })).not.toMatch(/[!\\\n;`*?<>&]/);
  });

  it('keeps the marker out of the environment of what runs', () => {
    const line = lineOf({});

    expect(line).toContain(`OPSAGENT_CALL=${callTag(input.marker)}`);
    expect(line).not.toContain(input.marker);
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
