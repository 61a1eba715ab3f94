/**
 * The tool calls of one turn: those that need nobody's word together, approved ones one by one. `started` is saved
 * before anything is called; a call found `started` is made again under its id, which attaches and never repeats.
 */
import type { ApprovalRequest, Grant } from '../core/approval.ts';
import type { ToolOutcome } from '../core/ports.ts';
import type { Run } from '../core/run.ts';
import { askApproval, settleCall, startCalls } from '../core/run-changes.ts';
import type { CallResult, ToolCall } from '../core/tool-call.ts';
import { defaultPatienceMs, watchCall } from './background.ts';
import { mayOpen, tooManyOpen } from './budget.ts';
import type { WorkerParts } from './parts.ts';
import type { Session } from './session.ts';

/** How long the whitelist server may be away before a call is given up: it is restarted within this. */
const retryWaitsMs = [250, 1_000, 2_000, 5_000, 10_000];
/** All results of a run together, so that the run stays small: characters. */
const resultBudget = 150_000;
/** A run with its questions, in bytes: its store takes a megabyte, and how they end is still to come. */
const runBudget = 768 * 1024;

export async function callTools(
  parts: WorkerParts,
  session: Session,
  calls: readonly ToolCall[],
): Promise<void> {
  const approved = calls.filter((c) => c.approval);
  await start(
    parts,
    session,
    calls.filter((c) => !c.approval),
    makeCall,
  );
  for (const call of approved) {
    if (session.stopping.signal.aborted) return;
    await start(parts, session, [call], makeCall);
  }
}

async function start(
  parts: WorkerParts,
  session: Session,
  calls: readonly ToolCall[],
  make: typeof makeCall,
): Promise<void> {
  if (calls.length === 0) return;
  const ids = calls.map((c) => c.id);
  // A stop that came first wins: then nothing is started.
  const started = await session.apply((r) =>
    r.stop ? undefined : startCalls(r, ids, parts.name, parts.clock.now()),
  );
  if (!started) return session.refresh();
  const share = Math.floor(roomIn(session.run) / calls.length);
  await Promise.all(calls.map((call) => make(parts, session, call, share)));
}

async function makeCall(parts: WorkerParts, session: Session, call: ToolCall, budget: number): Promise<void> {
  const { clock } = parts;
  const began = clock.now();
  const since = call.state.kind === 'started' ? call.state.at : began;
  const watch = watchCall(session, { id: call.id, since }, clock, parts.patienceMs ?? defaultPatienceMs);
  const outcome = await reach(parts, session, call, { budget, progress: watch.progress }).finally(watch.end);
  const ms = clock.now() - began;
  switch (outcome.kind) {
    case 'result':
      await session.apply((r) =>
        settleCall(r, call.id, { kind: 'done', result: withinBudget(r, outcome.result), ms }),
      );
      return;
    case 'approval':
      await session.apply((r) => {
        const reason = mayOpen(r, parts.budget())
          ? noRoomFor(r, outcome.request)
          : tooManyOpen(parts.budget());
        return reason === undefined
          ? askApproval(r, outcome.request, agentReason(r, call))
          : settleCall(r, call.id, { kind: 'refused', by: 'policy', reason });
      });
      return;
    case 'refused':
      await session.apply((r) =>
        settleCall(r, call.id, { kind: 'refused', by: 'policy', reason: outcome.reason }),
      );
      return;
    case 'lost':
      await session.apply((r) => settleCall(r, call.id, { kind: 'lost', reason: outcome.reason }));
      return;
    case 'unavailable':
      await session.apply((r) => settleCall(r, call.id, gaveUp(call, outcome.problem.message)));
      return;
    default:
      outcome satisfies never;
  }
}

/** Calls, and calls again while the whitelist server is away: under the same id that is safe. */
async function reach(
  parts: WorkerParts,
  session: Session,
  call: ToolCall,
  { budget, progress }: { readonly budget: number; readonly progress: (message: string) => void },
): Promise<ToolOutcome> {
  const { signal } = session.stopping;
  const grant = grantOf(call);
  const request = {
    callId: call.id,
    tool: call.tool,
    args: call.args,
    requests: session.run.requests,
    budget,
    ...(grant ? { grant } : {}),
  };
  for (let attempt = 0; ; attempt++) {
    const outcome = await parts.tools.call(request, signal, progress);
    const wait = retryWaitsMs[attempt];
    if (outcome.kind !== 'unavailable' || wait === undefined || signal.aborted) return outcome;
    parts.logger.warn(
      { callId: call.id, why: outcome.problem.message },
      'whitelist server away, calling again',
    );
    await pause(wait, signal);
  }
}

function grantOf(call: ToolCall): Grant | undefined {
  const { approval } = call;
  return approval?.verdict === 'approved' ? { sealed: approval.sealed, votes: approval.votes } : undefined;
}

/** Only `execute_command` changes anything, and it does so without an approval too, where a window covers it. */
function gaveUp(call: ToolCall, message: string): ToolCall['state'] {
  if (call.approval || call.tool === 'execute_command') return { kind: 'lost', reason: message };
  return { kind: 'done', ms: 0, result: { text: message, isError: true, ran: [] } };
}

/** The reason that the agent gave, else what it said in the same turn. */
function agentReason(run: Run, call: ToolCall): string | undefined {
  const { reason } = call.args;
  if (typeof reason === 'string' && reason.trim()) return reason.trim().slice(0, 500);
  const turn = run.turns.find((t) => t.kind === 'agent' && t.calls.some((c) => c.id === call.id));
  return turn?.kind === 'agent' && turn.text ? turn.text.slice(0, 500) : undefined;
}

/** Several questions about many hosts each do not fit into one run. */
function noRoomFor(run: Run, request: ApprovalRequest): string | undefined {
  const bytes = Buffer.byteLength(JSON.stringify(run)) + Buffer.byteLength(JSON.stringify(request));
  if (bytes <= runBudget) return undefined;
  return 'Too many hosts for one approval beside the others of this run; ask in a new thread. Nothing has run.';
}

/** Characters that results may still have in this run; the whitelist server fits each to its share. */
function roomIn(run: Run): number {
  return Math.max(1_000, resultBudget - JSON.stringify(run.turns).length);
}

/** Cuts a result that was not fitted and would make the run outgrow its budget. */
function withinBudget(run: Run, result: CallResult): CallResult {
  const left = roomIn(run);
  if (result.text.length <= left) return result;
  const note = '\n[cut here: the outputs of this run have reached their limit]';
  return {
    ...result,
    text: result.text.slice(0, left) + note,
    ran: result.ran.map(({ differs: _, ...r }) => ({ ...r, output: r.output.slice(0, 500) })),
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
