/**
 * A Model that answers by a script and keeps what it was asked. Text comes in pieces, as from a real one.
 */
import type { Model, ModelAnswer, ModelCall, ModelInput } from '../../src/core/ports.ts';

/** A turn in short, or any answer in full. */
type ScriptedAnswer =
  | { readonly text?: string; readonly calls?: readonly ModelCall[]; readonly note?: string }
  | ModelAnswer;

/** What it answers to this input; a promise lets a test hold the model back. */
export type ScriptedFunction = (
  input: ModelInput,
  signal: AbortSignal,
) => ScriptedAnswer | Promise<ScriptedAnswer>;

export type ScriptedStep = ScriptedAnswer | ScriptedFunction;

export interface ScriptedModel extends Model {
  /** One entry a `next`, in order. */
  readonly inputs: readonly ModelInput[];
}

/** One step a `next`, in order, or one function for all. Beyond the script it fails, so that a loop ends. */
export function scriptedModel(script: readonly ScriptedStep[] | ScriptedFunction): ScriptedModel {
  const inputs: ModelInput[] = [];
  return {
    name: 'the scripted model',
    inputs,
    async next(input, onText, signal) {
      if (signal.aborted) return { kind: 'aborted' };
      const step = typeof script === 'function' ? script : script[inputs.length];
      inputs.push(input);
      const answer = full(
        await unlessAborted(typeof step === 'function' ? step(input, signal) : step, signal),
      );
      if (answer.kind !== 'turn') return answer;
      const pieces = answer.text.match(/[\s\S]{1,7}/g) ?? [];
      for (const [i] of pieces.entries()) {
        if (signal.aborted) return { kind: 'aborted' };
        onText(pieces.slice(0, i + 1).join(''));
      }
      return signal.aborted ? { kind: 'aborted' } : answer;
    },
  };
}

/** A call as a script writes it; ids count up over the whole test process, as a provider's never repeat. */
export function call(tool: string, args: ModelCall['args'] = {}): ModelCall {
  made += 1;
  return { modelId: `scripted_${made}`, tool, args };
}

let made = 0;

function full(answer: ScriptedAnswer | undefined): ModelAnswer {
  if (!answer)
    return {
      kind: 'failed',
      problem: { code: 'model-failed', message: 'The script has no further answer.' },
      usage: { requests: 0, inputTokens: 0, cachedTokens: 0, outputTokens: 0 },
    };
  if ('kind' in answer) return answer;
  return {
    kind: 'turn',
    text: answer.text ?? '',
    calls: answer.calls ?? [],
    ...(answer.note === undefined ? {} : { note: answer.note }),
    usage: { requests: 1, inputTokens: 100, cachedTokens: 50, outputTokens: 20 },
  };
}

/** The answer, or `aborted` as soon as the signal says so: a script that waits for ever still obeys a stop. */
function unlessAborted(
  answer: ScriptedAnswer | undefined | Promise<ScriptedAnswer>,
  signal: AbortSignal,
): Promise<ScriptedAnswer | undefined> {
  return new Promise((resolve, reject) => {
    const onAbort = () => resolve({ kind: 'aborted' });
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    Promise.resolve(answer)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', onAbort));
  });
}
