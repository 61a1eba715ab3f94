import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { visible } from '../../src/core/visible.ts';
import { cleanOutput, fenceOutput, foldOutput, withheld } from '../../src/whitelist/output.ts';

const result = (stdout: string, over = {}) =>
  ({ end: { kind: 'exited', code: 0 }, stdout, stderr: '', truncated: false, ms: 1, ...over }) as const;
const cleaners = { redact: (t: string) => t.replaceAll('hunter2', '[secret]'), visible };

describe('cleaning', () => {
  it('shows what is hidden and takes secrets out of both streams', async () => {
    const text = await cleanOutput(result('a\u202eb hunter2\n', { stderr: 'hunter2\n' }), cleaners);

    expect(text).toBe('a\\u202eb [secret]\n[stderr]\n[secret]');
  });

  it('finds a secret that terminal colours had split', async () => {
    expect(await cleanOutput(result('hun\x1b[31mter2'), cleaners)).toBe('[secret]');
  });

  it('withholds everything when the redactor fails', async () => {
    const broken = () => {
      throw new Error('no');
    };

    expect(await cleanOutput(result('hunter2'), { ...cleaners, redact: broken })).toBe(withheld);
  });

  it('says when the host had more', async () => {
    expect(await cleanOutput(result('a', { truncated: true }), cleaners)).toContain('output limit reached');
  });
});

describe('folding', () => {
  it('leaves a short text alone', () => {
    expect(foldOutput('a\nb', 10)).toEqual({ text: 'a\nb', folded: false });
  });

  it('tells equal lines in a row once, with their count, and leaves a few alone', () => {
    expect(foldOutput('a\nb\nb\nb\nc', 1000)).toEqual({ text: 'a\nb\nb\nb\nc', folded: false });
    expect(foldOutput(`a\n${'b\n'.repeat(900)}c`, 1000)).toEqual({
      text: 'a\nb\n[… the line above 900 times …]\nc',
      folded: true,
    });
  });

  it('names the output that has all of it', () => {
    const text = Array.from({ length: 500 }, (_, i) => `line ${i}`).join('\n');

    const { text: folded, gap } = foldOutput(text, 400, 'o0123456789ab');

    expect(folded).toMatch(/left out; read_output o0123456789ab has all of it …\]/);
    expect(gap?.lines).toBeGreaterThan(400);
  });

  it('keeps head and tail at line borders and says what is missing', () => {
    const lines = Array.from({ length: 500 }, (_, i) => `line ${i}`);

    const { text, folded } = foldOutput(lines.join('\n'), 400);

    expect(folded).toBe(true);
    expect(text).toMatch(/^line 0\n/);
    expect(text).toMatch(/line 499$/);
    expect(text).toMatch(/\n\[… \d+ lines, \d+ characters left out …\]\n/);
    for (const line of text.split('\n')) if (!line.startsWith('[')) expect(lines).toContain(line);
  });

  it('is never much longer than asked, and keeps whole characters', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 400 }),
        fc.integer({ min: 20, max: 100 }),
        (text, max) => {
          const folded = foldOutput(text, max);

          expect(folded.text.length).toBeLessThanOrEqual(max + 80);
          expect(folded.text).not.toMatch(/\p{Surrogate}/u);
        },
      ),
    );
  });
});

describe('the fence', () => {
  const label = { host: 'web-1', command: 'uptime' };

  it('labels host and command and differs each time', () => {
    const [first, second] = [fenceOutput('x', label), fenceOutput('x', label)];

    expect(first).toMatch(
      /^<output id="[\w-]{12}" host="web-1" command="uptime">\nx\n<\/output id="[\w-]{12}">$/,
    );
    expect(first).not.toBe(second);
  });

  it('cannot be closed or opened from inside', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('<', '/', 'output', 'OUTPUT', '>', ' id="', 'x', '\n')),
        (parts) => {
          const fenced = fenceOutput(parts.join(''), label);

          expect(fenced.match(/<\/?output/gi)).toHaveLength(2);
        },
      ),
    );
  });
});
