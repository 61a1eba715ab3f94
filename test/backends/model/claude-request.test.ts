/**
 * What is sent to the Messages API: the cached prefix, and conversations of every shape in roles that alternate.
 */
import type Anthropic from '@anthropic-ai/sdk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { requestOf } from '../../../src/backends/model/claude-request.ts';
import type { ModelMessage } from '../../../src/core/ports.ts';
import { ignore, never, turn, withResults } from '../../contract/model.ts';
import { refusalOf } from '../../twins/anthropic/check.ts';
import { says } from '../../twins/anthropic/script.ts';
import { asking, claudeOn } from './claude-harness.ts';

const options = { model: 'claude-sonnet-5-5', maxTokens: 1000 };

function unmarked(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, member) => (key === 'cache_control' ? undefined : member)));
}

function marked(messages: readonly Anthropic.MessageParam[]): string[] {
  return messages.flatMap((m, i) =>
    (m.content as Anthropic.ContentBlockParam[]).flatMap((b, at) =>
      'cache_control' in b ? [`${i}.${at}`] : [],
    ),
  );
}

describe('the cached prefix', () => {
  it('is marked on the last tool, the system text and the last two turns of people', () => {
    const { system, tools, messages } = requestOf(
      asking('One.', { role: 'agent', text: 'Two.', calls: [] }, 'Three.', 'Four.'),
      options,
    );

    expect(system).toEqual([
      { type: 'text', text: 'You look after servers.', cache_control: { type: 'ephemeral' } },
    ]);
    expect(tools?.map((t) => 'cache_control' in t)).toEqual([false, true]);
    expect(marked(messages)).toEqual(['0.0', '2.1']);
  });

  it('stays the same byte for byte over the turns of a run, and each mark is found again by the next request', async () => {
    const step = (n: number) => says(`Step ${n}.`, [{ id: `toolu_${n}`, name: 'ping', input: { n } }]);
    const { claude, twin } = await claudeOn([step(1), step(2), step(3), says('Done.')]);
    let input = asking('Investigate.');
    for (let answer = turn(await claude.next(input, ignore, never())); answer.calls.length > 0; ) {
      input = withResults(input, answer);
      answer = turn(await claude.next(input, ignore, never()));
    }

    const bodies = twin.requests.map((r) => r.body);
    expect(bodies).toHaveLength(4);
    for (const [i, body] of bodies.entries()) {
      const next = bodies[i + 1];
      if (!next) break;
      expect(JSON.stringify([next.tools, next.system])).toBe(JSON.stringify([body.tools, body.system]));
      const kept = JSON.stringify(unmarked(body.messages));
      expect(JSON.stringify(unmarked(next.messages.slice(0, body.messages.length)))).toBe(kept);
      expect(marked(next.messages)).toContain(marked(body.messages).at(-1));
    }
  });
});

describe('a conversation as it is sent', () => {
  it('answers calls in their order, then lets people speak, in one turn', () => {
    const { messages } = requestOf(
      asking(
        'Look.',
        {
          role: 'agent',
          text: 'Looking.',
          calls: [
            { modelId: 'a', tool: 'ping', args: {} },
            { modelId: 'b', tool: 'ping', args: { message: 'hi' } },
          ],
        },
        {
          role: 'results',
          results: [
            { callId: 'b', text: 'denied', isError: true },
            { callId: 'a', text: '', isError: false },
          ],
        },
        'And the other one?',
        'Please.',
      ),
      options,
    );

    expect(unmarked(messages.slice(1))).toEqual([
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'Looking.' },
          { type: 'tool_use', id: 'a', name: 'ping', input: {} },
          { type: 'tool_use', id: 'b', name: 'ping', input: { message: 'hi' } },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'a', content: '(no output)' },
          { type: 'tool_result', tool_use_id: 'b', content: 'denied', is_error: true },
          { type: 'text', text: 'And the other one?' },
          { type: 'text', text: 'Please.' },
        ],
      },
    ]);
  });

  it('sends no tools and no system text where there are none', () => {
    const request = requestOf({ ...asking('Hi.'), system: '', tools: [] }, options);

    expect(Object.keys(request).sort()).toEqual(['max_tokens', 'messages', 'model']);
  });

  it('is one that the service accepts, whatever the messages are', () => {
    const text = fc.constantFrom('', ' ', 'word', 'two words');
    const callId = fc.constantFrom('a', 'b', 'c', 'd');
    const message: fc.Arbitrary<ModelMessage> = fc.oneof(
      fc.record({ role: fc.constant('person' as const), text }),
      fc.record({
        role: fc.constant('results' as const),
        results: fc.array(fc.record({ callId, text, isError: fc.boolean() }), { maxLength: 3 }),
      }),
      fc.record({ role: fc.constant('agent' as const), text, calls: fc.constant([]) }),
      fc.record({
        role: fc.constant('agent' as const),
        text,
        calls: fc.uniqueArray(
          fc.record({ modelId: fc.uuid(), tool: fc.constant('ping'), args: fc.constant({}) }),
          { maxLength: 3, selector: (c) => c.modelId },
        ),
      }),
    );

    fc.assert(
      fc.property(fc.array(message, { maxLength: 8 }), (messages) => {
        const request = requestOf({ ...asking(), messages }, options);
        expect(refusalOf({ ...request, stream: true }, false)).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });
});
