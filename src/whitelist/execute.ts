/**
 * One command, from its id to its end: render, gate, audit, run, clean, audit. A change is spent before it is begun
 * and its result kept; a read is neither.
 */
import type { ApprovalRequest } from '../core/approval.ts';
import type { CommandResult, CommandSpec, Host, RanCommand, RenderedCommand } from '../core/command.ts';
import { endText } from '../core/command.ts';
import { digestOf } from '../core/json.ts';
import type { Policy } from '../core/policy.ts';
import type { AuditLog, Clock, CommandRunner, Logger } from '../core/ports.ts';
import type { CallControl } from './calls.ts';
import { fingerprintOfOutput, said, startData } from './execute-audit.ts';
import { type Cleared, judge } from './gate.ts';
import type { Caller, SignedCaller, Verify } from './identity.ts';
import { type Cleaners, cleanEnd, cleanLine, cleanOutput, foldOutput, withheld } from './output.ts';
import type { OutputStore } from './output-store.ts';
import type { Limits } from './quota.ts';
import { render } from './render.ts';
import type { Sealer } from './seal.ts';
import type { SpentStore } from './spent.ts';

/** What crosses into the executor: names and values, never text for a shell. */
export interface CommandAsk {
  readonly spec: CommandSpec;
  readonly params: Readonly<Record<string, string>>;
  readonly host: Host;
  /** The sealed state, when people have answered. */
  readonly sealed?: string;
  /** False for a tool of several commands: none of them stops to ask. */
  readonly mayAsk: boolean;
}

/** How a command that may have been started ended; `text` is its clean output. */
export type Ended =
  | { readonly kind: 'ran'; readonly ran: RanCommand; readonly text: string }
  | { readonly kind: 'lost'; readonly reason: string };

export type CommandReply =
  | Ended
  | { readonly kind: 'ask'; readonly request: ApprovalRequest }
  | { readonly kind: 'approval-required'; readonly line: string }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'invalid'; readonly problems: readonly string[] };

export interface ExecuteDeps {
  /** Read anew for every call. */
  readonly policy: () => Policy | Promise<Policy>;
  readonly catalogue: readonly CommandSpec[];
  readonly limits: Limits;
  readonly verify: () => Verify;
  readonly sealer: Sealer;
  readonly spent: SpentStore<Ended>;
  readonly runner: CommandRunner;
  readonly audit: AuditLog;
  readonly cleaners: Cleaners;
  readonly outputs: OutputStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

export type Execute = (ask: CommandAsk, caller: Caller, control: CallControl) => Promise<CommandReply>;

const displayChars = 2500;
/** What is kept of a change's output with its result; the rest has its own place, for a day. */
const resultChars = 12_000;
/** A shorter output is always shown whole. */
const keptFrom = 500;

const neverRan = 'The audit log cannot be written, so nothing was run.';

export function createExecute(deps: ExecuteDeps): Execute {
  return async (ask, caller, control) => {
    const rendered = render(ask.spec, ask.params, ask.host);
    if (!rendered.ok) return { kind: 'invalid', problems: rendered.problems };
    const { command } = rendered;
    const context = { ask, caller, control, command };

    if (caller.kind === 'signed' && ask.spec.risk !== 'read') {
      const before = await known(deps, context, caller);
      if (before) return before;
    }
    const { catalogue, sealer, clock } = deps;
    const policy = await deps.policy();
    const call = {
      caller,
      spec: ask.spec,
      host: ask.host,
      command,
      ...(ask.sealed !== undefined ? { sealed: ask.sealed } : {}),
    };
    const judged = judge({ policy, catalogue, verify: deps.verify(), sealer, now: clock.now() }, call);
    // What would ask where it may not is refused anyway and counts for nothing.
    const judgement =
      judged.kind === 'ask' && !ask.mayAsk ? judged : await deps.limits.admit(judged, { ...call, policy });
    switch (judgement.kind) {
      case 'run':
        return judgement.cleared ? runChange(deps, context, judgement.cleared) : runRead(deps, context);
      case 'ask':
        return askPeople(deps, context, judgement.request);
      case 'unsigned':
        await said(deps, context, 'call.refused', { reason: 'approval required' });
        return { kind: 'approval-required', line: command.line };
      case 'refused': {
        const kind = judgement.of === 'approval' ? 'approval.refused' : 'call.refused';
        await said(deps, context, kind, { reason: judgement.reason, ...judgement.data });
        return { kind: 'refused', reason: judgement.reason };
      }
      default:
        return judgement satisfies never;
    }
  };
}

/** Identifies a call's content: the same id with anything else is another call. */
function fingerprintOf(ask: Pick<CommandAsk, 'spec' | 'params' | 'host'>): string {
  return digestOf({ command: ask.spec.name, params: ask.params, host: ask.host.name });
}

interface Context {
  readonly ask: CommandAsk;
  readonly caller: Caller;
  readonly control: CallControl;
  readonly command: RenderedCommand;
}

/** What is already recorded of a change with this id: its result, or that its outcome is unknown. */
async function known(
  deps: ExecuteDeps,
  context: Context,
  caller: SignedCaller,
): Promise<CommandReply | undefined> {
  const { ask, control } = context;
  const { callId } = caller;
  const waitUntil = deps.clock.now() + (ask.spec.timeoutSeconds + 60) * 1000;
  for (;;) {
    const state = await deps.spent.state(callId);
    const kept = await deps.spent.kept(callId);
    if (kept)
      return kept.fingerprint === fingerprintOf(ask)
        ? kept.reply
        : { kind: 'refused', reason: 'Another command has already run under the id of this call.' };
    if (state === 'unspent') return undefined;
    if (state !== 'running-elsewhere' || deps.clock.now() > waitUntil) break;
    if (control.signal.aborted)
      return { kind: 'lost', reason: 'It runs under another opsagent process, to its time limit.' };
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const reply: Ended = {
    kind: 'lost',
    reason: 'It was started, and the process that watched it ended before it did.',
  };
  await keep(deps, caller, ask, reply);
  await said(deps, context, 'command.ended', { end: 'lost', problem: reply.reason });
  return reply;
}

async function askPeople(
  deps: ExecuteDeps,
  context: Context,
  request: ApprovalRequest,
): Promise<CommandReply> {
  const { ask } = context;
  if (!ask.mayAsk)
    return {
      kind: 'refused',
      reason: `${ask.spec.name} needs an approval; ask for it with execute_command.`,
    };
  const { id, digest, rule, expiresAt, subject } = request;
  const data = { approvalId: id, digest, rule: rule.name, expiresAt, ...subject };
  // A question that is not on record is not asked: its answer could not be followed back.
  if (!(await said(deps, context, 'approval.asked', data))) return { kind: 'refused', reason: neverRan };
  return { kind: 'ask', request };
}

async function runRead(deps: ExecuteDeps, context: Context): Promise<CommandReply> {
  if (!(await said(deps, context, 'command.started', startData(context.ask, context.command))))
    return { kind: 'refused', reason: neverRan };
  return run(deps, context);
}

async function runChange(deps: ExecuteDeps, context: Context, cleared: Cleared): Promise<CommandReply> {
  const { ask, caller, control } = context;
  if (caller.kind !== 'signed') return { kind: 'refused', reason: 'A change needs a signed request.' };
  if (control.signal.aborted)
    return { kind: 'refused', reason: 'It was stopped before it began; nothing has run.' };
  // One change at a time on a host belongs here, around everything below.

  let claimed: boolean;
  try {
    claimed = await deps.spent.claim(caller.callId, { at: deps.clock.now(), digest: cleared.digest });
  } catch (error) {
    deps.logger.error({ err: error, callId: caller.callId }, 'a change could not be recorded');
    return { kind: 'refused', reason: 'That this runs could not be recorded on disk, so it was not run.' };
  }
  if (!claimed) {
    const elsewhere = await known(deps, context, caller);
    return elsewhere ?? { kind: 'refused', reason: 'This approval has already been used.' };
  }
  const data = {
    ...startData(ask, context.command),
    rule: cleared.rule,
    approvers: cleared.approvers,
    approved: cleared.digest,
  };
  if (!(await said(deps, context, 'command.started', data))) {
    await deps.spent.release(caller.callId);
    return { kind: 'refused', reason: neverRan };
  }

  control.changeBegins();
  const ended = await run(deps, context);
  await keep(deps, caller, ask, ended);
  return ended;
}

async function run(deps: ExecuteDeps, context: Context): Promise<Ended> {
  const { ask, command, control } = context;
  const begun = deps.clock.now();
  let result: CommandResult;
  try {
    result = await deps.runner.run(command, ask.host, control.signal, control.output);
  } catch (error) {
    // The port does not throw; if it does, nobody knows how far it came.
    deps.logger.error({ err: error, command: command.command, host: command.host }, 'the runner failed');
    const end = { kind: 'lost', problem: 'the program that watched it failed' } as const;
    result = { end, stdout: '', stderr: '', truncated: false, ms: deps.clock.now() - begun };
  }
  await said(deps, context, 'command.ended', {
    end: result.end.kind,
    outcome: endText(result.end),
    ms: result.ms,
    ...fingerprintOfOutput(result),
    ...(result.hostKey ? { hostKey: result.hostKey } : {}),
  });

  const clean = await cleanOutput(result, deps.cleaners);
  const outputId = await keepOutput(deps, context, clean);
  const display = foldOutput(clean, displayChars, outputId);
  const line = cleanLine(command.line, deps.cleaners);
  const ran: RanCommand = {
    command: command.command,
    host: command.host,
    line,
    end: cleanEnd(result.end, deps.cleaners),
    ms: result.ms,
    output: display.text,
    truncated: result.truncated || display.folded,
    ...(outputId === undefined ? {} : { outputId }),
    ...(display.gap ? { gap: display.gap } : {}),
  };
  if (result.end.kind === 'lost' && ask.spec.risk !== 'read')
    return {
      kind: 'lost',
      reason: `${line} on ${command.host} was started, then ${cleanLine(result.end.problem, deps.cleaners)}.`,
    };
  return { kind: 'ran', ran, text: clean };
}

/** The id under which the whole can be read again; none for what is short, and where it cannot be kept. */
async function keepOutput(
  { outputs, logger }: ExecuteDeps,
  { caller, command }: Context,
  text: string,
): Promise<string | undefined> {
  if (text.length <= keptFrom || text === withheld) return undefined;
  try {
    return await outputs.keep({ owner: caller.owner, host: command.host, command: command.command, text });
  } catch (error) {
    logger.error({ err: error, command: command.command }, 'an output could not be kept');
    return undefined;
  }
}

async function keep(deps: ExecuteDeps, caller: SignedCaller, ask: CommandAsk, reply: Ended): Promise<void> {
  const { callId } = caller;
  const folded =
    reply.kind === 'ran'
      ? { ...reply, text: foldOutput(reply.text, resultChars, reply.ran.outputId).text }
      : reply;
  const kept = { callId, fingerprint: fingerprintOf(ask), at: deps.clock.now(), reply: folded };
  // It has run: whoever waits gets the result even where it cannot be kept.
  await deps.spent.keep(kept).catch((error: unknown) => {
    deps.logger.error({ err: error, callId }, 'a result could not be kept');
  });
}
