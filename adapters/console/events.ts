/**
 * What the console's API is sent, checked, and the facts it stands for. The event id comes from the client, so
 * that a repeat is known; a new thread takes its id from it and is the same thread on a repeat.
 */
import { z } from 'zod';
import type {
  Conversation,
  Decision,
  Mention,
  StopRequest,
  UndoRequest,
  User,
} from '../../src/core/conversation.ts';
import type { ApprovalId, CallId, RunId } from '../../src/core/ids.ts';
import { isApprovalId, isCallId, isRunId } from '../../src/core/ids.ts';
import { digestOf } from '../../src/core/json.ts';
import { hasHidden } from '../../src/core/visible.ts';

export interface Heard {
  readonly user: User;
  readonly at: number;
}

/** The fact, or every problem with the body in words for the person who sent it. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly string[] };

export function parseAsk(body: unknown, heard: Heard): Parsed<Mention> {
  return parsed(Ask, body, (ask) => mention(ask, ask.text, heard));
}

export function parseRun(body: unknown, heard: Heard): Parsed<Mention> {
  return parsed(Run, body, (run) => {
    const params = Object.entries(run.params).map(([name, value]) => `${name}=${value}`);
    const text = ['run', run.command, ...params, ...(run.host ? [`on ${run.host}`] : [])].join(' ');
    const direct = { command: run.command, params: run.params, ...(run.host ? { host: run.host } : {}) };
    return { ...mention(run, text, heard), direct };
  });
}

/** `thread` says where the button stood; on the command line there is none. */
export function parseDecide(body: unknown, heard: Heard): Parsed<Decision> {
  return parsed(Decide, body, ({ id, approval, verdict, digest, scope, windowMinutes, reason, thread }) => ({
    eventId: id,
    approvalId: approval,
    verdict,
    digest,
    ...(scope ? { scope } : {}),
    ...(windowMinutes ? { windowMinutes } : {}),
    ...(reason ? { reason } : {}),
    user: heard.user,
    groups: [],
    ...(thread ? { card: { conversation: consoleThread(thread), message: approval } } : {}),
    at: heard.at,
  }));
}

export function parseStop(body: unknown, heard: Heard): Parsed<StopRequest> {
  return parsed(Stop, body, ({ run }) => ({ runId: run, user: heard.user, groups: [] }));
}

export function parseUndo(body: unknown, heard: Heard): Parsed<UndoRequest> {
  return parsed(Undo, body, ({ id, call, host, thread }) => ({
    eventId: id,
    callId: call,
    host,
    user: heard.user,
    groups: [],
    conversation: consoleThread(thread),
    at: heard.at,
  }));
}

export function isThread(text: string): boolean {
  return Thread.safeParse(text).success;
}

export function consoleThread(thread: string): Conversation {
  return { platform: 'console', channel: 'console', thread };
}

/** The thread that an event without one begins, the same on a repeat. */
export function threadFor(eventId: string): string {
  return `t${digestOf(['console', eventId]).slice(0, 16)}`;
}

const maxText = 8000;
const name = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

const Thread = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, - or _');
const EventId = z
  .string('is missing: make one id for each thing you send')
  .regex(/^[A-Za-z0-9_-]{8,64}$/, 'must be 8 to 64 letters, digits, - or _');

const Ask = z.strictObject({
  thread: Thread.optional(),
  text: z.string('is missing').trim().min(1, 'is empty').max(maxText, `is longer than ${maxText} characters`),
  id: EventId,
});

const Run = z.strictObject({
  thread: Thread.optional(),
  command: z.string('is missing').regex(name, 'must be the name of a command'),
  params: z
    .record(z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/), z.string('must be text').max(4096))
    .refine((params) => Object.keys(params).length <= 32, 'has more than 32 values')
    .default({}),
  host: z
    .string()
    .min(1)
    .max(4096)
    .refine((text) => !hasHidden(text), 'holds characters that cannot be seen')
    .optional(),
  id: EventId,
});

const Decide = z.strictObject({
  approval: z
    .string('is missing')
    .refine((text): text is ApprovalId => isApprovalId(text), 'is not the id of an approval'),
  verdict: z.enum(['approve', 'deny'], 'must be approve or deny'),
  digest: z
    .string('is missing: a decision names the digest of what was shown')
    .regex(/^[0-9a-f]{8,64}$/, 'must be the digest of what was shown, in hex'),
  scope: z.literal('all', 'must be all, or left out').optional(),
  windowMinutes: z.union([z.literal(15), z.literal(60)], 'must be 15 or 60').optional(),
  reason: z.string().trim().max(1000, 'is longer than 1000 characters').optional(),
  thread: Thread.optional(),
  id: EventId,
});

const Stop = z.strictObject({
  run: z.string('is missing').refine((text): text is RunId => isRunId(text), 'is not the id of a run'),
});

const Undo = z.strictObject({
  call: z.string('is missing').refine((text): text is CallId => isCallId(text), 'is not the id of a call'),
  host: z.string('is missing').regex(name, 'must be the name of a host'),
  thread: Thread,
  id: EventId,
});

function mention(sent: { thread?: string | undefined; id: string }, text: string, heard: Heard): Mention {
  return {
    eventId: sent.id,
    conversation: consoleThread(sent.thread ?? threadFor(sent.id)),
    user: heard.user,
    groups: [],
    text,
    at: heard.at,
    addressed: true,
    opensThread: sent.thread === undefined,
  };
}

function parsed<S extends z.ZodType, T>(
  schema: S,
  body: unknown,
  fact: (value: z.output<S>) => T,
): Parsed<T> {
  const result = schema.safeParse(body);
  if (result.success) return { ok: true, value: fact(result.data) };
  const problems = result.error.issues.map(
    (issue) => `${issue.path.join('.') || 'the body'}: ${issue.message}`,
  );
  return { ok: false, problems };
}
