/**
 * What is already recorded of a change with this id: its kept result, the result of another process that still runs
 * it, or, when the process that watched it is gone, what the hosts still know of it.
 */
import { type CommandResult, succeeded } from '../core/command.ts';
import type { CallId } from '../core/ids.ts';
import type { CommandReply, Context, Ended, ExecuteDeps } from './asked.ts';
import { nobodyWaits } from './calls.ts';
import { fingerprintOf, keep, lostOn, notBegunOn, stoppedAt, withLook } from './ended.ts';
import { said } from './execute-audit.ts';
import { fanOut } from './fan-out.ts';
import type { SignedCaller } from './identity.ts';
import type { OnHost, RanOne } from './on-host.ts';
import { finished } from './run-on.ts';
import { lookAfter } from './state.ts';

/** Undefined: nothing has begun under this id. */
export async function known(
  deps: ExecuteDeps,
  context: Context,
  caller: SignedCaller,
): Promise<CommandReply | undefined> {
  const { ask, control } = context;
  const { callId } = caller;
  const seconds = ask.spec.timeoutSeconds * ask.hosts.length + 60;
  const waitUntil = deps.clock.now() + seconds * 1000;
  for (;;) {
    const state = await deps.spent.state(callId);
    const kept = await deps.spent.kept(callId);
    if (kept) return kept.fingerprint === fingerprintOf(ask) ? kept.reply : another;
    if (state === 'unspent') return undefined;
    const { fingerprint } = await deps.spent.claimed(callId);
    if (fingerprint !== undefined && fingerprint !== fingerprintOf(ask)) return another;
    if (control.signal.reason === nobodyWaits) return leftAlone(deps, context);
    // It has begun, somewhere: that whoever asks now goes away ends it as little as if it had begun here.
    control.changeBegins();
    if (state !== 'running-elsewhere' || deps.clock.now() > waitUntil) break;
    if (control.signal.aborted) {
      const reason = 'It runs under another opsagent process, to its time limit.';
      return { kind: 'lost', reason: withLook(deps, context, reason), each: [] };
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const reply = await collected(deps, context, callId);
  if (reply.kind !== 'refused') await keep(deps, caller, ask, reply);
  return reply;
}

/** With nobody left to hear of it the call itself is over; what runs on the hosts is not stopped for that. */
function leftAlone(deps: ExecuteDeps, context: Context): CommandReply {
  const reason = 'It was started before, and nobody waits here for its end any more.';
  return { kind: 'lost', reason: withLook(deps, context, reason), each: [] };
}

const another: CommandReply = {
  kind: 'refused',
  reason: 'Another command has already run under the id of this call.',
};

/** A host keeps its record of a run for a week at least (CommandRunner.collect); a clock may differ by some hours. */
const recordsLastMs = 6 * 24 * 3_600_000;
/** So many hosts are asked at a time. */
const atOnce = 10;

/**
 * Every host is asked: none speaks for another. One without a record has not begun it and never will under this id,
 * where records cannot be gone already. Without a fingerprint nobody knows what was begun, so nothing is fetched.
 */
async function collected(deps: ExecuteDeps, context: Context, callId: CallId): Promise<Ended | NotBegun> {
  const { control, on } = context;
  const { at, fingerprint } = await deps.spent.claimed(callId);
  if (fingerprint === undefined) return unknown(deps, context, [], []);
  const ask = async (one: OnHost): Promise<Found> => ({
    one,
    result: await collect(deps, context, one, callId),
  });
  // A stop ends the command on the host; every host is asked all the same.
  const { signal } = new AbortController();
  const found = await fanOut(on, {
    atOnce,
    signal,
    work: ask,
    unbegun: (one) => ({ one, result: undefined }),
  });

  const each: RanOne[] = [];
  for (const { one, result } of found) {
    if (!result || result.end.kind === 'lost') continue;
    const { ran, text } = await finished(deps, context, one, result);
    each.push({ ran: { ...ran, ...(await lookAfter(deps, context, one, undefined, control.signal)) }, text });
  }
  const came = found.findLastIndex(({ result }) => result !== undefined) + 1;
  const age = at === undefined ? Number.NaN : deps.clock.now() - at;
  const left = age >= 0 && age < recordsLastMs ? found.slice(came).map(({ one }) => one) : [];

  const lost = found.find(({ result }) => result?.end.kind === 'lost');
  if (lost?.result?.end.kind === 'lost') {
    const { problem } = lost.result.end;
    for (const { one, result } of found)
      if (result?.end.kind === 'lost')
        await said(deps, context, 'command.ended', {
          end: 'lost',
          host: one.host.name,
          problem: result.end.problem,
        });
    return lostOn(deps, context, lost.one, { problem, each, notBegun: left });
  }
  const last = each.at(-1);
  const isInOrder = found.slice(0, came).every(({ result }) => result);
  const hasFailed = last !== undefined && !each.every(({ ran }) => succeeded(ran.end));
  // After a failure nothing further was to begin: that the others have no record is what was to be expected.
  const isWhole = isInOrder && (came === on.length || left.length > 0 || hasFailed);
  if (!isWhole) return unknown(deps, context, each, left);
  for (const { host } of left)
    if (
      !(await said(deps, context, 'command.ended', {
        end: 'unreachable',
        outcome: notBegun,
        host: host.name,
      }))
    )
      deps.logger.warn({ callId, host: host.name }, 'that a change was never begun is not on record');
  if (!last) return { kind: 'refused', reason: `${notBegun} Ask again if it is still wanted.` };
  const why = hasFailed
    ? `stopped after ${last.ran.host}`
    : 'the process that ran it ended before it came to this host';
  return stoppedAt(each, on.slice(came), why);
}

interface Found {
  readonly one: OnHost;
  /** Undefined: the host has no record of it, and begins nothing under this id any more. */
  readonly result: CommandResult | undefined;
}

async function collect(
  { runner, clock, logger }: ExecuteDeps,
  { control }: Context,
  { command, host }: OnHost,
  callId: CallId,
): Promise<CommandResult | undefined> {
  const begun = clock.now();
  try {
    return await runner.collect(callId, command, host, control.signal, control.output);
  } catch (error) {
    // The port does not throw; if it does, nobody knows what the host has.
    logger.error({ err: error, callId, host: host.name }, 'the runner failed');
    const end = { kind: 'lost', problem: 'the program that asked for its result failed' } as const;
    return { end, stdout: '', stderr: '', truncated: false, ms: clock.now() - begun };
  }
}

/** It was started, and what the hosts know does not add up to how it ended. */
async function unknown(
  deps: ExecuteDeps,
  context: Context,
  each: readonly RanOne[],
  left: readonly OnHost[],
): Promise<Ended> {
  const started = 'It was started, and the process that watched it ended before it did.';
  const ran = new Set(each.map((one) => one.ran.host));
  const silent = context.on.filter((one) => !ran.has(one.host.name) && !left.includes(one));
  const names = silent.map(({ host }) => host.name).join(', ');
  const gone = each.length > 0 && names ? [`No record of it on: ${names}.`] : [];
  await said(deps, context, 'command.ended', { end: 'lost', problem: started });
  const reason = [started, ...gone, ...notBegunOn(left)].join(' ');
  return { kind: 'lost', reason: withLook(deps, context, reason), each };
}

type NotBegun = Extract<CommandReply, { kind: 'refused' }>;

const notBegun =
  'It was not run: the process that was about to run it ended before it began, and the host has been told not to begin it any more.';
