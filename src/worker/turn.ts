/**
 * One turn of the agent: the model's, or for a command asked for by name the one call it stands for.
 */
import type { Problem } from '../core/errors.ts';
import { allCalls, answerOf, hasEnded, type Run } from '../core/run.ts';
import { agentSpoke, takeUpJoined } from '../core/run-changes.ts';
import { fail } from './finish.ts';
import type { WorkerParts } from './parts.ts';
import { messagesOf, systemPrompt } from './prompt.ts';
import type { Session } from './session.ts';

const historyLimit = 10;
/** A run that has not come to an answer by then is going in circles. */
const maxModelTurns = 30;
const maxCalls = 100;

export async function modelTurn(parts: WorkerParts, session: Session): Promise<'again' | 'ended'> {
  const { model, tools, store, clock } = parts;
  if (session.run.joined.length > 0) await session.apply(takeUpJoined);
  const { run } = session;
  const spent = budgetSpent(run);
  if (spent) return fail(parts, session, spent);

  const earlier = (await store.history(run.conversation, historyLimit + 1)).filter(
    (r) => r.id !== run.id && hasEnded(r) && r.createdAt <= run.createdAt && answerOf(r) !== '',
  );
  const answer = await model.next(
    { system: systemPrompt(), tools: await tools.list(), messages: messagesOf(run, earlier) },
    (soFar) => session.stream(soFar),
    session.stopping.signal,
  );
  switch (answer.kind) {
    case 'aborted':
      await session.refresh();
      return 'again';
    case 'failed':
      return fail(parts, session, answer.problem);
    case 'turn': {
      const { text, calls, raw, note, usage } = answer;
      const turn = {
        text,
        calls,
        ...(raw === undefined ? {} : { raw }),
        ...(note === undefined ? {} : { note }),
      };
      await session.apply((r) => agentSpoke(r, turn, usage, clock.now()));
      return 'again';
    }
    default:
      return answer satisfies never;
  }
}

/** A command by name needs no model: it is one call, and its output is the answer. */
export async function directTurn(parts: WorkerParts, session: Session): Promise<'again'> {
  const { direct } = session.run;
  if (!direct) throw new TypeError('not a direct run');
  const args = {
    command_name: direct.command,
    parameters: direct.params,
    ...(direct.host ? { host: direct.host } : {}),
  };
  await session.apply((r) =>
    agentSpoke(
      r,
      { text: '', calls: [{ modelId: 'direct', tool: 'execute_command', args }] },
      {},
      parts.clock.now(),
    ),
  );
  return 'again';
}

function budgetSpent(run: Run): Problem | undefined {
  const turns = run.turns.filter((t) => t.kind === 'agent').length;
  if (turns < maxModelTurns && allCalls(run).length < maxCalls) return undefined;
  return {
    code: 'budget-spent',
    message: `Stopped after ${turns} steps and ${allCalls(run).length} tool calls without coming to an end.`,
    remedy: 'Ask for a smaller part of it.',
  };
}
