/**
 * What went wrong at the Messages API, in words for people, and whether trying again can help.
 * No message holds the key: the provider's own words are redacted and cut before they are passed on.
 */
import { APIConnectionError, APIConnectionTimeoutError, APIError } from '@anthropic-ai/sdk';
import type { Problem } from '../../core/errors.ts';

export interface Diagnosis {
  readonly problem: Problem;
  readonly again: boolean;
  /** How long the service asked us to wait, in ms. */
  readonly waitMs?: number;
}

/** The answer came whole and makes no sense; the message says what is wrong with it. */
export class BrokenAnswer extends Error {}

export interface Service {
  readonly model: string;
  /** Set when ANTHROPIC_BASE_URL points somewhere else. */
  readonly baseUrl?: string | undefined;
  readonly redact: (text: string) => string;
}

/** Names the problem that a throw of the SDK stands for. */
export function diagnose(thrown: unknown, service: Service): Diagnosis {
  if (thrown instanceof APIConnectionError) return unreachable(thrown, service);
  if (thrown instanceof BrokenAnswer) return unreadable(thrown);
  if (!(thrown instanceof APIError)) return brokenOff(service);
  const waitMs = waitOf(thrown.headers);
  const asked = thrown.headers?.get('x-should-retry');
  const { problem, again } = refused(thrown, service);
  return {
    problem,
    again: asked === 'true' || (again && asked !== 'false'),
    ...(waitMs === undefined ? {} : { waitMs }),
  };
}

function refused(error: APIError, service: Service): Diagnosis {
  const { status, type } = error;
  const said = error.apiMessage ?? '';
  if (status === 529 || type === 'overloaded_error')
    return {
      problem: {
        code: 'model-overloaded',
        message: 'Claude is overloaded at the moment (529).',
        remedy: 'Ask again in a few minutes.',
      },
      again: true,
    };
  if (status === 429 || type === 'rate_limit_error')
    return {
      problem: {
        code: 'model-overloaded',
        message: "The rate limit of this Anthropic account's key is reached (429).",
        remedy: 'Wait a minute and ask again, or have the limit raised in the Anthropic console.',
      },
      again: true,
    };
  if (status === 402 || type === 'billing_error' || /credit balance/i.test(said))
    return final({
      code: 'model-failed',
      message: 'The Anthropic account has no credit left.',
      remedy: 'Add credit in the Anthropic console, or set another ANTHROPIC_API_KEY.',
    });
  if (status === 401 || type === 'authentication_error')
    return final({
      code: 'model-key-refused',
      message: 'The model key was refused (401).',
      remedy: 'Check ANTHROPIC_API_KEY in .env and restart.',
    });
  if (status === 403 || type === 'permission_error')
    return final({
      code: 'model-key-refused',
      message: `The model key may not use ${service.model} (403).`,
      remedy: 'Check the rights of ANTHROPIC_API_KEY in the Anthropic console, or set another CLAUDE_MODEL.',
    });
  if (status === 404 || type === 'not_found_error')
    return final({
      code: 'model-failed',
      message: `There is no model ${service.model} for this key (404).`,
      remedy: 'Check CLAUDE_MODEL.',
    });
  if (status === 413 || /prompt is too long|too many tokens/i.test(said))
    return final({
      code: 'model-failed',
      message: 'This conversation has become too long for the model.',
      remedy: 'Start a new thread.',
    });
  if (status === undefined || status >= 500 || status === 408 || status === 409)
    return {
      problem: {
        code: 'model-failed',
        message: `The Claude API had an error of its own${status === undefined ? '' : ` (${status})`}.`,
        remedy: 'Ask again in a few minutes.',
      },
      again: true,
    };
  return final({
    code: 'model-failed',
    message: `The Claude API did not accept the request (${status})${said ? `: ${short(service.redact(said))}` : '.'}`,
    remedy: 'Check CLAUDE_MODEL and MAX_TOKENS; the log names the request.',
  });
}

function final(problem: Problem): Diagnosis {
  return { problem, again: false };
}

function unreachable(error: APIConnectionError, service: Service): Diagnosis {
  const code = error instanceof APIConnectionTimeoutError ? 'no answer in time' : causeCode(error);
  return {
    problem: {
      code: 'model-unreachable',
      message: `The Claude API at ${hostOf(service.baseUrl)} could not be reached${code ? ` (${code})` : ''}.`,
      remedy: service.baseUrl
        ? 'Check ANTHROPIC_BASE_URL and the network.'
        : 'Check the network of this machine.',
    },
    again: true,
  };
}

function unreadable(error: BrokenAnswer): Diagnosis {
  return {
    problem: {
      code: 'model-failed',
      message: `Claude's answer could not be read: ${error.message}.`,
      remedy: 'Ask again.',
    },
    again: true,
  };
}

function brokenOff(service: Service): Diagnosis {
  return {
    problem: {
      code: 'model-unreachable',
      message: `The connection to ${hostOf(service.baseUrl)} broke off in the middle of the answer.`,
      remedy: service.baseUrl ? 'Check ANTHROPIC_BASE_URL, or ask again.' : 'Ask again.',
    },
    again: true,
  };
}

/** Host and port only: a base URL may carry a password. */
function hostOf(baseUrl = 'https://api.anthropic.com'): string {
  return URL.canParse(baseUrl) ? new URL(baseUrl).host : 'the address in ANTHROPIC_BASE_URL';
}

function causeCode(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if ('code' in at && typeof at.code === 'string') return at.code;
  }
  return undefined;
}

function waitOf(headers: Headers | undefined): number | undefined {
  const ms = Number.parseFloat(headers?.get('retry-after-ms') ?? '');
  if (ms >= 0) return ms;
  const after = headers?.get('retry-after');
  if (!after) return undefined;
  const seconds = Number(after);
  const wait = Number.isNaN(seconds) ? Date.parse(after) - Date.now() : seconds * 1000;
  return wait >= 0 ? wait : undefined;
}

function short(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > 200 ? `${line.slice(0, 199)}…` : line;
}
