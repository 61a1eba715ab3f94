/**
 * Reads one streamed message of the Messages API into text, calls and the provider's own blocks, and says plainly
 * why the model stopped when it was not because it was done.
 */
import type Anthropic from '@anthropic-ai/sdk';
import type { Json, JsonObject } from '../../core/json.ts';
import type { ModelCall } from '../../core/ports.ts';
import { BrokenAnswer } from './claude-problem.ts';

type Block = Anthropic.ContentBlock;

export interface Spoken {
  readonly text: string;
  readonly calls: readonly ModelCall[];
  readonly raw?: Json;
  readonly note?: string;
  readonly requestId?: string;
}

/** Collects what the stream's finished message no longer tells: the text as it grows and the calls' JSON as sent. */
export class Reading {
  readonly #texts: string[];
  readonly #json = new Map<number, string>();
  #at = -1;

  constructor(before = '') {
    this.#texts = before ? [before] : [];
  }

  /** Takes one event; returns the whole text so far when it grew. */
  take(event: Anthropic.MessageStreamEvent): string | undefined {
    if (event.type !== 'content_block_delta') return undefined;
    if (event.delta.type === 'input_json_delta') {
      this.#json.set(event.index, (this.#json.get(event.index) ?? '') + event.delta.partial_json);
      return undefined;
    }
    if (event.delta.type !== 'text_delta' || event.delta.text === '') return undefined;
    if (this.#at !== event.index) this.#texts.push('');
    this.#at = event.index;
    this.#texts.push((this.#texts.pop() ?? '') + event.delta.text);
    return this.text;
  }

  get text(): string {
    return this.#texts.filter((t) => t !== '').join('\n\n');
  }

  /** Marks the tool calls of the finished message whose input is not one whole JSON object. */
  unreadable(content: readonly Block[]): ReadonlySet<string> {
    const broken = content.filter((b, i) => b.type === 'tool_use' && !isObject(this.#parsed(b, i)));
    return new Set(broken.flatMap((b) => (b.type === 'tool_use' ? [b.id] : [])));
  }

  #parsed(block: Anthropic.ToolUseBlock, index: number): unknown {
    const text = this.#json.get(index);
    if (text === undefined || text.trim() === '') return block.input;
    try {
      return JSON.parse(text);
    } catch {
      return undefined;
    }
  }
}

/** What the finished turn amounts to. Throws BrokenAnswer when it makes no sense and is worth asking for again. */
export function spokenBy(
  content: readonly Block[],
  stop: Pick<Anthropic.Message, 'stop_reason' | 'stop_details'>,
  text: string,
  unreadable: ReadonlySet<string>,
  maxTokens: number,
): Spoken {
  switch (stop.stop_reason) {
    case 'end_turn':
    case 'tool_use':
    case 'stop_sequence':
      if (unreadable.size > 0) throw new BrokenAnswer('a call whose input is not JSON');
      return { text, ...blocksOf(content, unreadable) };
    case 'max_tokens':
      return {
        text,
        ...blocksOf(content, unreadable),
        note: `The answer was cut at the limit of ${maxTokens} tokens. Raise MAX_TOKENS, or ask for less at once.`,
      };
    case 'model_context_window_exceeded':
      return {
        text,
        calls: [],
        note: "This conversation no longer fits the model's context window. Start a new thread.",
      };
    case 'refusal':
      // The refused words are not sent back: with them in the history the next question is refused as well.
      return { text, calls: [], note: refusalNote(stop.stop_details?.category ?? undefined) };
    default:
      throw new BrokenAnswer('no reason why it stopped');
  }
}

function blocksOf(content: readonly Block[], unreadable: ReadonlySet<string>): Pick<Spoken, 'calls' | 'raw'> {
  const whole = content.filter((block) => isWhole(block, unreadable));
  const calls = whole.flatMap((block) =>
    block.type === 'tool_use'
      ? [{ modelId: block.id, tool: block.name, args: plain(block.input) as JsonObject }]
      : [],
  );
  const raw = plain(whole) as Json;
  return whole.length > 0 ? { calls, raw } : { calls };
}

/** Blocks the service would refuse to read back: empty text, thinking cut before its signature, half a call. */
function isWhole(block: Block, unreadable: ReadonlySet<string>): boolean {
  if (block.type === 'text') return block.text.trim() !== '';
  if (block.type === 'thinking') return block.signature !== '';
  return block.type !== 'tool_use' || !unreadable.has(block.id);
}

function refusalNote(category: string | undefined): string {
  const named = category ? ` (category: ${category})` : '';
  const hint =
    category === 'cyber'
      ? ' Ordinary operations work can set off this safety filter.'
      : ' Ordinary operations work can set off its safety filters, the `cyber` category above all.';
  return `Claude declined to go on with this request${named}.${hint} Put it in other words, or name the command to run.`;
}

function isObject(value: unknown): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** A plain copy: the SDK's blocks carry getters and hidden members. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
