/**
 * What a thread should show of a run, platform-neutral and pure; adapters only draw it. A run is drawn as segments
 * with a card between them, so that what follows a decision appears below the card that was decided.
 */
import type { Approval, ApprovalRuleView, ApprovalSubject, Verdict } from './approval.ts';
import { decider, denyReason, digestOfAll, missingText, shownDigest, windowOf } from './approval.ts';
import type { NotRun, RanCommand } from './command.ts';
import { endText, succeeded } from './command.ts';
import type { User } from './conversation.ts';
import { problemText } from './errors.ts';
import type { ApprovalId, CallId, RunId } from './ids.ts';
import type { JsonObject } from './json.ts';
import type { Run, Turn } from './run.ts';
import { hasEnded, pendingApprovals, requester } from './run.ts';
import type { ToolCall } from './tool-call.ts';

export type RunStatus = 'queued' | 'thinking' | 'working' | 'waiting' | 'finished' | 'failed' | 'cancelled';

export type CallStatus = 'running' | 'waiting' | 'approved' | 'ok' | 'failed' | 'refused' | 'unknown';

export interface CallView {
  readonly id: CallId;
  readonly tool: string;
  readonly args: JsonObject;
  /** One line for people: the tool with its arguments. */
  readonly title: string;
  readonly status: CallStatus;
  /** How it ended, in words: "exit 0", the refusal's reason. */
  readonly outcome: string;
  readonly ms?: number;
  readonly ran: readonly RanCommand[];
  /** Hosts of a group on which it was not run, by reason. */
  readonly notRun?: readonly NotRun[];
}

export type Part =
  /** What a person said; drawn only where the platform does not show it already (console). */
  | { readonly kind: 'person'; readonly user: User; readonly text: string; readonly at: number }
  /** The agent's words, in Markdown. Not trusted: adapters neutralise mentions and links. */
  | { readonly kind: 'text'; readonly markdown: string }
  | { readonly kind: 'call'; readonly call: CallView }
  | { readonly kind: 'notice'; readonly level: 'info' | 'warning' | 'error'; readonly text: string };

/** One segment of a run: the live message while it works, the answer when it is done. */
export interface SegmentView {
  readonly kind: 'segment';
  readonly runId: RunId;
  readonly parts: readonly Part[];
  /** The run's status, shown on its last segment; earlier ones carry none. */
  readonly status?: RunStatus;
  readonly stoppable: boolean;
  /** Small print on the last segment: tokens used. */
  readonly footer?: string;
}

/** One approval. While `verdict` is pending it carries the buttons, afterwards who decided and what came of it. */
export interface CardView {
  readonly kind: 'card';
  readonly runId: RunId;
  readonly approvalId: ApprovalId;
  readonly subject: ApprovalSubject;
  readonly rule: ApprovalRuleView;
  readonly requestedBy: User;
  /** The agent's words, to be marked as such. */
  readonly agentReason?: string;
  /** Of what is shown here; goes with each button, so that a decision is for this and nothing else. */
  readonly digest: string;
  /** Its beginning, for people to compare. */
  readonly digestPrefix: string;
  readonly expiresAt: number;
  readonly approvals: readonly User[];
  /** While it is pending: whose approval is still missing, in words. */
  readonly missing?: string;
  /** While several of the run are open: how many, and the digest that goes with deciding them all. */
  readonly all?: { readonly count: number; readonly digest: string };
  /** Whether a window may be opened with it. */
  readonly mayOpenWindow: boolean;
  /** The window that was opened with it, in minutes. */
  readonly windowMinutes?: number;
  readonly verdict: Verdict;
  readonly decidedBy?: User;
  /** ms since the epoch. */
  readonly decidedAt?: number;
  readonly denyReason?: string;
  /** What came of an approved command, in words. */
  readonly outcome?: string;
}

export type View = SegmentView | CardView;

export interface Drawing {
  readonly key: string;
  readonly view: View;
}

/** What is shown and not stored. */
export interface Live {
  /** The text of the turn under way. */
  readonly streaming?: string;
  /** How calls under way are coming along. */
  readonly notes?: ReadonlyMap<CallId, string>;
}

/** Everything the thread should show of this run, top to bottom. */
export function draw(run: Run, live: Live = {}): readonly Drawing[] {
  const { streaming = '', notes } = live;
  const segments: { parts: Part[]; cards: Drawing[] }[] = [{ parts: [], cards: [] }];
  for (const turn of run.turns) {
    const last = segments[segments.length - 1];
    if (!last) break;
    last.parts.push(...turnParts(turn, notes));
    const asked = turn.kind === 'agent' ? turn.calls.filter((c) => c.approval) : [];
    if (asked.length === 0) continue;
    last.cards.push(...asked.flatMap((c) => cardOf(run, c)));
    segments.push({ parts: [], cards: [] });
  }
  const last = segments[segments.length - 1];
  if (!last) return [];
  if (streaming) last.parts.push({ kind: 'text', markdown: streaming });
  last.parts.push(...run.joined.flatMap((turn) => turnParts(turn)));
  last.parts.push(...ending(run));
  if (last.parts.length === 0 && segments.length > 1 && !isWanted(run, segments.length - 1)) segments.pop();

  return segments.flatMap((segment, i) => {
    const isLast = i === segments.length - 1;
    const footer = isLast && hasEnded(run) ? usageText(run) : undefined;
    const view: SegmentView = {
      kind: 'segment',
      runId: run.id,
      parts: segment.parts,
      ...(isLast ? { status: statusOf(run, streaming) } : {}),
      stoppable: isLast && !hasEnded(run),
      ...(footer ? { footer } : {}),
    };
    return [{ key: segmentKey(run, i), view }, ...segment.cards];
  });
}

const segmentKey = (run: Run, i: number) => `${run.id}.s${i}`;

/** An empty segment below a card is a sign of life once people have decided, and stays when it was posted. */
function isWanted(run: Run, i: number): boolean {
  const isPosted = run.posts.some((p) => p.key === segmentKey(run, i));
  return isPosted || (!hasEnded(run) && pendingApprovals(run).length === 0);
}

export function statusOf(run: Run, streaming = ''): RunStatus {
  if (run.state.kind !== 'running') return run.state.kind;
  const last = run.turns.at(-1);
  const working = !streaming && last?.kind === 'agent' && last.calls.some((c) => c.state.kind === 'started');
  return working ? 'working' : 'thinking';
}

function turnParts(turn: Turn, notes?: Live['notes']): Part[] {
  if (turn.kind === 'person') return [{ kind: 'person', user: turn.user, text: turn.text, at: turn.at }];
  const parts: Part[] = [];
  if (turn.text) parts.push({ kind: 'text', markdown: turn.text });
  parts.push(...turn.calls.map((c): Part => ({ kind: 'call', call: callView(c, notes?.get(c.id)) })));
  if (turn.note) parts.push({ kind: 'notice', level: 'warning', text: turn.note });
  return parts;
}

function ending(run: Run): Part[] {
  if (run.state.kind === 'failed')
    return [{ kind: 'notice', level: 'error', text: problemText(run.state.problem) }];
  if (run.state.kind === 'cancelled')
    return [{ kind: 'notice', level: 'info', text: `Stopped by ${run.state.by.name}.` }];
  return [];
}

function callView(call: ToolCall, note?: string): CallView {
  const { status, outcome } = callOutcome(call, note);
  return {
    id: call.id,
    tool: call.tool,
    args: call.args,
    title: titleOf(call),
    status,
    outcome,
    ...(call.state.kind === 'done' ? { ms: call.state.ms } : {}),
    ran: call.state.kind === 'done' ? call.state.result.ran : [],
    ...(call.state.kind === 'done' && call.state.result.notRun ? { notRun: call.state.result.notRun } : {}),
  };
}

/** `execute_command` is named by the command it executes: that is the word people know. */
function titleOf(call: ToolCall): string {
  const { command_name: command, parameters, ...rest } = call.args;
  const named = call.tool === 'execute_command' && typeof command === 'string' ? command : call.tool;
  const nested = parameters !== null && typeof parameters === 'object' ? (parameters as JsonObject) : {};
  const args = Object.entries(named === call.tool ? call.args : { ...nested, ...rest }).filter(
    ([key]) => key !== 'reason',
  );
  return [named, ...args.map(([k, v]) => `${k}=${typeof v === 'string' ? v : JSON.stringify(v)}`)].join(' ');
}

function callOutcome(call: ToolCall, note?: string): { status: CallStatus; outcome: string } {
  const { state } = call;
  switch (state.kind) {
    case 'proposed':
      return { status: 'running', outcome: 'about to run' };
    case 'started':
      return { status: 'running', outcome: note ? `running ${note}` : 'running' };
    case 'waiting':
      return { status: 'waiting', outcome: 'waiting for approval' };
    case 'cleared':
      return { status: 'approved', outcome: 'approved, about to run' };
    case 'done': {
      const { ran, summary, notRun = [], isError } = state.result;
      const ends = ran.map((r) => endText(r.end));
      const ok = !isError && notRun.length === 0 && ran.every((r) => succeeded(r.end));
      return {
        status: ok ? 'ok' : 'failed',
        outcome: summary ?? ([...new Set(ends)].join(', ') || (ok ? 'done' : state.result.text)),
      };
    }
    case 'refused':
      return { status: 'refused', outcome: state.reason };
    case 'lost':
      return { status: 'unknown', outcome: `outcome unknown: ${state.reason}` };
    default:
      return state satisfies never;
  }
}

function cardOf(run: Run, call: ToolCall): Drawing[] {
  const { approval } = call;
  if (!approval) return [];
  const decidedBy = decider(approval);
  const reason = denyReason(approval);
  const outcome = approvalOutcome(approval, call);
  const isOpen = approval.verdict === 'pending' && call.state.kind === 'waiting';
  const open = isOpen ? pendingApprovals(run) : [];
  const minutes = approval.verdict === 'approved' ? windowOf(approval.votes) : undefined;
  const view: CardView = {
    kind: 'card',
    runId: run.id,
    approvalId: approval.id,
    subject: approval.subject,
    rule: approval.rule,
    requestedBy: requester(run),
    ...(approval.agentReason ? { agentReason: approval.agentReason } : {}),
    digest: shownDigest(approval),
    digestPrefix: shownDigest(approval).slice(0, 12),
    expiresAt: approval.expiresAt,
    approvals: approval.votes.filter((v) => v.statement.verdict === 'approve').map((v) => v.statement.user),
    ...(isOpen ? { missing: missingText(approval) } : {}),
    ...(isOpen && open.length > 1 ? { all: { count: open.length, digest: digestOfAll(open) } } : {}),
    mayOpenWindow: approval.subject.risk !== 'critical',
    ...(minutes ? { windowMinutes: minutes } : {}),
    verdict: approval.verdict,
    ...(decidedBy ? { decidedBy } : {}),
    ...(approval.decidedAt ? { decidedAt: approval.decidedAt } : {}),
    ...(reason ? { denyReason: reason } : {}),
    ...(outcome ? { outcome } : {}),
  };
  const card = { key: approval.id, view };
  return approval.reminded ? [card, { key: `${approval.id}.r`, view: reminder(run, approval) }] : [card];
}

/** A message of its own: an edited card rings nobody's phone. */
function reminder(run: Run, approval: Approval): SegmentView {
  const { subject, verdict } = approval;
  const where = subject.targets.map((t) => t.host).join(', ');
  const text =
    verdict === 'pending'
      ? `Still waiting for approval: ${subject.line} on ${where}. It needs ${missingText(approval)}; the card is above.`
      : `No longer waiting: ${subject.line} on ${where} (${verdict}).`;
  return {
    kind: 'segment',
    runId: run.id,
    parts: [{ kind: 'notice', level: 'warning', text }],
    stoppable: false,
  };
}

function approvalOutcome(approval: Approval, call: ToolCall): string | undefined {
  switch (approval.verdict) {
    case 'pending':
      return undefined;
    case 'denied':
    case 'expired':
    case 'withdrawn':
      return 'not run';
    case 'approved':
      return callOutcome(call).outcome;
    default:
      return approval.verdict satisfies never;
  }
}

function usageText(run: Run): string | undefined {
  const { requests, inputTokens, cachedTokens, outputTokens } = run.usage;
  if (inputTokens + cachedTokens + outputTokens === 0) return undefined;
  const tokens = `${inputTokens + cachedTokens} tokens in (${cachedTokens} cached), ${outputTokens} out`;
  return `${tokens}, ${requests} model ${requests === 1 ? 'request' : 'requests'}`;
}
