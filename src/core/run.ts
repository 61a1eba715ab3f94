/**
 * The one aggregate: a request, its turns, its tool calls and its approvals, and what can be asked of it.
 * How it changes is in run-changes.ts.
 */
import { type Approval, reminderDue } from './approval.ts';
import type { Conversation, DirectCommand, User } from './conversation.ts';
import type { Problem } from './errors.ts';
import type { ApprovalId, RunId } from './ids.ts';
import type { Json } from './json.ts';
import type { SignedRequest } from './signed.ts';
import { isCallable, type ToolCall } from './tool-call.ts';

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

/** What a person said, as the signed request carries it. */
export function personTurn({ statement }: SignedRequest, text: string): PersonTurn {
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

/** Since when it waits for people; undefined when it does not. */
export function waitingSince(run: Run): number | undefined {
  const pending = hasEnded(run) ? [] : pendingApprovals(run);
  return pending.length === 0 ? undefined : Math.min(...pending.map((a) => a.askedAt));
}

/** When this run needs a worker at the latest: now, when its lease or a question runs out, or never. */
export function dueAt(run: Run): number | undefined {
  switch (run.state.kind) {
    case 'queued':
      return run.updatedAt;
    case 'running':
      return run.state.leaseUntil;
    case 'waiting': {
      const pending = pendingApprovals(run);
      // Decided or stopped, and the nudge that says so may have been lost: then it is overdue since.
      if (run.stop || pending.length === 0 || allCalls(run).some(isCallable)) return run.updatedAt;
      return nextForPeople(pending);
    }
    default:
      return run.told ? undefined : run.updatedAt;
  }
}

/** When a question to people next wants something: a reminder, or its end. */
export function nextForPeople(pending: readonly Approval[]): number {
  return Math.min(...pending.map((a) => reminderDue(a) ?? a.expiresAt));
}

/** The answer in words: what the agent said last. */
export function answerOf(run: Run): string {
  return run.turns.findLast((t) => t.kind === 'agent' && t.text !== '')?.text ?? '';
}
