/**
 * Claude behind the Model port: one `next` is one turn, streamed. Waiting, trying again and pauses of the service
 * are dealt with inside; what cannot be mended comes back as a problem in plain words.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientOptions } from '@anthropic-ai/sdk';
import Anthropic from '@anthropic-ai/sdk';
import type { Logger, Model, ModelAnswer, ModelInput } from '../../core/ports.ts';
import type { Usage } from '../../core/run.ts';
import type { Spoken } from './claude-answer.ts';
import { Reading, spokenBy } from './claude-answer.ts';
import { BrokenAnswer, diagnose } from './claude-problem.ts';
import { requestOf } from './claude-request.ts';
import { fetchWatchingSilence } from './claude-silence.ts';

export interface ClaudeOptions {
  readonly apiKey: string;
  /** ANTHROPIC_BASE_URL; undefined for the service itself. */
  readonly baseUrl?: string | undefined;
  readonly model: string;
  readonly maxTokens: number;
  readonly logger: Logger;
  /** Takes secrets out of the provider's error texts. */
  readonly redact?: (text: string) => string;
  /** First wait before trying again when the service names none, in ms; the next is four times as long. */
  readonly backoffMs?: number;
  /** How long a stream may say nothing, not even a ping, before it is taken for broken, in ms. */
  readonly silenceMs?: number;
}

const tries = 3;
/** All waiting of one turn together; a service that asks for more is told to people instead. */
const waitBudgetMs = 60_000;
/** Until the service begins to answer. */
const connectTimeoutMs = 120_000;
/** A turn that the service keeps pausing is not carried on for ever. */
const continuations = 4;

/** The key is passed explicitly, so the SDK never looks for credentials of its own on this machine. */
export function createClaude(options: ClaudeOptions): Model {
  const client = new Anthropic({
    apiKey: options.apiKey,
    baseURL: options.baseUrl ?? 'https://api.anthropic.com',
    webhookKey: null,
    // Tries are counted in one place, below, where a broken stream counts as one of them.
    maxRetries: 0,
    timeout: connectTimeoutMs,
    fetch: fetchWatchingSilence(options.silenceMs ?? 120_000),
    logLevel: 'warn',
    logger: sdkLogger(options.logger),
  });
  return {
    name: `Claude (${options.model})`,
    next: (input, onText, signal) => nextTurn({ client, options }, input, onText, signal),
  };
}

interface Claude {
  readonly client: Anthropic;
  readonly options: ClaudeOptions;
}

async function nextTurn(
  claude: Claude,
  input: ModelInput,
  onText: (soFar: string) => void,
  signal: AbortSignal,
): Promise<ModelAnswer> {
  const { options } = claude;
  const redact = (text: string) => (options.redact?.(text) ?? text).replaceAll(options.apiKey, '[key]');
  const meter = new Meter();
  let budgetMs = waitBudgetMs;
  for (let attempt = 1; ; attempt++) {
    if (signal.aborted) return { kind: 'aborted' };
    try {
      const spoken = await askOnce(claude, input, onText, signal, meter);
      // The rest of the answer may have been on its way already when the stop came.
      if (signal.aborted) return { kind: 'aborted' };
      return { kind: 'turn', ...spoken, usage: meter.usage };
    } catch (thrown) {
      if (signal.aborted) return { kind: 'aborted' };
      if (!isOutside(thrown)) throw thrown;
      const { problem, again, waitMs } = diagnose(thrown, { ...options, redact });
      const pauseMs = waitMs ?? (options.backoffMs ?? 2000) * 4 ** (attempt - 1) * (1 + Math.random() / 4);
      const last = !again || attempt === tries || pauseMs > budgetMs;
      logAttempt(options.logger, { attempt, last, pauseMs, thrown, problem: problem.message });
      if (last) {
        const message = attempt > 1 ? `${problem.message} Tried ${attempt} times.` : problem.message;
        return { kind: 'failed', problem: { ...problem, message }, usage: meter.usage };
      }
      budgetMs -= pauseMs;
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** One streamed turn, carried on where the service pauses it. Throws what the SDK throws, or BrokenAnswer. */
async function askOnce(
  { client, options }: Claude,
  input: ModelInput,
  onText: (soFar: string) => void,
  signal: AbortSignal,
  meter: Meter,
): Promise<Spoken> {
  let before: readonly Anthropic.ContentBlock[] = [];
  let textBefore = '';
  for (let part = 0; part < continuations; part++) {
    const reading = new Reading(textBefore);
    const stream = client.messages.stream(requestOf(input, options, before), { signal });
    for await (const event of stream) {
      meter.take(event);
      const text = reading.take(event);
      if (text !== undefined) onText(text);
    }
    // Also where an error shows that came while events were still being read.
    const message = await stream.finalMessage();
    const content = [...before, ...message.content];
    if (message.stop_reason !== 'pause_turn') {
      const unreadable = reading.unreadable(message.content);
      const spoken = spokenBy(content, message, reading.text, unreadable, options.maxTokens);
      return stream.request_id ? { ...spoken, requestId: stream.request_id } : spoken;
    }
    before = content;
    textBefore = reading.text;
  }
  throw new BrokenAnswer('paused too often');
}

/** What the service or the network did. Anything else is a bug, of a listener too, and is seen as one. */
function isOutside(thrown: unknown): boolean {
  return thrown instanceof Anthropic.AnthropicError || thrown instanceof BrokenAnswer;
}

/** Adds up what the service bills, broken streams included. */
class Meter {
  #requests = 0;
  #input = 0;
  #cached = 0;
  #output = 0;
  #outputOfThis = 0;

  take(event: Anthropic.MessageStreamEvent): void {
    if (event.type === 'message_start') {
      const { usage } = event.message;
      this.#requests += 1;
      this.#input += usage.input_tokens + (usage.cache_creation_input_tokens ?? 0);
      this.#cached += usage.cache_read_input_tokens ?? 0;
      this.#outputOfThis = usage.output_tokens;
      this.#output += usage.output_tokens;
    } else if (event.type === 'message_delta') {
      this.#output += event.usage.output_tokens - this.#outputOfThis;
      this.#outputOfThis = event.usage.output_tokens;
    }
  }

  get usage(): Usage {
    return {
      requests: this.#requests,
      inputTokens: this.#input,
      cachedTokens: this.#cached,
      outputTokens: this.#output,
    };
  }
}

function logAttempt(
  logger: Logger,
  {
    attempt,
    last,
    pauseMs,
    thrown,
    problem,
  }: {
    attempt: number;
    last: boolean;
    pauseMs: number;
    thrown: unknown;
    problem: string;
  },
): void {
  const api = thrown instanceof Anthropic.APIError ? thrown : undefined;
  const fields = { attempt, problem, status: api?.status, type: api?.type, requestId: api?.requestID };
  if (last) logger.error(fields, 'model turn failed');
  else logger.warn({ ...fields, waitMs: Math.round(pauseMs) }, 'model turn is tried again');
}

/** The SDK's default logger writes to stdout, where the MCP server speaks; its details may hold request bodies. */
function sdkLogger(logger: Logger): NonNullable<ClientOptions['logger']> {
  return {
    error: (message) => logger.error({ sdk: 'anthropic' }, message),
    warn: (message) => logger.warn({ sdk: 'anthropic' }, message),
    info: (message) => logger.info({ sdk: 'anthropic' }, message),
    debug: (message) => logger.debug({ sdk: 'anthropic' }, message),
  };
}
