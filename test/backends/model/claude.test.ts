/**
 * Claude through the real SDK against the twin of the Messages API: one turn, streamed, stopped, cut, refused.
 */
import { describe, expect, it } from 'vitest';
import { createClaude } from '../../../src/backends/model/claude.ts';
import { ignore, modelContract, never, turn, withResults } from '../../contract/model.ts';
import { says } from '../../twins/anthropic/script.ts';
import { startAnthropicTwin } from '../../twins/anthropic/twin.ts';
import { asking, claudeOn, key, recordingLogger } from './claude-harness.ts';

const ping = { id: 'toolu_1', name: 'ping', input: {} };
const checkDisk = { id: 'toolu_2', name: 'check_disk', input: { host: 'web-1' } };
const twoCalls = [ping, checkDisk];

modelContract({
  name: 'Claude',
  async create() {
    let n = 0;
    const twin = await startAnthropicTwin(
      ({ body }) => {
        n += 1;
        return JSON.stringify(body.messages.at(-1)).includes('tool_result')
          ? says('The disks have room enough for today.')
          : says('I will look at the disks now.', [{ id: `toolu_${n}`, name: 'check_disk', input: {} }]);
      },
      { key },
    );
    return {
      model: createClaude({
        apiKey: key,
        baseUrl: twin.url,
        model: 'claude-sonnet-5-5',
        maxTokens: 1000,
        logger: recordingLogger(),
      }),
      ask: asking('How full are the disks?'),
      close: twin.close,
    };
  },
});

describe('a turn of Claude', () => {
  it('comes as streamed text and two parallel calls', async () => {
    const { claude, twin } = await claudeOn([says('Looking at both hosts.', twoCalls)]);
    const seen: string[] = [];

    const answer = turn(await claude.next(asking('Are they up?'), (text) => seen.push(text), never()));

    expect(seen).toEqual(['Looking ', 'Looking at both ', 'Looking at both hosts.']);
    expect(answer.calls).toEqual([
      { modelId: 'toolu_1', tool: 'ping', args: {} },
      { modelId: 'toolu_2', tool: 'check_disk', args: { host: 'web-1' } },
    ]);
    expect(answer.note).toBeUndefined();
    expect(claude.name).toBe('Claude (claude-sonnet-5-5)');
    expect(twin.requests[0]?.headers.authorization).toBe(`Bearer ${key}`);
    expect(twin.requests[0]?.body).toMatchObject({
      model: 'claude-sonnet-5-5',
      max_tokens: 4096,
      stream: true,
    });
  });

  it('counts cache writes as input and cache reads apart', async () => {
    const usage = {
      input_tokens: 7,
      cache_creation_input_tokens: 100,
      cache_read_input_tokens: 900,
      output_tokens: 42,
    };
    const { claude } = await claudeOn([says('Fine.', [], { usage })]);

    const answer = turn(await claude.next(asking('How are you?'), ignore, never()));

    expect(answer.usage).toEqual({ requests: 1, inputTokens: 107, cachedTokens: 900, outputTokens: 42 });
  });

  it('sends its thinking back unchanged, signature and all', async () => {
    const thinking = { type: 'thinking', thinking: 'The person wants both.', signature: 'c2lnbmVk' } as const;
    const { claude, twin } = await claudeOn([
      {
        kind: 'turn',
        blocks: [thinking, { type: 'text', text: 'Both, then.' }, { type: 'tool_use', ...ping }],
      },
      says('Done.'),
    ]);
    const ask = asking('Look at both.');

    const first = turn(await claude.next(ask, ignore, never()));
    await claude.next(withResults(ask, first), ignore, never());

    expect(first.text).toBe('Both, then.');
    expect(twin.requests[1]?.body.messages[1]).toEqual({
      role: 'assistant',
      content: [
        thinking,
        { type: 'text', text: 'Both, then.', citations: null },
        { type: 'tool_use', id: 'toolu_1', name: 'ping', input: {}, caller: { type: 'direct' } },
      ],
    });
  });

  it('separates paragraphs that it spoke around its thinking', async () => {
    const blocks = [
      { type: 'text', text: 'First.' },
      { type: 'thinking', thinking: 'hm', signature: 's' },
      { type: 'text', text: 'Second.' },
    ] as const;
    const { claude } = await claudeOn([{ kind: 'turn', blocks }]);

    expect(turn(await claude.next(asking('Say two.'), ignore, never())).text).toBe('First.\n\nSecond.');
  });

  it('goes on by itself where the service pauses the turn', async () => {
    const { claude, twin } = await claudeOn([
      says('Half of', [], { stop: 'pause_turn' }),
      says('the answer.'),
    ]);

    const answer = turn(await claude.next(asking('Go on.'), ignore, never()));

    expect(answer.text).toBe('Half of\n\nthe answer.');
    expect(answer.usage.requests).toBe(2);
    expect(twin.requests[1]?.body.messages.at(-1)).toMatchObject({ role: 'assistant' });
  });

  it('says that it was cut at MAX_TOKENS, keeps the whole call and leaves the unfinished one out', async () => {
    const { claude, twin } = await claudeOn([
      {
        kind: 'turn',
        stop: 'max_tokens',
        blocks: [
          { type: 'text', text: 'Both.' },
          { type: 'tool_use', ...ping },
          { type: 'tool_use', ...checkDisk, json: '{"host":"we' },
        ],
      },
      says('Done.'),
    ]);
    const ask = asking('Look at both.');

    const answer = turn(await claude.next(ask, ignore, never()));
    const after = await claude.next(withResults(ask, answer), ignore, never());

    expect(answer.note).toBe(
      'The answer was cut at the limit of 4096 tokens. Raise MAX_TOKENS, or ask for less at once.',
    );
    expect(answer.calls.map((c) => c.modelId)).toEqual(['toolu_1']);
    expect(JSON.stringify(twin.requests[1]?.body)).not.toContain('toolu_2');
    expect(after.kind).toBe('turn');
  });

  it('can be gone on from after it was cut in its thinking', async () => {
    const { claude } = await claudeOn([
      { kind: 'turn', stop: 'max_tokens', blocks: [{ type: 'thinking', thinking: 'Let me', signature: '' }] },
      says('Here.'),
    ]);
    const ask = asking('Think.');

    const cut = turn(await claude.next(ask, ignore, never()));
    const messages = [...withResults(ask, cut).messages, { role: 'person', text: 'And?' } as const];
    const after = turn(await claude.next({ ...ask, messages }, ignore, never()));

    expect(cut.raw).toBeUndefined();
    expect(after.text).toBe('Here.');
  });

  it('says plainly that it declined, and that ordinary operations work can set off the cyber filter', async () => {
    const { claude } = await claudeOn([says('I will', twoCalls, { stop: 'refusal', category: 'cyber' })]);

    const answer = turn(await claude.next(asking('List the open ports.'), ignore, never()));

    expect(answer.note).toContain('Claude declined to go on with this request (category: cyber).');
    expect(answer.note).toContain('Ordinary operations work can set off this safety filter.');
    expect(answer.calls).toEqual([]);
    expect(answer.raw).toBeUndefined();
  });

  it('names no category where the service names none, and still mentions cyber', async () => {
    const { claude } = await claudeOn([says('', [], { stop: 'refusal' })]);

    const answer = turn(await claude.next(asking('Hm.'), ignore, never()));

    expect(answer.note).toContain('`cyber`');
    expect(answer.note).not.toContain('category:');
  });

  it('asks for a new thread when the context window is full, and calls nothing more', async () => {
    const { claude } = await claudeOn([says('So', twoCalls, { stop: 'model_context_window_exceeded' })]);

    const answer = turn(await claude.next(asking('All of it.'), ignore, never()));

    expect(answer.note).toContain('Start a new thread.');
    expect(answer.calls).toEqual([]);
  });

  it('ends at once when it is stopped in the middle of the stream', async () => {
    let release = () => {};
    const until = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { claude } = await claudeOn([
      says('This would go on for long.', twoCalls, { hold: { after: 4, until } }),
    ]);
    const stop = new AbortController();
    const seen: string[] = [];

    const answer = await claude.next(
      asking('Tell me all.'),
      (text) => {
        seen.push(text);
        if (seen.length === 2) stop.abort();
      },
      stop.signal,
    );
    release();

    expect(answer).toEqual({ kind: 'aborted' });
    expect(seen.at(-1)).toBe('This would go on');
  });

  it('shows a bug in its listener instead of asking again', async () => {
    const { claude, twin } = await claudeOn([says('Hello there.')]);
    const broken = () => {
      throw new RangeError('a bug');
    };

    await expect(claude.next(asking('Hi.'), broken, never())).rejects.toThrow('a bug');
    expect(twin.requests).toHaveLength(1);
  });

  it('writes nothing to stdout', async () => {
    const written: unknown[] = [];
    const write = process.stdout.write;
    process.stdout.write = ((chunk: unknown) => written.push(chunk) > 0) as typeof write;
    try {
      const { claude } = await claudeOn([says('Quiet.')]);
      await claude.next(asking('Hush.'), ignore, never());
    } finally {
      process.stdout.write = write;
    }

    expect(written).toEqual([]);
  });
});
