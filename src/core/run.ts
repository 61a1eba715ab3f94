/**
 * The one aggregate: a request, its turns, its tool calls and its approvals. Every change to it is one of the
 * pure functions below, saved by one compare-and-set (RunStore.update).
 */
import type { Approval, ApprovalRequest } from './approval.ts';
import { close, openApproval } from './approval.ts';
import type { Conversation, DirectCommand, User } from './conversation.ts';
import type { Problem } from './errors.ts';
import type { ApprovalId, CallId, RunId } from './ids.ts';
import { callIdFor } from './ids.ts';
import type { Json, JsonObject } from './json.ts';
import type { SignedRequest } from './signed.ts';
import type { CallState, ToolCall } from './tool-call.ts';
import { isSettled } from './tool-call.ts';

export type RunState =
  | { readonly kind: 'queued' }
  | { readonly kind: 'running'; readonly owner: string; readonly leaseUntil: number }
  | { readonly kind: 'waiting' }
  | { readonly kind: 'finished' }
  | { readonly kind: 'failed'; readonly problem: Problem }
  | { readonly kind: 'cancelled'; readonly by: User };

export interface PersonTurn {
  readonly kind: 'person';
  readonly eventId: string;
  readonly user: User;
  readonly text: string;
  readonly at: number;
}

export interface AgentTurn {
  readonly kind: 'agent';
  readonly text: string;
  readonly calls: readonly ToolCall[];
  /** The provider's own content of this turn, to be sent back unchanged. */
  readonly raw?: Json;
  /** Why the model stopped, where a person must be told: cut at the limit, declined. */
  readonly note?: string;
}

export type Turn = PersonTurn | AgentTurn;

export interface Usage {
  readonly requests: number;
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

/** A message in the thread that shows part of this run. The key is saved before it is posted. */
export interface Post {
  readonly key: string;
  readonly ref?: string;
}

export interface Run {
  readonly id: RunId;
  readonly conversation: Conversation;
  /** True when the thread began with a mention of us: it is then answered without another. */
  readonly ownThread: boolean;
  /** Signed by the bot: the first asked, the others joined. Their rights are taken together: all must have them. */
  readonly requests: readonly SignedRequest[];
  readonly direct?: DirectCommand;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly state: RunState;
  readonly turns: readonly Turn[];
  /** Said while the run was working; taken up at its next turn. */
  readonly joined: readonly PersonTurn[];
  readonly stop?: { readonly by: User; readonly at: number };
  readonly posts: readonly Post[];
  /** True once the thread shows how the run ended; until then it is still due. */
  readonly told: boolean;
  readonly usage: Usage;
}

const nothingUsed: Usage = { requests: 0, inputTokens: 0, cachedTokens: 0, outputTokens: 0 };

/** A run as it is first saved: queued, with the request as its first turn. */
export function newRun(input: {
  readonly id: RunId;
  readonly request: SignedRequest;
  readonly text: string;
  readonly ownThread: boolean;
  readonly direct?: DirectCommand;
}): Run {
  const { statement } = input.request;
  return {
    id: input.id,
    conversation: statement.conversation,
    ownThread: input.ownThread,
    requests: [input.request],
    ...(input.direct ? { direct: input.direct } : {}),
    createdAt: statement.at,
    updatedAt: statement.at,
    state: { kind: 'queued' },
    turns: [personTurn(input.request, input.text)],
    joined: [],
    posts: [],
    told: false,
    usage: nothingUsed,
  };
}

function personTurn({ statement }: SignedRequest, text: string): PersonTurn {
  return { kind: 'person', eventId: statement.eventId, user: statement.user, text, at: statement.at };
}

export function requester(run: Run): User {
  const first = run.requests[0];
  if (!first) throw new TypeError(`run ${run.id} has no request`);
  return first.statement.user;
}

export function hasEnded(run: Run): boolean {
  return run.state.kind === 'finished' || run.state.kind === 'failed' || run.state.kind === 'cancelled';
}

/** Every platform event this run has taken in, so that a redelivery is known. */
export function eventIds(run: Run): readonly string[] {
  return run.requests.map((r) => r.statement.eventId);
}

export function allCalls(run: Run): readonly ToolCall[] {
  return run.turns.flatMap((t) => (t.kind === 'agent' ? t.calls : []));
}

export function findApproval(run: Run, id: ApprovalId): Approval | undefined {
  return allCalls(run).find((c) => c.approval?.id === id)?.approval;
}

export function pendingApprovals(run: Run): readonly Approval[] {
  return allCalls(run).flatMap((c) =>
    c.approval?.verdict === 'pending' && c.state.kind === 'waiting' ? [c.approval] : [],
  );
}

/** When this run needs a worker at the latest: now, when its lease or a question runs out, or never. */
export function dueAt(run: Run): number | undefined {
  switch (run.state.kind) {
    case 'queued':
      return run.updatedAt;
    case 'running':
      return run.state.leaseUntil;
    case 'waiting':
      return Math.min(...pendingApprovals(run).map((a) => a.expiresAt), Number.MAX_SAFE_INTEGER);
    default:
      return run.told ? undefined : run.updatedAt;
  }
}

// ---- transitions; each returns the run itself when it changes nothing ----

/** Takes the run for a worker, or renews its lease. Undefined while somebody else's lease lives. */
export function claim(run: Run, owner: string, now: number, leaseMs: number): Run | undefined {
  if (hasEnded(run)) return run;
  if (run.state.kind === 'running' && run.state.owner !== owner && run.state.leaseUntil > now)
    return undefined;
  return { ...run, updatedAt: now, state: { kind: 'running', owner, leaseUntil: now + leaseMs } };
}

export function owns(run: Run, owner: string): boolean {
  return run.state.kind === 'running' && run.state.owner === owner;
}

/** Gives the run back without an end: it waits for people, or for whoever comes next. */
export function release(run: Run, to: 'waiting' | 'queued', now: number): Run {
  return hasEnded(run) ? run : { ...run, updatedAt: now, state: { kind: to } };
}

/** Adds what a person said while the run was working. Undefined when the run has ended. */
export function join(run: Run, request: SignedRequest, text: string): Run | undefined {
  if (eventIds(run).includes(request.statement.eventId)) return run;
  if (hasEnded(run) || run.direct) return undefined;
  return { ...run, requests: [...run.requests, request], joined: [...run.joined, personTurn(request, text)] };
}

/** Moves what people said meanwhile into the turns, where the model reads it. */
export function takeUpJoined(run: Run): Run {
  return run.joined.length === 0 ? run : { ...run, turns: [...run.turns, ...run.joined], joined: [] };
}

/** The model's turn, with its calls proposed. */
export function agentSpoke(
  run: Run,
  turn: {
    text: string;
    calls: readonly { modelId: string; tool: string; args: JsonObject }[];
    raw?: Json;
    note?: string;
  },
  usage: Partial<Usage>,
  now: number,
): Run {
  const first = allCalls(run).length;
  const calls = turn.calls.map(
    (c, i): ToolCall => ({ ...c, id: callIdFor(run.id, first + i), state: { kind: 'proposed' } }),
  );
  const spoken: AgentTurn = {
    kind: 'agent',
    text: turn.text,
    calls,
    ...(turn.raw === undefined ? {} : { raw: turn.raw }),
    ...(turn.note === undefined ? {} : { note: turn.note }),
  };
  return {
    ...run,
    updatedAt: now,
    turns: [...run.turns, spoken],
    usage: {
      requests: run.usage.requests + (usage.requests ?? 0),
      inputTokens: run.usage.inputTokens + (usage.inputTokens ?? 0),
      cachedTokens: run.usage.cachedTokens + (usage.cachedTokens ?? 0),
      outputTokens: run.usage.outputTokens + (usage.outputTokens ?? 0),
    },
  };
}

export function changeCall(run: Run, id: CallId, change: (call: ToolCall) => ToolCall): Run {
  const turns = run.turns.map((t) =>
    t.kind === 'agent' && t.calls.some((c) => c.id === id)
      ? { ...t, calls: t.calls.map((c) => (c.id === id ? change(c) : c)) }
      : t,
  );
  return { ...run, turns };
}

/** Marks calls as begun by this worker. Settled and waiting calls are left as they are. */
export function startCalls(run: Run, ids: readonly CallId[], by: string, now: number): Run {
  return ids.reduce(
    (r, id) =>
      changeCall(r, id, (c) =>
        c.state.kind === 'proposed' || c.state.kind === 'cleared'
          ? { ...c, state: { kind: 'started', at: now, by } }
          : c,
      ),
    run,
  );
}

/** Writes down how a call ended; a call that has settled already keeps its first end. */
export function settleCall(run: Run, id: CallId, state: CallState): Run {
  return changeCall(run, id, (c) => (isSettled(c) ? c : { ...c, state }));
}

/** The whitelist server wants people's word first. Nothing has run. */
export function askApproval(run: Run, request: ApprovalRequest, agentReason?: string): Run {
  return changeCall(run, request.callId, (c) =>
    isSettled(c) || c.approval
      ? c
      : { ...c, approval: openApproval(request, agentReason), state: { kind: 'waiting' } },
  );
}

/** Replaces an approval by what a vote or the clock made of it, and moves its call along. */
export function decideApproval(run: Run, decided: Approval, refusal: string): Run {
  return changeCall(run, decided.callId, (c) => {
    if (c.approval?.id !== decided.id || c.approval.verdict !== 'pending') return c;
    const call = { ...c, approval: decided };
    if (c.state.kind !== 'waiting') return call;
    switch (decided.verdict) {
      case 'pending':
        return call;
      case 'approved':
        return { ...call, state: { kind: 'cleared' } };
      case 'denied':
        return { ...call, state: { kind: 'refused', by: 'person', reason: refusal } };
      case 'expired':
        return { ...call, state: { kind: 'refused', by: 'expired', reason: refusal } };
      case 'withdrawn':
        return { ...call, state: { kind: 'refused', by: 'stopped', reason: refusal } };
      default:
        return decided.verdict satisfies never;
    }
  });
}

/** Closes every question whose time is up. */
export function expireApprovals(run: Run, now: number): Run {
  return pendingApprovals(run)
    .filter((a) => a.expiresAt <= now)
    .reduce(
      (r, a) => decideApproval(r, close(a, 'expired', now), 'Nobody decided in time; it was not run.'),
      run,
    );
}

/** Someone said stop. The owner ends the run; an unowned one is ended by the next advance. */
export function askStop(run: Run, by: User, at: number): Run {
  return hasEnded(run) || run.stop ? run : { ...run, stop: { by, at } };
}

/** Ends the run. Calls that have not begun are refused; one that was begun and has no result is lost. */
export function end(
  run: Run,
  state: Extract<RunState, { kind: 'finished' | 'failed' | 'cancelled' }>,
  now: number,
): Run {
  if (hasEnded(run)) return run;
  const closed = allCalls(run).reduce((r, call) => {
    if (call.approval?.verdict === 'pending')
      return decideApproval(
        r,
        close(call.approval, 'withdrawn', now),
        'The run was stopped; it was not run.',
      );
    if (call.state.kind === 'proposed' || call.state.kind === 'cleared')
      return settleCall(r, call.id, {
        kind: 'refused',
        by: 'stopped',
        reason: 'The run was stopped; it was not run.',
      });
    if (call.state.kind === 'started')
      return settleCall(r, call.id, { kind: 'lost', reason: 'The run ended while this was under way.' });
    return r;
  }, run);
  return { ...closed, updatedAt: now, state, told: false };
}

/** Notes that a message is about to be posted, or where it was. */
export function notePost(run: Run, post: Post): Run {
  const known = run.posts.some((p) => p.key === post.key);
  return {
    ...run,
    posts: known ? run.posts.map((p) => (p.key === post.key ? post : p)) : [...run.posts, post],
  };
}

export function markTold(run: Run): Run {
  return run.told ? run : { ...run, told: true };
}

/** The answer in words: what the agent said last. */
export function answerOf(run: Run): string {
  return run.turns.findLast((t) => t.kind === 'agent' && t.text !== '')?.text ?? '';
}
