/**
 * One turn of the agent: the model's, or for a command asked for by name the one call it stands for.
 */
import { answerOf, hasEnded } from '../core/run.ts';
import { agentSpoke, takeUpJoined } from '../core/run-changes.ts';
import { budgetSpent, refuseOverBudget, withinCalls } from './budget.ts';
import { fail } from './finish.ts';
import type { WorkerParts } from './parts.ts';
import { messagesOf, systemPrompt } from './prompt.ts';
import type { Session } from './session.ts';

const historyLimit = 10;

export async function modelTurn(parts: WorkerParts, session: Session): Promise<'again' | 'ended'> {
  const { model, tools, store, clock } = parts;
  if (session.run.joined.length > 0) await session.apply(takeUpJoined);
  const { run } = session;
  const budget = parts.budget();
  const spent = budgetSpent(run, budget, clock.now());
  if (spent) return fail(parts, session, spent);

  const earlier = (await store.history(run.conversation, historyLimit + 1)).filter(
    (r) => r.id !== run.id && hasEnded(r) && r.createdAt <= run.createdAt && answerOf(r) !== '',
  );
  const answer = await model.next(
    { system: systemPrompt(), tools: await tools.list(), messages: messagesOf(run, earlier) },
    (soFar) => session.stream(soFar),
    session.stopping.signal,
  );
  if (answer.kind === 'turn')
    await parts.audit.record({
      kind: 'model.called',
      runId: run.id,
      data: { model: model.name, ...(answer.requestId ? { request: answer.requestId } : {}) },
    });
  switch (answer.kind) {
    case 'aborted':
      await session.refresh();
      return 'again';
    case 'failed':
      return fail(parts, session, answer.problem);
    case 'turn': {
      const { text, raw, usage } = answer;
      const { calls, note = answer.note } = withinCalls(run, answer.calls, budget);
      const turn = {
        text,
        calls,
        ...(raw === undefined ? {} : { raw }),
        ...(note === undefined ? {} : { note }),
      };
      await session.apply((r) => refuseOverBudget(agentSpoke(r, turn, usage, clock.now()), budget));
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
    ...(direct.reason ? { reason: direct.reason } : {}),
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
