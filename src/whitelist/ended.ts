/**
 * How a change that may have been started ended, in the words and the form in which it is kept: what ran, what was
 * left out and why, or that nobody knows and how to look.
 */
import { hostNames } from '../core/command.ts';
import { digestOf } from '../core/json.ts';
import type { CommandAsk, Context, Ended, ExecuteDeps } from './asked.ts';
import type { SignedCaller } from './identity.ts';
import type { OnHost, RanOne } from './on-host.ts';
import { cleanLine, foldOutput } from './output.ts';
import { probeOf } from './probe.ts';

/** What is kept of a change's output with its result; the rest has its own place, for a day. */
const resultChars = 12_000;

export function stoppedAt(each: readonly RanOne[], left: readonly OnHost[], reason: string): Ended {
  return { kind: 'ran', each, notRun: left.map(({ host }) => ({ host: host.name, reason })) };
}

/** Nobody knows how it ended on `one`; how it ended on others, and where nothing was begun, is said. */
export function lostOn(
  deps: ExecuteDeps,
  context: Context,
  { host, command }: OnHost,
  known: {
    readonly problem: string;
    readonly each: readonly RanOne[];
    readonly notBegun: readonly OnHost[];
  },
): Ended {
  const { problem, each, notBegun } = known;
  const line = cleanLine(command.line, deps.cleaners);
  const started = `${line} on ${host.name} was started, then ${cleanLine(problem, deps.cleaners)}.`;
  const reason = [started, ...notBegunOn(notBegun)].join(' ');
  return { kind: 'lost', reason: withLook(deps, context, reason), each };
}

/** A sentence, or none. */
export function notBegunOn(hosts: readonly OnHost[]): readonly string[] {
  return hosts.length > 0 ? [`Not begun on: ${hosts.map(({ host }) => host.name).join(', ')}.`] : [];
}

/** The reason, and the read-only command that shows what became of it, where the catalogue names one. */
export function withLook({ catalogue, cleaners }: ExecuteDeps, { ask, on }: Context, reason: string): string {
  const probe = probeOf(catalogue, ask.spec, on[0].command.values);
  if (!probe) return reason;
  const values = Object.entries(probe.params).map(([name, value]) => `${name}=${cleanLine(value, cleaners)}`);
  return `${reason} Look at it with: ${[probe.spec.name, ...values].join(' ')} on ${hostNames(ask.hosts.map((h) => h.name))}.`;
}

/** Keeps the result under the id of its call. Never throws. */
export async function keep(
  deps: ExecuteDeps,
  caller: SignedCaller,
  ask: CommandAsk,
  reply: Ended,
): Promise<void> {
  const { callId } = caller;
  const each = reply.each.map(({ ran, text }) => ({
    ran,
    text: foldOutput(text, Math.floor(resultChars / reply.each.length), ran.outputId).text,
  }));
  const kept = { callId, fingerprint: fingerprintOf(ask), at: deps.clock.now(), reply: { ...reply, each } };
  // It has run: whoever waits gets the result even where it cannot be kept.
  await deps.spent.keep(kept).catch((error: unknown) => {
    deps.logger.error({ err: error, callId }, 'a result could not be kept');
  });
}

/** Identifies a call's content: the same id with anything else is another call. */
export function fingerprintOf({
  spec,
  params,
  hosts,
}: Pick<CommandAsk, 'spec' | 'params' | 'hosts'>): string {
  return digestOf({ command: spec.name, params, hosts: hosts.map((h) => h.name) });
}
