/**
 * The cases of the chat adapter suite about what an adapter hears: mentions, clicks, acknowledgements, refusals.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Mention } from '../../src/core/conversation.ts';
import { OpsError } from '../../src/core/errors.ts';
import type { AdapterHarness } from './chat-adapter.ts';
import { shown } from './chat-adapter-showing.ts';
import { until } from './until.ts';
import { approvalId, card, runId, segment, text } from './views.ts';

export const hearingCases = {
  'one mention becomes one Mention, without the name of the bot': async (h) => {
    await h.start();
    const { eventId, conversation } = await h.mention('check the disk');

    const rest = await settled(h);
    expect(rest).toHaveLength(1);
    expect(rest[0]).toMatchObject({
      eventId,
      conversation,
      text: 'check the disk',
      addressed: true,
      user: { platform: h.adapter.platform, id: h.people[0] },
    });
  },

  'a redelivered mention keeps its event id': async (h) => {
    await h.start();
    const { eventId } = await h.mention('check the disk');
    await h.redeliver();

    const rest = await settled(h);
    expect(new Set(rest.map((m) => m.eventId))).toEqual(new Set([eventId]));
  },

  'messages of the bot itself are ignored': async (h) => {
    await h.start();
    await h.echoOwn('I said this myself');

    expect(await settled(h)).toEqual([]);
  },

  'bare talk outside threads is ignored': async (h) => {
    await h.start();
    await h.say('lunch?');

    expect(await settled(h)).toEqual([]);
  },

  'bare talk in a thread arrives as not addressed': async (h) => {
    await h.start();
    await h.say('and the memory?', { inThread: h.thread });

    const rest = await settled(h);
    expect(rest).toHaveLength(1);
    expect(rest[0]).toMatchObject({
      text: 'and the memory?',
      conversation: h.thread,
      addressed: false,
      opensThread: false,
    });
  },

  'a mention in a channel opens a thread': async (h) => {
    await h.start();
    const { conversation } = await h.mention('check the disk');

    const [first] = await settled(h);
    expect(first?.opensThread).toBe(true);
    expect(first?.conversation).toEqual(conversation);
    expect(conversation.thread).not.toBe('');
  },

  'a mention in a thread stays in it': async (h) => {
    await h.start();
    await h.mention('and now?', { inThread: h.thread });

    const [first] = await settled(h);
    expect(first?.opensThread).toBe(false);
    expect(first?.conversation).toEqual(h.thread);
  },

  'an Approve click arrives as a Decision of the clicker on that card': async (h) => {
    await h.start();
    const ref = await h.adapter.post(h.thread, approvalId, card(), false);
    await h.click(h.thread, approvalId, 'Approve', h.people[1]);

    await until('the decision', () => h.inbox.decisions.length > 0);
    expect(h.inbox.decisions).toHaveLength(1);
    expect(h.inbox.decisions[0]).toMatchObject({
      approvalId,
      verdict: 'approve',
      user: { platform: h.adapter.platform, id: h.people[1] },
      card: { conversation: h.thread, message: ref },
    });
  },

  'a Deny click arrives as a Decision with its reason': async (h) => {
    await h.start();
    const ref = await h.adapter.post(h.thread, approvalId, card(), false);
    await h.click(h.thread, approvalId, 'Deny', h.people[1]);

    await until('the decision', () => h.inbox.decisions.length > 0);
    expect(h.inbox.decisions).toHaveLength(1);
    expect(h.inbox.decisions[0]).toMatchObject({
      approvalId,
      verdict: 'deny',
      reason: 'not now',
      user: { id: h.people[1] },
      card: { conversation: h.thread, message: ref },
    });
  },

  'a Stop click arrives as a request to stop that run': async (h) => {
    await h.start();
    await h.adapter.post(h.thread, 'k1', segment([text('working')], { stoppable: true }), false);
    await h.click(h.thread, 'k1', 'Stop', h.people[0]);

    await until('the stop', () => h.inbox.stops.length > 0);
    expect(h.inbox.stops).toHaveLength(1);
    expect(h.inbox.stops[0]).toMatchObject({ runId, user: { id: h.people[0] } });
  },

  'the platform gets its acknowledgement only after the inbox resolved': async (h) => {
    await h.start();
    const release = h.inbox.hold();
    await h.mention('check the disk');
    await until('the mention', () => h.inbox.mentions.length === 1);
    expect(h.acknowledged()).toBe(false);

    release();
    await until('the acknowledgement', () => h.acknowledged());
  },

  'what could not be stored is not acknowledged, and the person is told': async (h) => {
    await h.start();
    const { answerMention } = h.inbox;
    h.inbox.answerMention = async () => {
      throw new OpsError('store-unavailable', 'The store cannot be reached.', 'Try again in a minute.');
    };
    const { conversation } = await h.mention('check the disk');
    await until('the person is told', async () =>
      (await h.seen(conversation)).some((m) => m.text.includes('The store cannot be reached.')),
    );
    expect(h.acknowledged()).toBe(false);

    h.inbox.answerMention = answerMention;
    await h.redeliver();
    await until('the acknowledgement', () => h.acknowledged());
  },

  'a refused mention is answered to that person alone': async (h) => {
    await h.start();
    h.inbox.answerMention = async () => ({ kind: 'refused', text: 'You may not ask here.' });
    const { conversation } = await h.mention('check the disk', { by: h.people[1] });

    const answers = async () =>
      (await h.seen(conversation)).filter((m) => m.text.includes('You may not ask here.'));
    await until('the refusal', async () => (await answers()).length > 0);
    expect((await answers()).map((m) => m.privateTo)).toEqual([h.people[1]]);
  },

  'a word that is answered at once is answered in the conversation': async (h) => {
    await h.start();
    h.inbox.answerMention = async () => ({ kind: 'answered', text: 'Nothing is running here.' });
    await h.mention('status', { inThread: h.thread });

    await until('the answer', async () =>
      (await h.seen(h.thread)).some((m) => m.text.includes('Nothing is running here.')),
    );
  },

  'a word that is answered privately is answered to that person alone': async (h) => {
    await h.start();
    h.inbox.answerMention = async () => ({
      kind: 'answered',
      text: 'One approval is open.',
      privately: true,
    });
    await h.mention('pending', { inThread: h.thread, by: h.people[1] });

    const answers = async () =>
      (await h.seen(h.thread)).filter((m) => m.text.includes('One approval is open.'));
    await until('the answer', async () => (await answers()).length > 0);
    expect((await answers()).map((m) => m.privateTo)).toEqual([h.people[1]]);
    expect(h.inbox.mentions).toMatchObject([{ text: 'pending' }]);
  },

  'a refused click is answered to that person alone and leaves the buttons': async (h) => {
    await h.start();
    h.inbox.answerDecision = async () => ({ kind: 'refused', text: 'You may not approve this.' });
    await h.adapter.post(h.thread, approvalId, card(), false);
    await h.click(h.thread, approvalId, 'Approve', h.people[1]);

    const answers = async () =>
      (await h.seen(h.thread)).filter((m) => m.text.includes('You may not approve this.'));
    await until('the refusal', async () => (await answers()).length > 0);
    expect((await answers()).map((m) => m.privateTo)).toEqual([h.people[1]]);
    expect((await shown(h, 'systemctl restart nginx'))[0]?.buttons).toEqual(['Approve', 'Deny']);
  },

  'a payload that is unknown or mangled changes nothing': async (h) => {
    await h.start();
    await h.mangled();

    expect(await settled(h)).toEqual([]);
    expect(h.inbox.decisions).toEqual([]);
    expect(h.inbox.stops).toEqual([]);
  },

  'nothing is delivered after stop': async (h) => {
    await h.start();
    await settled(h);
    const before = h.inbox.mentions.length;
    await h.adapter.stop();
    await h.mention('too late');

    for (let turn = 0; turn < 20; turn++) await delay(1);
    expect(h.inbox.mentions).toHaveLength(before);
  },
} satisfies Record<string, (h: AdapterHarness) => Promise<void>>;

/** Hears a marker, so that everything sent before it has been heard or left out for good. */
async function settled(h: AdapterHarness): Promise<readonly Mention[]> {
  const { eventId } = await h.mention('marker');
  await until('the marker', () => h.inbox.mentions.some((m) => m.eventId === eventId));
  return h.inbox.mentions.filter((m) => m.eventId !== eventId);
}
