/**
 * Turns what the agent loop remembers into a request of the Messages API: roles alternate, each call is answered by
 * its result, and the cache marks stand where the next request finds the same prefix again.
 */
import type Anthropic from '@anthropic-ai/sdk';
import type { ModelInput, ModelMessage, ToolSpec } from '../../core/ports.ts';

type Block = Anthropic.ContentBlockParam;
interface Turn {
  readonly role: 'user' | 'assistant';
  readonly content: readonly Block[];
}

const cacheMark: Anthropic.CacheControlEphemeral = { type: 'ephemeral' };

/**
 * The parameters of one `messages.stream`. `unfinished` is what the model said before it paused in this very turn.
 * At most four cache marks: tools, system, and the last two turns of people, so that a turn with many results still
 * finds what the request before it had cached.
 */
export function requestOf(
  input: ModelInput,
  options: { readonly model: string; readonly maxTokens: number },
  unfinished: readonly Anthropic.ContentBlock[] = [],
): Anthropic.MessageStreamParams {
  const turns = answerEveryCall(merge(input.messages.map(turnOf)));
  const messages: Anthropic.MessageParam[] = markLastTurns(turns);
  if (unfinished.length > 0)
    messages.push({ role: 'assistant', content: unfinished as Anthropic.ContentBlockParam[] });
  return {
    model: options.model,
    max_tokens: options.maxTokens,
    ...(input.system.trim()
      ? { system: [{ type: 'text', text: input.system, cache_control: cacheMark }] }
      : {}),
    ...(input.tools.length > 0 ? { tools: toolsOf(input.tools) } : {}),
    messages,
  };
}

function toolsOf(tools: readonly ToolSpec[]): Anthropic.Tool[] {
  return tools.map((tool, i) => ({
    name: tool.name,
    description: tool.description,
    input_schema: { ...tool.inputSchema, type: 'object' },
    ...(i === tools.length - 1 ? { cache_control: cacheMark } : {}),
  }));
}

function turnOf(message: ModelMessage): Turn {
  switch (message.role) {
    case 'person':
      return {
        role: 'user',
        content: [{ type: 'text', text: message.text.trim() ? message.text : '(no text)' }],
      };
    case 'agent':
      return { role: 'assistant', content: spoken(message) };
    case 'results':
      return {
        role: 'user',
        content: message.results.map((r) => ({
          type: 'tool_result',
          tool_use_id: r.callId,
          content: r.text.trim() ? r.text : '(no output)',
          ...(r.isError ? { is_error: true } : {}),
        })),
      };
    default:
      return message satisfies never;
  }
}

/** The provider's own blocks go back as they came: a signature covers them. Another model's words are written anew. */
function spoken({ text, calls, raw }: Extract<ModelMessage, { role: 'agent' }>): readonly Block[] {
  if (Array.isArray(raw)) return raw as unknown as readonly Block[];
  return [
    ...(text.trim() ? [{ type: 'text' as const, text }] : []),
    ...calls.map((c): Block => ({ type: 'tool_use', id: c.modelId, name: c.tool, input: c.args })),
  ];
}

function merge(turns: readonly Turn[]): readonly Turn[] {
  const merged: Turn[] = [];
  for (const turn of turns) {
    if (turn.content.length === 0) continue;
    const before = merged.at(-1);
    if (before?.role === turn.role)
      merged[merged.length - 1] = { role: turn.role, content: [...before.content, ...turn.content] };
    else merged.push(turn);
  }
  return merged;
}

/** One call without its result, or a result without its call, and the whole conversation is refused from then on. */
function answerEveryCall(turns: readonly Turn[]): readonly Turn[] {
  const answered: Turn[] = [];
  let open: readonly string[] = [];
  for (const turn of turns) {
    if (turn.role === 'user') answered.push({ role: 'user', content: withResults(turn.content, open) });
    else {
      if (answered.length === 0) answered.push(missing);
      answered.push(turn);
    }
    open = turn.role === 'user' ? [] : turn.content.flatMap((b) => (b.type === 'tool_use' ? [b.id] : []));
  }
  if (answered.at(-1)?.role === 'assistant')
    answered.push({ role: 'user', content: open.length > 0 ? withResults([], open) : goOn });
  return answered.length > 0 ? answered : [missing];
}

/** The service takes no conversation that ends with its own words. */
const goOn: readonly Block[] = [{ type: 'text', text: 'Go on.' }];
const missing: Turn = { role: 'user', content: [{ type: 'text', text: '(no text)' }] };

/** Results first, in the order of their calls, then what people said. */
function withResults(content: readonly Block[], open: readonly string[]): readonly Block[] {
  const results = open.map(
    (id): Block =>
      content.find((b) => b.type === 'tool_result' && b.tool_use_id === id) ?? {
        type: 'tool_result',
        tool_use_id: id,
        content: 'No result was recorded.',
        is_error: true,
      },
  );
  const rest = content.filter((b) => b.type !== 'tool_result');
  return results.length + rest.length > 0 ? [...results, ...rest] : missing.content;
}

function markLastTurns(turns: readonly Turn[]): Anthropic.MessageParam[] {
  const people = turns.flatMap((t, i) => (t.role === 'user' ? [i] : [])).slice(-2);
  return turns.map(({ role, content }, i) => ({
    role,
    content: content.map((block, at) =>
      people.includes(i) &&
      at === content.length - 1 &&
      (block.type === 'text' || block.type === 'tool_result')
        ? { ...block, cache_control: cacheMark }
        : block,
    ),
  }));
}
