/**
 * One rendered command on one host: run, audit how it ended, clean what it printed, keep the whole of it and fold
 * what is shown.
 */
import { type CommandResult, endText, type RanCommand, type RenderedCommand } from '../core/command.ts';
import type { Context, ExecuteDeps } from './asked.ts';
import { fingerprintOfOutput, said } from './execute-audit.ts';
import type { OnHost, RanOne } from './on-host.ts';
import { cleanEnd, cleanLine, cleanOutput, foldOutput, withheld } from './output.ts';

const displayChars = 2500;
/** A shorter output is always shown whole. */
const keptFrom = 500;

type Deps = Pick<ExecuteDeps, 'runner' | 'audit' | 'cleaners' | 'outputs' | 'clock' | 'logger'>;

/** Runs it to its end; `keepAs` lets the host keep its result until we have it. */
export async function runOn(
  deps: Deps,
  context: Context,
  one: OnHost,
  signal: AbortSignal,
  keepAs?: string,
): Promise<RanOne> {
  const { control } = context;
  const begun = deps.clock.now();
  let result: CommandResult;
  try {
    result = await deps.runner.run(one.command, one.host, signal, control.output, keepAs);
  } catch (error) {
    // The port does not throw; if it does, nobody knows how far it came.
    const { command, host } = one.command;
    deps.logger.error({ err: error, command, host }, 'the runner failed');
    const end = { kind: 'lost', problem: 'the program that watched it failed' } as const;
    result = { end, stdout: '', stderr: '', truncated: false, ms: deps.clock.now() - begun };
  }
  return finished(deps, context, one, result);
}

/** Records and cleans how it ended, whoever saw it end. */
export async function finished(
  deps: Deps,
  context: Context,
  { host, command }: OnHost,
  result: CommandResult,
): Promise<RanOne> {
  await said(deps, context, 'command.ended', {
    host: host.name,
    end: result.end.kind,
    outcome: endText(result.end),
    ms: result.ms,
    ...fingerprintOfOutput(result),
    ...(result.hostKey ? { hostKey: result.hostKey } : {}),
  });
  const clean = await cleanOutput(result, deps.cleaners);
  const outputId = await keepOutput(deps, context, command, clean);
  const display = foldOutput(clean, displayChars, outputId);
  const ran: RanCommand = {
    command: command.command,
    host: command.host,
    line: cleanLine(command.line, deps.cleaners),
    end: cleanEnd(result.end, deps.cleaners),
    ms: result.ms,
    output: display.text,
    truncated: result.truncated || display.folded,
    ...(outputId === undefined ? {} : { outputId }),
    ...(display.gap ? { gap: display.gap } : {}),
  };
  return { ran, text: clean };
}

/** The id under which the whole can be read again; none for what is short, and where it cannot be kept. */
async function keepOutput(
  { outputs, logger }: Deps,
  { caller }: Context,
  { command, host }: RenderedCommand,
  text: string,
): Promise<string | undefined> {
  if (text.length <= keptFrom || text === withheld) return undefined;
  try {
    return await outputs.keep({ owner: caller.owner, host, command, text });
  } catch (error) {
    logger.error({ err: error, command }, 'an output could not be kept');
    return undefined;
  }
}
