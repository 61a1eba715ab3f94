/**
 * What the twin of the Messages API answers, request by request, and the server-sent events a turn is made of.
 * Events are built in the SDK's own types, so that the twin cannot drift from them unnoticed.
 */
import type Anthropic from '@anthropic-ai/sdk';

type TwinBlock =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'thinking'; readonly thinking: string; readonly signature: string }
  /** `json` replaces the input's text, for calls that are cut or mangled. */
  | {
      readonly type: 'tool_use';
      readonly id: string;
      readonly name: string;
      readonly input: object;
      readonly json?: string;
    };

export interface TwinTurn {
  readonly kind: 'turn';
  readonly blocks: readonly TwinBlock[];
  /** `tool_use` or `end_turn` when left out, by whether there are calls. */
  readonly stop?: Anthropic.StopReason;
  readonly category?: Anthropic.RefusalStopDetails['category'];
  readonly usage?: Partial<Anthropic.Usage>;
  /** After so many events the stream waits for `until`. */
  readonly hold?: { readonly after: number; readonly until: Promise<void> };
  /** After so many events the stream breaks: the socket is cut, ends early but in order, or an error event comes. */
  readonly drop?: { readonly after: number; readonly how: 'cut' | 'end' | Anthropic.ErrorType };
}

export interface TwinError {
  readonly kind: 'error';
  readonly status: number;
  readonly type: Anthropic.ErrorType;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export type TwinStep = TwinTurn | TwinError;

/** A turn that says this and calls these. */
export function says(
  text: string,
  calls: readonly { readonly id: string; readonly name: string; readonly input: object }[] = [],
  more: Omit<Partial<TwinTurn>, 'kind' | 'blocks'> = {},
): TwinTurn {
  const said: TwinBlock[] = text === '' ? [] : [{ type: 'text', text }];
  return {
    kind: 'turn',
    blocks: [...said, ...calls.map((c): TwinBlock => ({ type: 'tool_use', ...c }))],
    ...more,
  };
}

const types: Readonly<Record<number, Anthropic.ErrorType>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
  500: 'api_error',
  529: 'overloaded_error',
};

/** An answer with an error status and the service's error body. */
export function fails(
  status: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): TwinError {
  return { kind: 'error', status, type: types[status] ?? 'api_error', message, headers };
}

/** The events of a turn, in order, without pings. */
export function eventsOf(turn: TwinTurn, model: string, n: number): Anthropic.RawMessageStreamEvent[] {
  const usage = { ...nothing, ...turn.usage };
  const stop = turn.stop ?? (turn.blocks.some((b) => b.type === 'tool_use') ? 'tool_use' : 'end_turn');
  const message: Anthropic.Message = {
    id: `msg_${n}`,
    type: 'message',
    role: 'assistant',
    container: null,
    content: [],
    diagnostics: null,
    model,
    stop_details: null,
    stop_reason: null,
    stop_sequence: null,
    usage: { ...usage, output_tokens: 1 },
  };
  return [
    { type: 'message_start', message },
    ...turn.blocks.flatMap(blockEvents),
    {
      type: 'message_delta',
      delta: {
        container: null,
        stop_details:
          stop === 'refusal' ? { type: 'refusal', category: turn.category ?? null, explanation: null } : null,
        stop_reason: stop,
        stop_sequence: null,
      },
      usage: {
        cache_creation_input_tokens: usage.cache_creation_input_tokens,
        cache_read_input_tokens: usage.cache_read_input_tokens,
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        output_tokens_details: null,
        server_tool_use: null,
      },
    },
    { type: 'message_stop' },
  ];
}

const nothing: Anthropic.Usage = {
  cache_creation: null,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
  inference_geo: null,
  input_tokens: 10,
  output_tokens: 5,
  output_tokens_details: null,
  server_tool_use: null,
  service_tier: 'standard',
  speed: null,
};

function blockEvents(block: TwinBlock, index: number): Anthropic.RawMessageStreamEvent[] {
  return [
    { type: 'content_block_start', index, content_block: opening(block) },
    ...deltas(block).map((delta) => ({ type: 'content_block_delta' as const, index, delta })),
    { type: 'content_block_stop', index },
  ];
}

function opening(block: TwinBlock): Anthropic.RawContentBlockStartEvent['content_block'] {
  switch (block.type) {
    case 'text':
      return { type: 'text', text: '', citations: null };
    case 'thinking':
      return { type: 'thinking', thinking: '', signature: '' };
    case 'tool_use':
      return { type: 'tool_use', id: block.id, name: block.name, input: {}, caller: { type: 'direct' } };
    default:
      return block satisfies never;
  }
}

function deltas(block: TwinBlock): Anthropic.RawContentBlockDelta[] {
  switch (block.type) {
    case 'text':
      return pieces(block.text).map((text) => ({ type: 'text_delta', text }));
    case 'thinking':
      return [
        ...pieces(block.thinking).map((thinking) => ({
          type: 'thinking_delta' as const,
          thinking,
          estimated_tokens: null,
        })),
        ...(block.signature ? [{ type: 'signature_delta' as const, signature: block.signature }] : []),
      ];
    case 'tool_use':
      return pieces(block.json ?? JSON.stringify(block.input)).map((partial_json) => ({
        type: 'input_json_delta',
        partial_json,
      }));
    default:
      return block satisfies never;
  }
}

function pieces(text: string): string[] {
  return text.match(/[\s\S]{1,8}/g) ?? [];
}
