/**
 * The shape a stored run must have to be believed to be one: whoever writes Redis can write anything.
 * It gives no authority: rights hang on the signatures inside, which the whitelist server checks itself.
 */
import { z } from 'zod';
import type { Approval, ApprovalTarget, HostState } from '../../core/approval.ts';
import type { CommandEnd, NotRun, RanCommand } from '../../core/command.ts';
import type { Problem } from '../../core/errors.ts';
import { isApprovalId, isCallId, isRunId } from '../../core/ids.ts';
import type { AgentTurn, PersonTurn, Run } from '../../core/run.ts';
import type { SignedRequest, SignedVote } from '../../core/signed.ts';
import type { CallResult, CallState, ToolCall } from '../../core/tool-call.ts';

const text = z.string().max(200_000);
const name = z.string().max(300);
const time = z.number().int().nonnegative();
const json = z.json();
const args = z.record(name, json);

const platform = z.enum(['slack', 'discord', 'console']);
const user = z.strictObject({ platform: z.enum([...platform.options, 'mcp']), id: name, name });
/** Whoever votes or stops is a person. */
const person = z.strictObject({ platform, id: name, name });
const conversation = z.strictObject({ platform, channel: name, thread: name });
const runId = z.string().refine(isRunId);
const callId = z.string().refine(isCallId);
const approvalId = z.string().refine(isApprovalId);

const request = z.strictObject({
  statement: z.strictObject({
    kind: z.literal('request'),
    runId,
    eventId: name,
    user,
    groups: z.array(name).max(500),
    conversation,
    at: time,
  }),
  signature: name,
});

const vote = z.strictObject({
  statement: z.strictObject({
    kind: z.literal('vote'),
    runId,
    approvalId,
    digest: name,
    verdict: z.enum(['approve', 'deny']),
    user: person,
    groups: z.array(name).max(500),
    reason: text.optional(),
    windowMinutes: z.union([z.literal(15), z.literal(60)]).optional(),
    at: time,
  }),
  signature: name,
});

const target = z.strictObject({ host: name, address: name, login: name, hostKey: text });
const hostState = z.strictObject({ host: name, line: text, text });

const approval = z.strictObject({
  id: approvalId,
  callId,
  runId,
  subject: z.strictObject({
    command: name,
    description: text,
    line: text,
    targets: z.array(target).min(1).max(500),
    risk: z.enum(['change', 'critical']),
    state: z.array(hostState).max(100).optional(),
  }),
  rule: z.strictObject({
    name,
    approvers: z.array(name),
    people: z.number().int().positive(),
    each: z.array(z.strictObject({ who: z.array(name), people: z.number().int().positive() })).optional(),
    requesterMay: z.boolean(),
  }),
  binding: name,
  digest: name,
  sealed: text,
  askedAt: time,
  expiresAt: time,
  remindAt: time.optional(),
  agentReason: text.optional(),
  votes: z.array(vote).max(100),
  missing: text.optional(),
  reminded: z.literal(true).optional(),
  verdict: z.enum(['pending', 'approved', 'denied', 'expired', 'withdrawn']),
  decidedAt: time.optional(),
});

const end = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('exited'), code: z.number().int() }),
  z.strictObject({ kind: z.literal('signalled'), signal: name }),
  z.strictObject({ kind: z.literal('timed-out'), ended: z.boolean() }),
  z.strictObject({ kind: z.literal('cancelled'), ended: z.boolean() }),
  z.strictObject({ kind: z.literal('unreachable'), problem: text }),
  z.strictObject({ kind: z.literal('lost'), problem: text }),
]);

const ran = z.strictObject({
  command: name,
  host: name,
  line: text,
  end,
  ms: z.number().nonnegative(),
  output: text,
  truncated: z.boolean(),
  outputId: name.optional(),
  gap: z.strictObject({ lines: z.number().nonnegative(), characters: z.number().nonnegative() }).optional(),
  sameOn: z.array(name).max(5_000).optional(),
  differs: text.optional(),
  probe: z.strictObject({ line: text, before: text.optional(), after: text }).optional(),
  undo: z.strictObject({ command: name, params: z.record(name, text) }).optional(),
  allowedBy: text.optional(),
});

const notRun = z.strictObject({ command: name, hosts: z.array(name).max(5_000), reason: text });

const result = z.strictObject({
  text,
  isError: z.boolean(),
  ran: z.array(ran).max(200),
  summary: text.optional(),
  notRun: z.array(notRun).max(200).optional(),
});

const callState = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('proposed') }),
  z.strictObject({ kind: z.literal('waiting') }),
  z.strictObject({ kind: z.literal('cleared') }),
  z.strictObject({ kind: z.literal('started'), at: time, by: name }),
  z.strictObject({
    kind: z.literal('done'),
    result,
    ms: z.number().nonnegative(),
  }),
  z.strictObject({
    kind: z.literal('refused'),
    by: z.enum(['policy', 'person', 'expired', 'stopped']),
    reason: text,
  }),
  z.strictObject({ kind: z.literal('lost'), reason: text }),
]);

const call = z.strictObject({
  id: callId,
  modelId: name,
  tool: name,
  args,
  approval: approval.optional(),
  state: callState,
});

const personTurn = z.strictObject({ kind: z.literal('person'), eventId: name, user, text, at: time });
const agentTurn = z.strictObject({
  kind: z.literal('agent'),
  text,
  calls: z.array(call).max(500),
  raw: json.optional(),
  note: text.optional(),
});

const problem = z.strictObject({ code: name, message: text, remedy: text.optional() });

const runSchema = z.strictObject({
  id: runId,
  conversation,
  ownThread: z.boolean(),
  requests: z.array(request).min(1).max(500),
  direct: z
    .strictObject({
      command: name,
      params: z.record(name, text),
      host: text.optional(),
      reason: text.optional(),
    })
    .optional(),
  createdAt: time,
  updatedAt: time,
  state: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('queued') }),
    z.strictObject({ kind: z.literal('running'), owner: name, leaseUntil: time }),
    z.strictObject({ kind: z.literal('waiting') }),
    z.strictObject({ kind: z.literal('finished') }),
    z.strictObject({ kind: z.literal('failed'), problem }),
    z.strictObject({ kind: z.literal('cancelled'), by: person }),
  ]),
  turns: z.array(z.discriminatedUnion('kind', [personTurn, agentTurn])).max(1_000),
  joined: z.array(personTurn).max(500),
  stop: z.strictObject({ by: person, at: time }).optional(),
  posts: z.array(z.strictObject({ key: name, ref: name.optional() })).max(500),
  told: z.boolean(),
  usage: z.strictObject({
    requests: z.number(),
    inputTokens: z.number(),
    cachedTokens: z.number(),
    outputTokens: z.number(),
  }),
});

/** Names of `Type` that its schema does not know. A strict object refuses them, and with them every run that has one. */
type Forgotten<Type, Schema extends z.ZodType> = Exclude<
  Type extends unknown ? keyof Type : never,
  z.infer<Schema> extends infer Known ? (Known extends unknown ? keyof Known : never) : never
>;

/** Whoever uses a read run fails to compile, told the field, when the core learns one that is not read back here. */
type Missing =
  | Forgotten<Run, typeof runSchema>
  | Forgotten<Run['state'], typeof runSchema.shape.state>
  | Forgotten<SignedRequest['statement'], typeof request.shape.statement>
  | Forgotten<SignedVote['statement'], typeof vote.shape.statement>
  | Forgotten<Approval, typeof approval>
  | Forgotten<Approval['subject'], typeof approval.shape.subject>
  | Forgotten<ApprovalTarget, typeof target>
  | Forgotten<HostState, typeof hostState>
  | Forgotten<Approval['rule'], typeof approval.shape.rule>
  | Forgotten<RanCommand, typeof ran>
  | Forgotten<CallResult, typeof result>
  | Forgotten<NotRun, typeof notRun>
  | Forgotten<CommandEnd, typeof end>
  | Forgotten<CallState, typeof callState>
  | Forgotten<ToolCall, typeof call>
  | Forgotten<PersonTurn, typeof personTurn>
  | Forgotten<AgentTurn, typeof agentTurn>
  | Forgotten<Problem, typeof problem>;
type Read = [Missing] extends [never] ? Run : Missing;

/** The run in this text, or undefined when it is not one. */
export function readRun(stored: string): Read | undefined {
  try {
    const parsed = runSchema.safeParse(JSON.parse(stored));
    return parsed.success ? (parsed.data as unknown as Read) : undefined;
  } catch {
    return undefined;
  }
}
