/**
 * What one run may use up: asked before each turn and for each call that the model proposes. The whitelist server
 * counts on its own too; this is what stops a run early, in words that people understand.
 */
import type { Problem } from '../core/errors.ts';
import { canonical, type JsonObject } from '../core/json.ts';
import type { Budget } from '../core/policy.ts';
import type { ModelCall } from '../core/ports.ts';
import { allCalls, pendingApprovals, type Run } from '../core/run.ts';
import { settleCall } from '../core/run-changes.ts';
import type { ToolCall } from '../core/tool-call.ts';

/** Why the run may take no further turn; undefined while it may. */
export function budgetSpent(run: Run, budget: Budget, now: number): Problem | undefined {
  const turns = run.turns.filter((t) => t.kind === 'agent').length;
  const calls = allCalls(run);
  const { inputTokens, cachedTokens, outputTokens } = run.usage;
  const tokens = inputTokens + cachedTokens + outputTokens;
  const seconds = Math.round(secondsAtWork(run, now));
  if (turns >= budget.turns || calls.length >= budget.calls)
    return spent(`after ${turns} steps and ${calls.length} tool calls without coming to an end`);
  if (tokens >= budget.tokens)
    return spent(`after ${tokens} tokens, more than the ${budget.tokens} of a run`);
  if (seconds >= budget.seconds) return spent(`after ${seconds} s at work, of ${budget.seconds} s for a run`);
  if (isCircling(run)) return spent('because it asked for exactly the same again and again');
  return undefined;
}

function spent(why: string): Problem {
  return {
    code: 'budget-spent',
    message: `Stopped ${why}.`,
    remedy: 'Ask for a smaller part of it; the limits of a run are budgets in policy.yaml.',
  };
}

/** The calls of a turn that still fit into the run; what is cut off is told in the note. */
export function withinCalls(
  run: Run,
  calls: readonly ModelCall[],
  budget: Budget,
): { readonly calls: readonly ModelCall[]; readonly note?: string } {
  const left = Math.max(0, budget.calls - allCalls(run).length);
  if (calls.length <= left) return { calls };
  const note = `The budget of a run is ${budget.calls} tool calls; ${calls.length - left} more were asked for and left out.`;
  return { calls: calls.slice(0, left), note };
}

/** Refuses what the model has just proposed and the budget does not hold: further hosts, the same once more. */
export function refuseOverBudget(run: Run, budget: Budget): Run {
  const hosts = new Set<string>();
  const asked = new Set<string>();
  const times = new Map<string, number>();
  return allCalls(run).reduce((changed, call) => {
    const named = typeof call.args.host === 'string' ? call.args.host.split(',').map((n) => n.trim()) : [''];
    const key = sameKey(call.tool, call.args);
    const refuse = (reason: string) =>
      call.state.kind === 'proposed'
        ? settleCall(changed, call.id, { kind: 'refused', by: 'policy', reason })
        : changed;
    times.set(key, (times.get(key) ?? 0) + 1);
    if ((times.get(key) ?? 0) > budget.repeats)
      return refuse(`${repeatWords} ${budget.repeats} times in this run; use what it answered, or stop.`);
    const further = named.filter((name) => !hosts.has(name) && !asked.has(name));
    const single = further.filter((name) => !isGroup(name));
    if (further.length > 0 && hosts.size + Math.max(single.length, 1) > budget.hosts)
      return refuse(
        `This run is on ${hosts.size} hosts already, of the ${budget.hosts} of its budget; ${further.join(', ')} would be more.`,
      );
    for (const name of named) (isGroup(name) ? asked : hosts).add(name);
    for (const name of hostsIn(call)) hosts.add(name);
    return changed;
  }, run);
}

/** Whose hosts only the whitelist server knows; it counts them before they run, here they count once they have. */
function isGroup(name: string): boolean {
  return name === 'all' || name.startsWith('@');
}

function hostsIn({ state }: ToolCall): readonly string[] {
  return state.kind === 'done' ? state.result.ran.flatMap((r) => [r.host, ...(r.sameOn ?? [])]) : [];
}

const repeatWords = 'Exactly this was asked for';

/** One more question to people, unless as many are open as may be. */
export function mayOpen(run: Run, budget: Budget): boolean {
  return pendingApprovals(run).length < budget.openApprovals;
}

export function tooManyOpen(budget: Budget): string {
  return `${budget.openApprovals} questions of this run are open already, which is its budget. It was not asked and has not run; wait for a decision first.`;
}

/** A whole turn of nothing but what was refused as a repetition: the model does not listen. */
function isCircling(run: Run): boolean {
  const last = run.turns.findLast((t) => t.kind === 'agent');
  return (
    last?.kind === 'agent' &&
    last.calls.length > 0 &&
    last.calls.every((c) => c.state.kind === 'refused' && c.state.reason.startsWith(repeatWords))
  );
}

/** The reason is the model's words, not what would run. */
function sameKey(tool: string, { reason: _, ...args }: JsonObject): string {
  return canonical([tool, args]);
}

/** Since it was asked, without the time in which it only waited for people. */
function secondsAtWork(run: Run, now: number): number {
  const waits = allCalls(run)
    .flatMap(({ approval: a }) =>
      a ? [[a.askedAt, a.decidedAt ?? Math.min(now, a.expiresAt)] as const] : [],
    )
    .sort(([a], [b]) => a - b);
  let waited = 0;
  let until = 0;
  for (const [from, to] of waits) {
    waited += Math.max(0, to - Math.max(from, until));
    until = Math.max(until, to);
  }
  return (now - run.createdAt - waited) / 1000;
}
