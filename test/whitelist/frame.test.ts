import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFrame } from '../../src/whitelist/frame.ts';

const MARKER = '0123456789abcdef0123456789abcdef';

function read(stream: Buffer, cuts: readonly number[] = [], limit = 1000) {
  const frame = createFrame(MARKER, limit);
  let from = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    frame.push(stream.subarray(from, cut));
    from = Math.max(from, cut);
  }
  frame.push(stream.subarray(from));
  return { frame, body: frame.body() };
}

describe('frame', () => {
  it('gives the same body, group and status however the stream is cut', () => {
    const part = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      // Text that nearly is a marker must come through as it is.
      fc.nat(MARKER.length).map((n) => Buffer.from(MARKER.slice(0, n))),
      fc
        .constantFrom(MARKER, `${MARKER} exit x\n`, `${MARKER} start 5\n`, `OPSAGENT=${MARKER}\n`)
        .map(Buffer.from),
    );
    fc.assert(
      fc.property(part, part, part, fc.array(fc.nat(300)), (noise, before, after, cuts) => {
        fc.pre(!noise.includes(`${MARKER} start`));
        const stream = Buffer.concat([
          noise,
          Buffer.from(`${MARKER} start 4711\n`),
          before,
          Buffer.from(`${MARKER} exit 7\n`),
          after,
        ]);

        const { frame, body } = read(stream, cuts);

        expect(body.toString('latin1')).toBe(Buffer.concat([before, after]).toString('latin1'));
        expect([frame.group, frame.status]).toEqual([4711, 7]);
      }),
      { numRuns: 300 },
    );
  });

  it('takes the end line out and says so', () => {
    const { frame, body } = read(Buffer.from(`${MARKER} start\nabc${MARKER} end\n`), [40, 41, 60]);

    expect([frame.ended, body.toString()]).toEqual([true, 'abc']);
  });

  it('keeps nothing and says so when the start line never comes', () => {
    const { frame, body } = read(Buffer.from(`Welcome!\n${MARKER} exit 0\n${MARKER} nothing`));

    expect([frame.started, frame.status, body.length]).toEqual([false, undefined, 0]);
  });

  it('keeps at most the limit and says that there was more', () => {
    const frame = createFrame(MARKER, 10);
    frame.push(Buffer.from(`${MARKER} start 1\n0123456789`));
    expect(frame.truncated).toBe(false);

    frame.push(Buffer.from(`x${MARKER} exit 0\n`));

    expect([frame.truncated, frame.status, frame.body().toString()]).toEqual([true, 0, '0123456789']);
  });

  it('holds little memory while a host sends without end', () => {
    const frame = createFrame(MARKER, 1000);
    frame.push(Buffer.from(`${MARKER} start 1\n`));
    const chunk = Buffer.alloc(1_000_000, 'x');
    const before = process.memoryUsage().arrayBuffers;

    for (let n = 0; n < 200; n++) frame.push(chunk);

    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000);
    expect(frame.body().length).toBe(1000);
  });
});
