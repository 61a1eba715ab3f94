/**
 * When the Messages API is slow, full, broken or will not have us: what is tried again and what people are told.
 */
import { describe, expect, it } from 'vitest';
import { problemText } from '../../../src/core/errors.ts';
import type { ModelAnswer } from '../../../src/core/ports.ts';
import { ignore, never, turn } from '../../contract/model.ts';
import { fails, says } from '../../twins/anthropic/script.ts';
import { asking, claudeOn, key } from './claude-harness.ts';

const ask = asking('How are the disks?');

function told(answer: ModelAnswer): string {
  if (answer.kind !== 'failed') throw new Error(`expected a failure, got ${JSON.stringify(answer)}`);
  return problemText(answer.problem);
}

describe('a stream that breaks off midway', () => {
  for (const how of ['cut', 'end', 'overloaded_error', 'api_error'] as const) {
    it(`is asked for again and the text starts anew (${how})`, async () => {
      let sawHalf = () => {};
      const until = new Promise<void>((resolve) => {
        sawHalf = resolve;
      });
      const { claude, twin } = await claudeOn([
        says('Half an answer', [], { hold: { after: 4, until }, drop: { after: 4, how } }),
        says('A whole answer.'),
      ]);
      const seen: string[] = [];

      const answer = turn(
        await claude.next(
          ask,
          (text) => {
            seen.push(text);
            if (text === 'Half an answer') sawHalf();
          },
          never(),
        ),
      );

      expect(answer.text).toBe('A whole answer.');
      expect(seen).toEqual(['Half an ', 'Half an answer', 'A whole ', 'A whole answer.']);
      expect(twin.requests[1]?.body).toEqual(twin.requests[0]?.body);
      expect(answer.usage.requests).toBe(2);
    });
  }

  it('is given up after three tries, and told', async () => {
    const broken = says('Half an answer', [], { drop: { after: 4, how: 'cut' } });
    const { claude, twin } = await claudeOn([broken, broken, broken, says('Too late.')]);

    const answer = await claude.next(ask, ignore, never());

    expect(told(answer)).toMatch(
      /^The connection to 127\.0\.0\.1:\d+ broke off in the middle of the answer\. Tried 3 times\. Check ANTHROPIC_BASE_URL/,
    );
    expect(twin.requests).toHaveLength(3);
  });

  it('is asked for again when it has gone silent', async () => {
    const until = new Promise<void>(() => {});
    const { claude } = await claudeOn(
      [says('Half an answer', [], { hold: { after: 4, until } }), says('A whole answer.')],
      { silenceMs: 500 },
    );

    const answer = turn(await claude.next(ask, ignore, never()));

    expect(answer.text).toBe('A whole answer.');
  });

  it('is asked for again when a call is not JSON though the turn is whole', async () => {
    const mangled = { type: 'tool_use', id: 'toolu_1', name: 'ping', input: {}, json: '{"a":' } as const;
    const { claude } = await claudeOn([
      { kind: 'turn', blocks: [mangled] },
      says('', [{ id: 'toolu_2', name: 'ping', input: {} }]),
    ]);

    const answer = turn(await claude.next(ask, ignore, never()));

    expect(answer.calls.map((c) => c.modelId)).toEqual(['toolu_2']);
  });
});

describe('an overloaded service', () => {
  it('is asked again, and the answer comes', async () => {
    const { claude, log } = await claudeOn([
      fails(529, 'Overloaded'),
      fails(500, 'oops'),
      says('Here I am.'),
    ]);

    const answer = turn(await claude.next(ask, ignore, never()));

    expect(answer.text).toBe('Here I am.');
    expect(log.map((l) => [l.level, l.message])).toEqual([
      ['warn', 'model turn is tried again'],
      ['warn', 'model turn is tried again'],
    ]);
    expect(log[0]?.fields).toMatchObject({ attempt: 1, status: 529, requestId: 'req_1' });
  });

  it('is said plainly after three tries', async () => {
    const { claude, twin, log } = await claudeOn([1, 2, 3].map(() => fails(529, 'Overloaded')));

    const answer = await claude.next(ask, ignore, never());

    expect(answer).toMatchObject({ kind: 'failed', problem: { code: 'model-overloaded' } });
    expect(told(answer)).toBe(
      'Claude is overloaded at the moment (529). Tried 3 times. Ask again in a few minutes.',
    );
    expect(twin.requests).toHaveLength(3);
    expect(log.at(-1)).toMatchObject({ level: 'error', message: 'model turn failed' });
  });
});

describe('a rate limit', () => {
  it('is waited out for as long as the service asks', async () => {
    const { claude, twin } = await claudeOn([
      fails(429, 'Slow down', { 'retry-after': '0.08' }),
      fails(429, 'Slow down', { 'retry-after-ms': '40' }),
      says('Thanks.'),
    ]);

    const answer = turn(await claude.next(ask, ignore, never()));

    const at = twin.requests.map((r) => r.at);
    expect(answer.text).toBe('Thanks.');
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(78);
    expect((at[2] ?? 0) - (at[1] ?? 0)).toBeGreaterThanOrEqual(38);
  });

  it('is told at once when the service asks for more than a minute', async () => {
    const { claude, twin } = await claudeOn([fails(429, 'Slow down', { 'retry-after': '3600' })]);

    const answer = await claude.next(ask, ignore, never());

    expect(answer).toMatchObject({ problem: { code: 'model-overloaded' } });
    expect(told(answer)).toContain('rate limit');
    expect(twin.requests).toHaveLength(1);
  });

  it('does not hold back a stop', async () => {
    const stop = new AbortController();
    const { claude } = await claudeOn([
      () => {
        setImmediate(() => stop.abort());
        return fails(429, 'Slow down', { 'retry-after': '50' });
      },
    ]);

    expect(await claude.next(ask, ignore, stop.signal)).toEqual({ kind: 'aborted' });
  });
});

describe('a request that the service will not have', () => {
  it('names ANTHROPIC_API_KEY when the key is wrong, shows no key, and is not repeated', async () => {
    const { claude, twin, log } = await claudeOn([says('never')], { apiKey: 'sk-ant-wrong' });

    const answer = await claude.next(ask, ignore, never());

    expect(answer).toMatchObject({ problem: { code: 'model-key-refused' } });
    expect(told(answer)).toBe(
      'The model key was refused (401). Check ANTHROPIC_API_KEY in .env and restart.',
    );
    expect(twin.requests).toHaveLength(1);
    expect(JSON.stringify([answer, log])).not.toContain('sk-ant');
  });

  it.each([
    [403, 'no', 'model-key-refused', /ANTHROPIC_API_KEY/],
    [402, 'pay first', 'model-failed', /no credit left/],
    [400, 'Your credit balance is too low to access the API.', 'model-failed', /no credit left/],
    [404, 'model: x', 'model-failed', /no model claude-sonnet-5-5.*CLAUDE_MODEL/],
    [400, 'prompt is too long: 1000001 tokens', 'model-failed', /Start a new thread/],
    [400, `bad thing\nwith ${key} in it`, 'model-failed', /bad thing with \[key\] in it/],
  ])('%i "%s" is told as %s', async (status, message, code, words) => {
    const { claude, twin } = await claudeOn([fails(status, message)]);

    const answer = await claude.next(ask, ignore, never());

    expect(answer).toMatchObject({ kind: 'failed', problem: { code } });
    expect(told(answer)).toMatch(words);
    expect(twin.requests).toHaveLength(1);
  });

  it("cuts the service's words and takes secrets out of them", async () => {
    const { claude } = await claudeOn([fails(400, `hunter2 ${'x'.repeat(5000)}`)], {
      redact: (text) => text.replaceAll('hunter2', '[secret]'),
    });

    const answer = told(await claude.next(ask, ignore, never()));

    expect(answer).toContain('[secret]');
    expect(answer.length).toBeLessThan(400);
  });

  it('names ANTHROPIC_BASE_URL when nobody answers there, without the password in it', async () => {
    const { claude, twin } = await claudeOn([]);
    await twin.close();
    const { claude: lost } = await claudeOn([], { baseUrl: twin.url.replace('//', '//user:hunter2@') });

    const plain = told(await claude.next(ask, ignore, never()));
    const secret = told(await lost.next(ask, ignore, never()));

    expect(plain).toMatch(
      /^The Claude API at 127\.0\.0\.1:\d+ could not be reached \(ECONNREFUSED\)\. Tried 3 times\. Check ANTHROPIC_BASE_URL/,
    );
    expect(secret).not.toContain('hunter2');
  });
});
