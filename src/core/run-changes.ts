/**
 * Every change that a run can undergo, as pure functions, each saved by one compare-and-set (RunStore.update).
 * Each returns the run itself when it changes nothing.
 */
import { type Approval, type ApprovalRequest, close, openApproval, reminderDue } from './approval.ts';
import type { User } from './conversation.ts';
import { type CallId, callIdFor } from './ids.ts';
import type { Json, JsonObject } from './json.ts';
import {
  type AgentTurn,
  allCalls,
  eventIds,
  hasEnded,
  type Post,
  pendingApprovals,
  personTurn,
  type Run,
  type RunState,
  type Usage,
} from './run.ts';
import type { SignedRequest } from './signed.ts';
import { type CallState, isSettled, type ToolCall } from './tool-call.ts';

/** A lease that ends later than so many lease times from now is none: a clock went back, or a stranger wrote it. */
const believedLeases = 12;

/** Takes the run for a worker, or renews its lease. Undefined while somebody else's lease lives. */
export function claim(run: Run, owner: string, now: number, leaseMs: number): Run | undefined {
  if (hasEnded(run)) return run;
  if (run.state.kind === 'running' && run.state.owner !== owner) {
    const left = run.state.leaseUntil - now;
    if (left > 0 && left <= believedLeases * leaseMs) return undefined;
  }
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

function changeCall(run: Run, id: CallId, change: (call: ToolCall) => ToolCall): Run {
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

/** Marks the questions of which the thread is to be reminded now; drawing them is the reminder. */
export function remind(run: Run, now: number): Run {
  return pendingApprovals(run)
    .filter((a) => (reminderDue(a) ?? Number.POSITIVE_INFINITY) <= now)
    .reduce((r, { callId, id }) => changeCall(r, callId, (c) => reminded(c, id)), run);
}

function reminded(call: ToolCall, id: Approval['id']): ToolCall {
  const { approval } = call;
  return approval?.id === id ? { ...call, approval: { ...approval, reminded: true } } : call;
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
