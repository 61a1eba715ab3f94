/**
 * The fake passes the suite of what it stands for.
 */
import { expect, it } from 'vitest';
import { ignore, modelContract, never } from '../contract/model.ts';
import { call, scriptedModel } from './scripted-model.ts';

const input = {
  system: '',
  tools: [{ name: 'ping', description: '', inputSchema: { type: 'object' } }],
  messages: [{ role: 'person', text: 'Is it up?' }],
} as const;

modelContract({
  name: 'the scripted model',
  create: async () => ({
    model: scriptedModel([{ text: 'I will ask it.', calls: [call('ping')] }, { text: 'It is up.' }]),
    ask: input,
    close: async () => {},
  }),
});

it('the scripted model keeps what it was asked and fails beyond its script', async () => {
  const model = scriptedModel([(asked) => ({ text: `${asked.messages.length} message` })]);

  const first = await model.next(input, ignore, never());
  const second = await model.next(input, ignore, never());

  expect(first).toMatchObject({ kind: 'turn', text: '1 message' });
  expect(second.kind).toBe('failed');
  expect(model.inputs).toEqual([input, input]);
});

it('the scripted model obeys a stop while its script waits', async () => {
  const stop = new AbortController();
  const model = scriptedModel(() => {
    stop.abort();
    return new Promise(() => {});
  });

  expect(await model.next(input, ignore, stop.signal)).toEqual({ kind: 'aborted' });
});
