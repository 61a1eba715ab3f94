/**
 * The rehearsal model: a keyword planner behind the Model port, so that everything else can be tried without a key.
 * It knows no more than its rules, invents no figures, and says at the head of each answer what it is.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import type { Model, ModelAnswer, ModelCall, ModelInput, ModelMessage } from '../../core/ports.ts';
import type { Plan } from './rehearsal-plan.ts';
import { plan } from './rehearsal-plan.ts';
import { readResults } from './rehearsal-read.ts';
import { catalogueOf } from './rehearsal-words.ts';

export const label =
  'Rehearsal model: a keyword planner, not Claude. To switch Claude on, set `ANTHROPIC_API_KEY` in `.env` and restart.';

const usage = { requests: 0, inputTokens: 0, cachedTokens: 0, outputTokens: 0 };

/** Deterministic: the same input gives the same turn. */
export function createRehearsal(): Model {
  return {
    name: 'the rehearsal model',
    async next(input, onText, signal) {
      if (signal.aborted) return { kind: 'aborted' };
      const answer = turnFor(input);
      for (const soFar of growing(answer.text)) {
        onText(soFar);
        // Lets a stop in between the pieces.
        await breathe();
        if (signal.aborted) return { kind: 'aborted' };
      }
      return answer;
    },
  };
}

/** Tells what the newest results say, then plans for what people said last. */
function turnFor(input: ModelInput): Extract<ModelAnswer, { kind: 'turn' }> {
  const known = catalogueOf(input.tools);
  const { said, results, calls } = newest(input.messages);
  const told = results ? readResults(results, calls, known) : '';
  const plans = said.map((text) => plan(text, known));
  if (!results && plans.length === 0) plans.push(plan('', known));
  const next = joined(plans);
  const isAnswer = next.calls.length === 0 || told !== '';
  const text = [isAnswer ? label : '', told, next.say].filter((part) => part !== '').join('\n\n');
  return {
    kind: 'turn',
    text,
    calls: next.calls.map(
      // The place in the conversation makes the id one of its own without a memory.
      (c, i): ModelCall => ({ ...c, modelId: `rehearsal_${input.messages.length}_${i}` }),
    ),
    usage,
  };
}

interface Newest {
  readonly said: readonly string[];
  readonly results?: Extract<ModelMessage, { role: 'results' }>['results'];
  readonly calls: readonly ModelCall[];
}

/** What nobody has answered yet: the words at the end, and the results before them. */
function newest(messages: readonly ModelMessage[]): Newest {
  const from = messages.findLastIndex((m) => m.role !== 'person') + 1;
  const said = messages.slice(from).flatMap((m) => (m.role === 'person' ? [m.text] : []));
  const before = messages[from - 1];
  if (before?.role !== 'results') return { said, calls: [] };
  const calls = messages.slice(0, from).flatMap((m) => (m.role === 'agent' ? m.calls : []));
  return { said, results: before.results, calls };
}

function joined(plans: readonly Plan[]): Plan {
  const calls = new Map(plans.flatMap((p) => p.calls).map((c) => [JSON.stringify(c), c]));
  return { say: [...new Set(plans.map((p) => p.say))].join('\n\n'), calls: [...calls.values()].slice(0, 10) };
}

/** The text in a few pieces, each with all before it, cut between words. */
function growing(text: string): string[] {
  const words = text.match(/\S+\s*/g) ?? [];
  const size = Math.max(1, Math.ceil(words.length / 5));
  return Array.from({ length: Math.ceil(words.length / size) }, (_, i) =>
    words.slice(0, (i + 1) * size).join(''),
  );
}
