/**
 * The suite that every Model passes: Claude against the twin of its API, the rehearsal model and the fake.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Model, ModelAnswer, ModelInput, ModelMessage } from '../../src/core/ports.ts';

export interface ModelHarness {
  readonly model: Model;
  /** Something it answers with text and at least one call, and with text alone once the results are there. */
  readonly ask: ModelInput;
  close(): Promise<void>;
}

export function modelContract(suite: { readonly name: string; create(): Promise<ModelHarness> }): void {
  describe(`${suite.name} as a Model`, () => {
    let harness: ModelHarness;
    beforeEach(async () => {
      harness = await suite.create();
    });
    afterEach(() => harness.close());

    it('streams text that only grows and ends as the text of the turn', async () => {
      const seen: string[] = [];

      const answer = turn(await harness.model.next(harness.ask, (text) => seen.push(text), never()));

      expect(seen.length).toBeGreaterThan(1);
      for (const [i, text] of seen.entries()) expect(text.startsWith(seen[i - 1] ?? '')).toBe(true);
      expect(seen.at(-1)).toBe(answer.text);
    });

    it('calls only tools it was given, under ids of their own, with an object of arguments', async () => {
      const { calls } = turn(await harness.model.next(harness.ask, ignore, never()));

      expect(calls.length).toBeGreaterThan(0);
      expect(new Set(calls.map((c) => c.modelId)).size).toBe(calls.length);
      for (const call of calls) {
        expect(harness.ask.tools.map((t) => t.name)).toContain(call.tool);
        expect(call.args).toBeTypeOf('object');
        expect(JSON.parse(JSON.stringify(call.args))).toEqual(call.args);
      }
    });

    it('goes on from its own turn and the results of its calls', async () => {
      const first = turn(await harness.model.next(harness.ask, ignore, never()));

      const second = turn(await harness.model.next(withResults(harness.ask, first), ignore, never()));

      expect(second.text).not.toBe('');
      expect(second.calls).toEqual([]);
    });

    it('is aborted when it was stopped before it began, and says nothing', async () => {
      const seen: string[] = [];

      const answer = await harness.model.next(harness.ask, (text) => seen.push(text), AbortSignal.abort());

      expect(answer).toEqual({ kind: 'aborted' });
      expect(seen).toEqual([]);
    });

    it('is aborted when it is stopped while it speaks', async () => {
      const stop = new AbortController();

      const answer = await harness.model.next(harness.ask, () => stop.abort(), stop.signal);

      expect(answer).toEqual({ kind: 'aborted' });
    });

    it('answers a conversation with holes in it instead of throwing', async () => {
      const messages: ModelMessage[] = [
        { role: 'agent', text: '', calls: [] },
        { role: 'person', text: '' },
        { role: 'agent', text: 'Looking.', calls: [{ modelId: 'gone', tool: 'ping', args: {} }] },
        { role: 'person', text: 'anything?' },
        { role: 'results', results: [{ callId: 'unknown', text: '', isError: true }] },
        ...harness.ask.messages,
      ];

      const answer = await harness.model.next({ ...harness.ask, messages }, ignore, never());

      expect(answer.kind).toBe('turn');
    });

    it('leaves its input as it was', async () => {
      const before = JSON.stringify(harness.ask);

      await harness.model.next(deepFreeze(structuredClone(harness.ask)), ignore, never());

      expect(JSON.stringify(harness.ask)).toBe(before);
    });

    it('counts usage in whole numbers', async () => {
      const { usage } = turn(await harness.model.next(harness.ask, ignore, never()));

      for (const count of Object.values(usage)) expect(Number.isInteger(count) && count >= 0).toBe(true);
    });
  });
}

/** The input with the turn and a result for each of its calls added to the end. */
export function withResults(
  input: ModelInput,
  answer: Extract<ModelAnswer, { kind: 'turn' }>,
  resultOf: (tool: string) => string = () => 'ok',
): ModelInput {
  const { text, calls, raw } = answer;
  return {
    ...input,
    messages: [
      ...input.messages,
      { role: 'agent', text, calls, ...(raw === undefined ? {} : { raw }) },
      {
        role: 'results',
        results: calls.map((c) => ({ callId: c.modelId, text: resultOf(c.tool), isError: false })),
      },
    ],
  };
}

/** The answer, which must be a turn. */
export function turn(answer: ModelAnswer): Extract<ModelAnswer, { kind: 'turn' }> {
  if (answer.kind !== 'turn') throw new Error(`expected a turn, got ${JSON.stringify(answer)}`);
  return answer;
}

export const ignore = () => undefined;

export function never(): AbortSignal {
  return new AbortController().signal;
}

function deepFreeze<T>(value: T): T {
  if (value !== null && typeof value === 'object')
    for (const member of Object.values(value)) deepFreeze(member);
  return Object.freeze(value);
}
