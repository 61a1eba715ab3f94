/**
 * A cleared change: under the locks of its hosts, recorded as spent before it begins, one host after another until
 * one fails, its result kept.
 */
import type { HostState } from '../core/approval.ts';
import { succeeded } from '../core/command.ts';
import type { Conversation } from '../core/conversation.ts';
import type { CommandReply, Context, Ended, ExecuteDeps } from './asked.ts';
import { neverRan } from './asked.ts';
import { known } from './collected.ts';
import { fingerprintOf, keep, lostOn, notBegunOn, stoppedAt, withLook } from './ended.ts';
import { said, startData } from './execute-audit.ts';
import type { FreezeState } from './freeze.ts';
import type { SignedCaller } from './identity.ts';
import type { Cleared } from './judgement.ts';
import type { RanOne } from './on-host.ts';
import { cleanLine } from './output.ts';
import { runOn } from './run-on.ts';
import { lookAfter } from './state.ts';
import type { Window } from './windows.ts';

/** `seen`: the state of the emergency stop when the change was let through. */
export async function runChange(
  deps: ExecuteDeps,
  context: Context,
  cleared: Cleared,
  seen: FreezeState,
): Promise<CommandReply> {
  const { caller, control, ask } = context;
  if (caller.kind !== 'signed') return { kind: 'refused', reason: 'A change needs a signed request.' };
  if (control.signal.aborted) return { kind: 'refused', reason: stoppedBefore };

  const taken = await deps.locks.take(
    ask.hosts.map((h) => h.name),
    holderOf(deps, context, caller),
  );
  if (!taken.ok) {
    await said(deps, context, 'call.refused', { reason: taken.problem });
    return { kind: 'refused', reason: taken.problem };
  }
  const freeze = deps.freeze.watch(seen);
  const signal = AbortSignal.any([control.signal, freeze.signal]);
  const stopped = async () => {
    await freeze.look();
    return signal.aborted;
  };
  try {
    return await begin(deps, context, caller, cleared, { signal, stopped });
  } finally {
    freeze.release();
    // It may have run: that its hosts are not given back does not change how it ended.
    await taken.release().catch((error: unknown) => {
      deps.logger.error({ err: error, callId: caller.callId }, 'hosts could not be given back');
    });
  }
}

interface Stop {
  readonly signal: AbortSignal;
  /** Looks once more for a stop, also of other processes, before something begins. */
  stopped(): Promise<boolean>;
}

const stoppedBefore = 'It was stopped before it began; nothing has run.';

async function begin(
  deps: ExecuteDeps,
  context: Context,
  caller: SignedCaller,
  cleared: Cleared,
  stop: Stop,
): Promise<CommandReply> {
  const { control, on } = context;
  let claimed: boolean;
  try {
    claimed = await deps.spent.claim(caller.callId, {
      at: deps.clock.now(),
      digest: cleared.digest,
      fingerprint: fingerprintOf(context.ask),
    });
  } catch (error) {
    deps.logger.error({ err: error, callId: caller.callId }, 'a change could not be recorded');
    return { kind: 'refused', reason: 'That this runs could not be recorded on disk, so it was not run.' };
  }
  if (!claimed) {
    const elsewhere = await known(deps, context, caller);
    return elsewhere ?? { kind: 'refused', reason: 'This approval has already been used.' };
  }
  const { rule, approvers, digest } = cleared;
  const clearance = { rule, approvers, approved: digest, ...(cleared.by ? { window: cleared.by } : {}) };
  if (!(await said(deps, context, 'command.started', { ...startData(on[0]), ...clearance }))) {
    await deps.spent.release(caller.callId);
    return { kind: 'refused', reason: neverRan };
  }
  if (cleared.window && !(await stop.stopped())) await openWindow(deps, context, cleared.window, approvers);
  if (cleared.by) await said(deps, context, 'window.used', { approvalId: cleared.by, approvers });

  control.changeBegins();
  const each: RanOne[] = [];
  const ended = await oneAfterAnother(deps, context, { clearance, before: cleared.before, each }, stop).catch(
    (error: unknown) => brokenOff(deps, context, each, error),
  );
  if (ended.kind === 'ran' && ended.each.length === 0) {
    await deps.spent.release(caller.callId);
    await said(deps, context, 'call.refused', { reason: stoppedBefore });
    return { kind: 'refused', reason: stoppedBefore };
  }
  await keep(deps, caller, context.ask, ended);
  return ended;
}

/** Only what is on record covers anything; where it cannot be kept, people are asked again. */
async function openWindow(
  deps: ExecuteDeps,
  context: Context,
  window: Window,
  approvers: readonly string[],
): Promise<void> {
  const { id, until } = window;
  if (!(await said(deps, context, 'window.granted', { approvalId: id, until, approvers }))) return;
  await deps.windows.open(window).catch((error: unknown) => {
    deps.logger.error({ err: error, approvalId: id }, 'a window could not be kept, so none is open');
  });
}

/** Nothing has run where it ends with no host at all: it was stopped before the first. */
async function oneAfterAnother(
  deps: ExecuteDeps,
  context: Context,
  given: {
    readonly clearance: {
      readonly rule: string;
      readonly approvers: readonly string[];
      readonly window?: string;
    };
    readonly before: readonly HostState[] | undefined;
    /** Filled host by host: what is known when something breaks off. */
    readonly each: RanOne[];
  },
  { signal, stopped }: Stop,
): Promise<Ended> {
  const { clearance, before, each } = given;
  const { caller, on } = context;
  const keepAs = caller.kind === 'signed' ? caller.callId : undefined;
  for (const [i, one] of on.entries()) {
    // The first is on record since before it was let begin.
    if (i > 0 && !(await said(deps, context, 'command.started', { ...startData(one), ...clearance })))
      return stoppedAt(each, on.slice(i), neverRan);
    if (await stopped()) {
      await said(deps, context, 'command.ended', {
        host: one.host.name,
        end: 'cancelled',
        outcome: 'stopped before it began',
      });
      return stoppedAt(each, on.slice(i), 'stopped before it came to this host');
    }
    const { ran, text } = await runOn(deps, context, one, signal, keepAs);
    if (ran.end.kind === 'lost')
      return lostOn(deps, context, one, { problem: ran.end.problem, each, notBegun: on.slice(i + 1) });
    const seen = ran.end.kind === 'unreachable' ? {} : await lookAfter(deps, context, one, before, signal);
    const allowed = clearance.window ? { allowedBy: `the window opened with ${clearance.window}` } : {};
    each.push({ ran: { ...ran, ...seen, ...allowed }, text });
    if (!succeeded(ran.end))
      return stoppedAt(each, on.slice(i + 1), `stopped after ${one.host.name}, where it did not succeed`);
  }
  return { kind: 'ran', each, notRun: [] };
}

/** Something of ours failed while it ran, or just after: what it did is not undone by that. */
async function brokenOff(
  deps: ExecuteDeps,
  context: Context,
  each: readonly RanOne[],
  error: unknown,
): Promise<Ended> {
  deps.logger.error({ err: error, command: context.ask.spec.name }, 'a change was not watched to its end');
  const problem = 'It was started, and the program that watched it failed before it ended.';
  await said(deps, context, 'command.ended', { end: 'lost', problem });
  // One after another: the host after those that have ended is where it broke off.
  const reason = [problem, ...notBegunOn(context.on.slice(each.length + 1))].join(' ');
  return { kind: 'lost', reason: withLook(deps, context, reason), each };
}

function holderOf({ cleaners }: ExecuteDeps, { on }: Context, caller: SignedCaller) {
  const who = caller.requests[0]?.statement.user.name ?? 'somebody';
  const line = cleanLine(on[0].command.line, cleaners);
  const conversation: Conversation = caller.conversation;
  return { who, what: line, call: caller.callId, run: caller.runId, conversation };
}
