/**
 * The rules by which the Messages API refuses a request, as far as our requests could break them.
 */
import type Anthropic from '@anthropic-ai/sdk';

type Block = Anthropic.ContentBlockParam;

/** What the service would say to this body, or undefined when it would answer. */
export function refusalOf(body: Anthropic.MessageStreamParams, mayContinue: boolean): string | undefined {
  for (const gone of ['temperature', 'top_p', 'top_k'])
    if (gone in body) return `${gone}: this parameter is not supported`;
  if (typeof body.model !== 'string' || body.model === '') return 'model: field required';
  if (!Number.isInteger(body.max_tokens) || body.max_tokens < 1)
    return 'max_tokens: must be a positive integer';
  if (body.stream !== true) return 'stream: this twin only streams';
  if (marks(body) > 4)
    return `A maximum of 4 blocks with cache_control may be provided. Found ${marks(body)}.`;
  for (const tool of body.tools ?? []) {
    const schema = 'input_schema' in tool ? tool.input_schema : undefined;
    if (!('name' in tool) || !/^[a-zA-Z0-9_-]{1,128}$/.test(tool.name)) return 'tools: bad name';
    if (schema?.type !== 'object') return `tools.${tool.name}.input_schema.type: must be object`;
  }
  return conversationFault(body.messages, mayContinue);
}

function conversationFault(
  messages: readonly Anthropic.MessageParam[],
  mayContinue: boolean,
): string | undefined {
  if (messages.length === 0) return 'messages: at least one message is required';
  if (messages[0]?.role !== 'user') return 'messages: first message must use the "user" role';
  if (messages.at(-1)?.role === 'assistant' && !mayContinue) return 'messages: prefill is not supported';
  const used = new Set<string>();
  let open: readonly string[] = [];
  for (const [i, message] of messages.entries()) {
    if (messages[i - 1]?.role === message.role) return `messages.${i}: roles must alternate`;
    const blocks = blocksOf(message);
    if (blocks.length === 0) return `messages.${i}: content must not be empty`;
    for (const block of blocks) {
      const fault = blockFault(block, message.role);
      if (fault) return `messages.${i}: ${fault}`;
    }
    const answered = blocks.flatMap((b) => (b.type === 'tool_result' ? [b.tool_use_id] : []));
    const unanswered = open.filter((id) => !answered.includes(id));
    if (unanswered.length > 0) return `messages.${i}: tool_use without tool_result: ${unanswered.join(', ')}`;
    if (answered.some((id) => !open.includes(id)))
      return `messages.${i}: unexpected tool_use_id in tool_result`;
    if (blocks.slice(0, answered.length).some((b) => b.type !== 'tool_result') && answered.length > 0)
      return `messages.${i}: tool_result blocks must come first`;
    open = blocks.flatMap((b) => (b.type === 'tool_use' ? [b.id] : []));
    for (const id of open) {
      if (used.has(id)) return `messages.${i}: tool_use ids must be unique`;
      used.add(id);
    }
  }
  return open.length > 0 ? `tool_use without tool_result: ${open.join(', ')}` : undefined;
}

function blockFault(block: Block, role: string): string | undefined {
  switch (block.type) {
    case 'text':
      return block.text.trim() === '' ? 'text content blocks must contain non-whitespace text' : undefined;
    case 'thinking':
      if (role !== 'assistant') return 'thinking in a user message';
      if ('cache_control' in block) return 'thinking blocks cannot be cached';
      return block.signature === '' ? 'thinking.signature: invalid' : undefined;
    case 'tool_use': {
      if (role !== 'assistant') return 'tool_use in a user message';
      const { input } = block;
      if (input === null || typeof input !== 'object' || Array.isArray(input))
        return 'tool_use.input: must be an object';
      return /^[a-zA-Z0-9_-]+$/.test(block.id) ? undefined : 'tool_use.id: bad characters';
    }
    case 'tool_result':
      return role === 'user' ? undefined : 'tool_result in an assistant message';
    default:
      return undefined;
  }
}

function blocksOf(message: Anthropic.MessageParam): readonly Block[] {
  return typeof message.content === 'string' ? [{ type: 'text', text: message.content }] : message.content;
}

function marks(value: unknown): number {
  if (value === null || typeof value !== 'object') return 0;
  const here = 'cache_control' in value && value.cache_control ? 1 : 0;
  return here + Object.values(value).reduce<number>((sum, member) => sum + marks(member), 0);
}
