/**
 * One command, from its id to its end: render, gate, audit, run, clean, audit. A change is spent before it is begun
 * and its result kept; a read is neither.
 */
import type { ApprovalRequest } from '../core/approval.ts';
import type { Host } from '../core/command.ts';
import type { ApproveRule } from '../core/policy.ts';
import { longestExpression } from '../core/targets.ts';
import type { CommandAsk, CommandReply, Context, Execute, ExecuteDeps } from './asked.ts';
import { neverRan } from './asked.ts';
import { runChange } from './change.ts';
import { known } from './collected.ts';
import { said, startData } from './execute-audit.ts';
import { judge } from './gate.ts';
import type { OnHost } from './on-host.ts';
import { render } from './render.ts';
import { mostOpen } from './requests.ts';
import { runOn } from './run-on.ts';
import { tooLarge } from './seal.ts';
import { lookBefore } from './state.ts';

export function createExecute(deps: ExecuteDeps): Execute {
  return async (ask, caller, control) => {
    const { spec } = ask;
    const rendered = renderAll(ask);
    if (!rendered.ok) return { kind: 'invalid', problems: rendered.problems };
    const { on } = rendered;
    const context: Context = { ask, caller, control, on };
    const isChange = spec.risk !== 'read';

    if (caller.kind === 'signed' && isChange) {
      const before = await known(deps, context, caller);
      if (before) return before;
    }
    for (const one of on)
      if (!(await said(deps, context, 'command.rendered', startData(one))))
        return { kind: 'refused', reason: neverRan };
    const keys = isChange ? await keysOf(deps, ask.hosts) : { ok: true as const, keys: new Map() };
    if (!keys.ok) {
      await said(deps, context, 'call.refused', { reason: keys.problem });
      return { kind: 'refused', reason: `${keys.problem}. Nothing was run.` };
    }
    const { catalogue, sealer, clock, windows } = deps;
    const policy = await deps.policy();
    const call = {
      caller,
      spec,
      on,
      keys: keys.keys,
      ...(ask.sealed !== undefined ? { sealed: ask.sealed } : {}),
    };
    const now = clock.now();
    const freeze = await deps.freeze.read();
    const judged = await judge(
      { policy, catalogue, verify: deps.verify(), sealer, windows, freeze, now },
      call,
    );
    // What would ask where it may not is refused anyway and counts for nothing.
    const judgement =
      judged.kind === 'ask' && !ask.mayAsk ? judged : await deps.limits.admit(judged, { ...call, policy });
    switch (judgement.kind) {
      case 'run':
        return judgement.cleared
          ? runChange(deps, context, judgement.cleared, freeze)
          : runRead(deps, context);
      case 'ask':
        return askPeople(deps, context, judgement.question);
      case 'unsigned':
        return keepForPeople(deps, context, judgement.rule);
      case 'refused': {
        const kind = judgement.of === 'approval' ? 'approval.refused' : 'call.refused';
        const { reason } = judgement;
        await said(deps, context, kind, { reason, ...judgement.data });
        return judgement.of === 'client'
          ? { kind: 'approval-required', line: on[0].command.line, reason }
          : { kind: 'refused', reason };
      }
      default:
        return judgement satisfies never;
    }
  };
}

function renderAll({
  spec,
  params,
  hosts,
}: CommandAsk): { ok: true; on: Context['on'] } | { ok: false; problems: readonly string[] } {
  const on: OnHost[] = [];
  for (const host of hosts) {
    const rendered = render(spec, params, host);
    // The same values are right or wrong on every host.
    if (!rendered.ok) return rendered;
    on.push({ host, command: rendered.command });
  }
  const [first, ...others] = on;
  if (!first) throw new TypeError('a command without a host');
  return { ok: true, on: [first, ...others] };
}

/** A change is not even asked about while the host's key is not known: it could not be run. */
async function keysOf(
  { trustedKeys }: ExecuteDeps,
  hosts: readonly Host[],
): Promise<{ ok: true; keys: Map<string, readonly string[]> } | { ok: false; problem: string }> {
  const keys = new Map<string, readonly string[]>();
  for (const host of hosts) {
    const trusted = await trustedKeys(host);
    if (!trusted.ok) return trusted;
    keys.set(host.name, [...trusted.fingerprints].sort());
  }
  return { ok: true, keys };
}

async function askPeople(
  deps: ExecuteDeps,
  context: Context,
  question: (state: ApprovalRequest['subject']['state']) => ApprovalRequest,
): Promise<CommandReply> {
  const { ask } = context;
  if (!ask.mayAsk)
    return {
      kind: 'refused',
      reason: `${ask.spec.name} needs an approval; ask for it with execute_command.`,
    };
  const request = question(await lookBefore(deps, context));
  const tooMuch = tooLarge(request);
  if (tooMuch !== undefined) {
    await said(deps, context, 'call.refused', { reason: tooMuch });
    return { kind: 'refused', reason: tooMuch };
  }
  const { id, digest, rule, expiresAt, subject } = request;
  const { command, line, targets, risk } = subject;
  const shown = { command, line, targets: targets.map((t) => ({ ...t })), risk };
  const data = { approvalId: id, digest, rule: rule.name, expiresAt, ...shown };
  // A question that is not on record is not asked: its answer could not be followed back.
  if (!(await said(deps, context, 'approval.asked', data))) return { kind: 'refused', reason: neverRan };
  return { kind: 'ask', request };
}

/** A client that brings nobody's signed request: the bot puts this before people, and the client asks again. */
async function keepForPeople(deps: ExecuteDeps, context: Context, rule: ApproveRule): Promise<CommandReply> {
  const { ask, caller, on } = context;
  const { spec, params, hosts, reason } = ask;
  const account = caller.askers[0]?.account ?? '';
  const refuse = async (why: string): Promise<CommandReply> => {
    await said(deps, context, 'call.refused', { reason: why });
    return { kind: 'refused', reason: why };
  };
  if (!ask.mayAsk) return refuse(`${spec.name} needs an approval; ask for it with execute_command.`);
  const now = deps.clock.now();
  const names = hosts.map((h) => h.name).join(',');
  if (names.length > longestExpression) return refuse('It names too many hosts at once; ask for fewer.');
  const kept = await deps.requests
    .keep({
      account,
      command: spec.name,
      params,
      hosts: names,
      ...(reason ? { reason } : {}),
      askedAt: now,
      expiresAt: now + rule.waitSeconds * 1000,
    })
    .catch((error: unknown) => {
      deps.logger.error({ err: error }, 'a request cannot be kept');
      return 'unwritable' as const;
    });
  if (kept === 'unwritable') return refuse('The request cannot be kept on disk, so nobody was asked.');
  if (!kept)
    return refuse(
      `${mostOpen} requests of ${account} wait for people already; no more are taken till some end.`,
    );
  const { request, isNew } = kept;
  const { line, digest } = on[0].command;
  const data = { request: request.id, line, digest, rule: rule.name, expiresAt: request.expiresAt };
  if (isNew && !(await said(deps, context, 'request.kept', data))) {
    await deps.requests.drop(request.id);
    return { kind: 'refused', reason: neverRan };
  }
  return { kind: 'kept', line, rule, request, watched: await deps.requests.isWatched(now), now };
}

async function runRead(deps: ExecuteDeps, context: Context): Promise<CommandReply> {
  for (const one of context.on)
    if (!(await said(deps, context, 'command.started', startData(one))))
      return { kind: 'refused', reason: neverRan };
  const { control } = context;
  const each = await Promise.all(
    context.on.map((one) => runOn(deps, context, one, control.signal, keptAs(context, one))),
  );
  return { kind: 'ran', each, notRun: [] };
}

/** A read that may take so long, in seconds, is kept by its host: a restart here does not begin it anew. */
const keptFrom = 60;

/** The id under which a long read is kept: one call of several commands has one for each. */
function keptAs({ ask, caller, control }: Context, { command }: OnHost): string | undefined {
  if (caller.kind !== 'signed' || ask.spec.timeoutSeconds < keptFrom) return undefined;
  control.keptByHost();
  return `${caller.callId}-${command.digest.slice(0, 12)}`;
}
