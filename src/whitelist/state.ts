/**
 * The state a change is about, looked at before people are asked and again after it ran: the catalogue's probe, on
 * each host, quickly. What cannot be looked at is said and stops nothing.
 */
import type { HostState } from '../core/approval.ts';
import { type CommandResult, endText, type Host, type RanCommand, succeeded } from '../core/command.ts';
import type { Policy } from '../core/policy.ts';
import { decide, inScope } from '../core/policy-decision.ts';
import type { Context, ExecuteDeps } from './asked.ts';
import { said, startData } from './execute-audit.ts';
import { placeOf } from './gate.ts';
import type { OnHost } from './on-host.ts';
import { cleanLine, cleanOutput } from './output.ts';
import { type Paired, probeOf, undoOf } from './probe.ts';
import { render } from './render.ts';

/** People wait for it: a probe that takes longer is no evidence worth waiting for. */
const probeSeconds = 10;
/** A card has room for so many hosts; the others are alike or are looked at by name. */
const mostHosts = 10;
const mostChars = 400;
/** After a stop nobody waits for more than this. */
const stoppedGraceMs = 500;

type Deps = Pick<ExecuteDeps, 'catalogue' | 'policy' | 'runner' | 'audit' | 'cleaners' | 'logger'>;

/** What the card shows; undefined where the catalogue names no probe. */
export async function lookBefore(deps: Deps, context: Context): Promise<readonly HostState[] | undefined> {
  const looked = await Promise.all(
    context.on.slice(0, mostHosts).map((one) => look(deps, context, one, context.control.signal)),
  );
  const states = looked.flatMap((state) => state ?? []);
  const [first] = states;
  if (!first) return undefined;
  const left = context.on.length - mostHosts;
  if (left <= 0) return states;
  const further = `${left} further ${left === 1 ? 'host' : 'hosts'}`;
  return [...states, { host: further, line: first.line, text: `${further} not looked at` }];
}

/** What changed: the state before as the card showed it, after as it is now, and what would reverse it. */
export async function lookAfter(
  deps: Deps,
  context: Context,
  one: OnHost,
  before: readonly HostState[] | undefined,
  signal: AbortSignal,
): Promise<Pick<RanCommand, 'probe' | 'undo'>> {
  const { spec } = context.ask;
  const undo = undoOf(deps.catalogue, spec, one.command.values);
  const after = await look(deps, context, one, signal);
  const was = before?.find((state) => state.host === one.host.name)?.text;
  return {
    ...(after
      ? { probe: { line: after.line, after: after.text, ...(was === undefined ? {} : { before: was }) } }
      : {}),
    ...(undo ? { undo: { command: undo.spec.name, params: undo.params } } : {}),
  };
}

/** A look is a read like any other, with the rights of those who ask; whatever keeps it from being one is its text. */
async function look(
  deps: Deps,
  context: Context,
  { host, command }: OnHost,
  signal: AbortSignal,
): Promise<HostState | undefined> {
  const probe = probeOf(deps.catalogue, context.ask.spec, command.values);
  if (!probe) return undefined;
  const rendered = render(probe.spec, probe.params, host);
  if (!rendered.ok) return undefined;
  const quick = {
    ...rendered.command,
    timeoutSeconds: Math.min(probeSeconds, rendered.command.timeoutSeconds),
  };
  const line = cleanLine(quick.line, deps.cleaners);
  const without = (why: string): HostState => ({ host: host.name, line, text: `not looked at: ${why}` });
  try {
    const refused = refusalOf(await deps.policy(), context, probe, { host, floor: quick.floor });
    if (refused !== undefined) return without(refused);
    const of = { host: host.name, probe: quick.command };
    if (!(await said(deps, context, 'command.started', { ...startData({ host, command: quick }), ...of })))
      return without('the audit log cannot be written');
    const result = await untilStopped(signal, (patience) => deps.runner.run(quick, host, patience));
    const outcome = result ? endText(result.end) : 'not waited for: it was stopped';
    await said(deps, context, 'command.ended', { ...of, outcome, ...(result ? { ms: result.ms } : {}) });
    if (!result) return without('it was stopped');
    const shown = excerptOf(await cleanOutput(result, deps.cleaners));
    const text =
      succeeded(result.end) && shown ? shown : [endText(result.end), shown].filter(Boolean).join('\n');
    return { host: host.name, line, text };
  } catch (error) {
    // Evidence that cannot be had stops nothing, least of all the account of a change that has run.
    deps.logger.error({ err: error, command: quick.command, host: host.name }, 'a state was not looked at');
    return without('it failed');
  }
}

/** Why this look may not be taken, in a few words; the same that the gate asks of a read. */
function refusalOf(
  policy: Policy,
  { caller }: Context,
  { spec }: Paired,
  { host, floor }: { readonly host: Host; readonly floor: string | undefined },
): string | undefined {
  if (!inScope(spec, host)) return `the catalogue leaves this host out of ${spec.name}`;
  const never = spec.floor ?? floor;
  if (never !== undefined) return `${spec.name} never runs: ${never}`;
  const conversation = placeOf(policy, caller, spec);
  const { kind, ...decision } = decide(policy, caller.askers, { command: spec, host, conversation });
  if (kind === 'allow') return undefined;
  const rule = typeof decision.rule === 'string' ? decision.rule : decision.rule.name;
  return `policy.yaml does not allow ${spec.name} to those who ask (${rule})`;
}

/** Undefined when it was stopped before and during the grace that is left then nothing came. */
async function untilStopped(
  signal: AbortSignal,
  run: (patience: AbortSignal) => Promise<CommandResult>,
): Promise<CommandResult | undefined> {
  const patience = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let giveUp = () => {};
  const gaveUp = new Promise<undefined>((resolve) => {
    giveUp = () => {
      timer = setTimeout(() => {
        patience.abort();
        resolve(undefined);
      }, stoppedGraceMs);
    };
  });
  if (signal.aborted) giveUp();
  else signal.addEventListener('abort', giveUp, { once: true });
  try {
    const running = run(patience.signal);
    // Left behind, it has nobody to hear how it fails.
    running.catch(() => {});
    return await Promise.race([running, gaveUp]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
  }
}

/** Never half a character: a card that holds one could not be written as it was sealed. */
function excerptOf(output: string): string {
  const text = output.trim();
  const shown =
    text.length > mostChars ? `${text.slice(0, mostChars).replace(/[\uD800-\uDBFF]$/, '')}…` : text;
  return shown.replace(/\p{Surrogate}/gu, '\uFFFD');
}
