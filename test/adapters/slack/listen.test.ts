/**
 * What is particular to how Slack tells: two events for one mention, other workspaces, forms, direct messages.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OpsError } from '../../../src/core/errors.ts';
import { until } from '../../contract/until.ts';
import { approvalId, callPart, card, changed, digest, digestOfAll, segment } from '../../contract/views.ts';
import { visibleText } from '../../twins/slack/blocks.ts';
import { bot, nextTs, team } from '../../twins/slack/methods.ts';
import { createHarness, type SlackHarness, submission } from './harness.ts';

let h: SlackHarness;
beforeEach(async () => {
  h = await createHarness();
  await h.start();
});
afterEach(() => h.close());

const acked = (envelope: string) => until('the acknowledgement', () => h.twin.acks.includes(envelope));

function appMention(over: Record<string, unknown>, outer?: Record<string, unknown>): unknown {
  const ts = nextTs();
  const fields = { type: 'app_mention', user: 'U0ADA', text: `<@${bot.user}> hello`, channel: 'C0OPS' };
  return h.event({ ...fields, ts, event_ts: ts, team, ...over }, outer);
}

function privateTexts(): readonly string[] {
  return h.twin.messages
    .filter((m) => m.privateTo)
    .map((m) => `${m.privateTo}: ${visibleText(m.blocks).trim()}`);
}

describe('a mention', () => {
  it('that Slack sends as two events, each of them twice, is heard under one event id', async () => {
    const { eventId } = await h.mention('check the disk');
    await h.redeliver();
    await until('the redelivery', () => h.inbox.mentions.length === 2);

    expect(h.inbox.mentions.map((m) => m.eventId)).toEqual([eventId, eventId]);
  });

  it('is readable: links, escapes and names as they were typed', async () => {
    await h.mention(
      'is <http://example.com|example.com> up? <@U0GRACE|grace> asked in <#C1|ops>: a &lt; b &amp;&amp; c',
    );
    await until('the mention', () => h.inbox.mentions.length === 1);

    expect(h.inbox.mentions[0]?.text).toBe('is example.com up? @grace asked in #ops: a < b && c');
    expect(h.inbox.mentions[0]?.user.name).toBe('Ada');
  });

  it('in a direct message needs no name of the bot', async () => {
    const ts = nextTs();
    const body = { type: 'message', channel_type: 'im', channel: 'D0ADA', user: 'U0ADA', text: 'hello', ts };
    await acked(h.twin.push('events_api', h.event({ ...body, event_ts: ts, team })));

    expect(h.inbox.mentions).toHaveLength(1);
    expect(h.inbox.mentions[0]).toMatchObject({
      addressed: true,
      opensThread: true,
      conversation: { channel: 'D0ADA', thread: ts },
    });
  });

  it('that is an edit, a join or a bot talking is ignored', async () => {
    for (const over of [
      { type: 'message', subtype: 'message_changed', thread_ts: h.thread.thread },
      { type: 'message', subtype: 'channel_join' },
      { bot_id: 'B0OTHER' },
      { user: bot.user },
    ])
      await acked(h.twin.push('events_api', appMention(over)));

    expect(h.inbox.mentions).toEqual([]);
  });
});

describe('people who are not full members of the workspace', () => {
  it('of another workspace are refused privately, whatever field says so', async () => {
    for (const over of [{ team: 'T0OTHER' }, { user_team: 'T0OTHER' }, { source_team: 'T0OTHER' }])
      await acked(h.twin.push('events_api', appMention(over)));
    await acked(h.twin.push('events_api', appMention({}, { team_id: 'T0OTHER' })));

    expect(h.inbox.mentions).toEqual([]);
    expect(privateTexts()).toHaveLength(4);
    for (const text of privateTexts()) expect(text).toMatch(/^U0ADA: Only members of this workspace/);
    expect(h.inbox.outsiders).toHaveLength(4);
    expect(h.inbox.outsiders[0]).toMatchObject({
      user: { platform: 'slack', id: 'U0ADA' },
      conversation: { platform: 'slack', channel: 'C0OPS' },
      what: 'request',
      why: expect.stringContaining('Only members'),
    });
  });

  it('are refused when only the directory knows: guests, bots, people of other workspaces, unknown ones', async () => {
    h.twin.users.set('U0GUEST', { name: 'Guest', guest: true });
    h.twin.users.set('U0BOTTY', { name: 'Botty', bot: true });
    h.twin.users.set('U0FAR', { name: 'Far', teamId: 'T0OTHER' });
    for (const user of ['U0GUEST', 'U0BOTTY', 'U0FAR', 'U0NOBODY'])
      await acked(h.twin.push('events_api', appMention({ user })));

    expect(h.inbox.mentions).toEqual([]);
    expect(privateTexts().map((t) => t.split(':')[0])).toEqual(['U0GUEST', 'U0BOTTY', 'U0FAR']);
    expect(h.inbox.outsiders.map((o) => o.user.id)).toEqual(['U0GUEST', 'U0BOTTY', 'U0FAR', 'U0NOBODY']);
  });

  it('talking among others in a thread are left in peace', async () => {
    await acked(
      h.twin.push(
        'events_api',
        appMention({ type: 'message', text: 'hm', user_team: 'T0OTHER', thread_ts: h.thread.thread }),
      ),
    );

    expect(h.inbox.mentions).toEqual([]);
    expect(h.inbox.outsiders).toEqual([]);
    expect(privateTexts()).toEqual([]);
  });

  it('cannot decide: their click is refused privately and the card keeps its buttons', async () => {
    await h.adapter.post(h.thread, approvalId, card(), false);
    const message = h.messageOf(h.thread, approvalId);
    const foreign = { user: { id: 'U0GRACE', username: 'grace', team_id: 'T0OTHER' } };
    await acked(h.twin.push('interactive', h.press(message, 'Approve', 'U0GRACE', foreign)));
    const elsewhere = { team: { id: 'T0OTHER', domain: 'other' } };
    await acked(h.twin.push('interactive', h.press(message, 'Approve', 'U0GRACE', elsewhere)));

    expect(h.inbox.decisions).toEqual([]);
    expect(privateTexts()).toHaveLength(2);
    expect(h.inbox.outsiders.map((o) => [o.user.id, o.what])).toEqual([
      ['U0GRACE', 'decision'],
      ['U0GRACE', 'decision'],
    ]);
    expect(JSON.stringify(message.blocks)).toContain('opsagent_approve');
  });

  it('are asked about again at a decision: a guest since a minute cannot decide', async () => {
    await h.mention('hello', { by: 'U0GRACE' });
    await until('the mention', () => h.inbox.mentions.length === 1);
    await h.adapter.post(h.thread, approvalId, card(), false);
    h.twin.users.set('U0GRACE', { name: 'Grace', guest: true });

    await h.click(h.thread, approvalId, 'Approve', 'U0GRACE');
    await until('the refusal', () => privateTexts().length > 0);

    expect(h.inbox.decisions).toEqual([]);
  });
});

describe('user groups', () => {
  it('come with a mention, and are read anew at a decision', async () => {
    h.twin.users.set('U0GRACE', { name: 'Grace', groups: ['S0ONCALL'] });
    await h.mention('hello', { by: 'U0GRACE' });
    await until('the mention', () => h.inbox.mentions.length === 1);
    h.twin.users.set('U0GRACE', { name: 'Grace', groups: ['S0OTHER'] });
    await h.adapter.post(h.thread, approvalId, card(), false);
    await h.click(h.thread, approvalId, 'Approve', 'U0GRACE');
    await until('the decision', () => h.inbox.decisions.length === 1);

    expect(h.inbox.mentions[0]?.groups).toEqual(['S0ONCALL']);
    expect(h.inbox.decisions[0]?.groups).toEqual(['S0OTHER']);
  });

  it('are none when the app may not read them', async () => {
    h.twin.users.set('U0ADA', { name: 'Ada', groups: ['S0ONCALL'] });
    h.twin.failing = (method) =>
      method === 'usergroups.list' ? { how: 'error', error: 'missing_scope' } : undefined;
    await h.mention('hello');
    await until('the mention', () => h.inbox.mentions.length === 1);

    expect(h.inbox.mentions[0]?.groups).toEqual([]);
  });

  it('that cannot be read now are not taken for none: the event is not acknowledged', async () => {
    h.twin.failing = (method) =>
      method === 'usergroups.list' ? { how: 'error', error: 'team_access_not_granted' } : undefined;
    await h.mention('hello');
    await until('the person is told', () => privateTexts().length === 1);

    expect(h.inbox.mentions).toEqual([]);
    expect(h.acknowledged()).toBe(false);
  });
});

describe('a click', () => {
  it('delivered again keeps its event id', async () => {
    await h.adapter.post(h.thread, approvalId, card(), false);
    await h.click(h.thread, approvalId, 'Approve', 'U0GRACE');
    await h.redeliver();
    await until('both', () => h.inbox.decisions.length === 2);

    expect(new Set(h.inbox.decisions.map((d) => d.eventId)).size).toBe(1);
  });

  it('that could not be stored is not acknowledged, and the person hears it once', async () => {
    h.inbox.answerDecision = async () => {
      throw new OpsError('store-unavailable', 'The store cannot be reached.');
    };
    await h.adapter.post(h.thread, approvalId, card(), false);
    await h.click(h.thread, approvalId, 'Approve', 'U0GRACE');
    await until('the person is told', () => privateTexts().length === 1);
    await h.redeliver();
    await until('the second try', () => h.inbox.decisions.length === 2);
    expect(h.acknowledged()).toBe(false);

    h.inbox.answerDecision = async () => ({ kind: 'counted', text: 'Approved.' });
    await h.redeliver();
    await until('the acknowledgement', () => h.acknowledged());
    expect(h.twin.acks).toHaveLength(1);
    expect(privateTexts()).toEqual(['U0GRACE: The store cannot be reached.']);
  });

  it('on a message that is not ours, or with a value that is no approval, decides nothing, is told and put on record', async () => {
    await h.adapter.post(h.thread, approvalId, card(), false);
    const message = h.messageOf(h.thread, approvalId);
    const press = h.press(message, 'Approve', 'U0GRACE') as { message: object; actions: object[] };
    const foreign = { ...press, message: { ...press.message, user: 'U0OTHER', bot_id: 'B0OTHER' } };
    const wrong = { ...press, actions: [{ ...press.actions[0], value: 'r1-a' }] };
    for (const payload of [foreign, wrong]) await acked(h.twin.push('interactive', payload));

    expect(h.inbox.decisions).toEqual([]);
    expect(privateTexts()).toEqual([
      'U0GRACE: This card is not one of mine; nothing was decided.',
      'U0GRACE: I do not know this button; nothing was done.',
    ]);
    expect(h.inbox.outsiders.map((o) => o.why)).toEqual(
      privateTexts().map((t) => t.slice('U0GRACE: '.length)),
    );
  });

  it('on Approve all is answered also when it was counted: not all of them may have been', async () => {
    h.inbox.answerDecision = async () => ({ kind: 'counted', text: 'a: Approved.\nb: Too late.' });
    await h.adapter.post(h.thread, approvalId, card({ all: { count: 2, digest: digestOfAll } }), false);
    await h.click(h.thread, approvalId, 'Approve all', 'U0GRACE');

    await until('the answer', () => privateTexts().length === 1);
    expect(privateTexts()[0]).toContain('b: Too late.');
  });

  it('with a digest that is none is brought as it is, for the inbox to judge', async () => {
    await h.adapter.post(h.thread, approvalId, card(), false);
    const press = h.press(h.messageOf(h.thread, approvalId), 'Approve', 'U0GRACE') as { actions: object[] };
    const mangled = { ...press, actions: [{ ...press.actions[0], value: `${approvalId}:../${digest}:x` }] };
    await acked(h.twin.push('interactive', mangled));

    expect(h.inbox.decisions.map((d) => d.digest)).toEqual([`../${digest}:x`]);
  });
});

describe('Undo', () => {
  it('names the press as its event, so that a redelivery is one request', async () => {
    await h.adapter.post(h.thread, 'k1', segment([callPart('restart_service', changed())]), false);
    await h.click(h.thread, 'k1', 'Undo', 'U0GRACE');
    await h.redeliver();
    await until('both', () => h.inbox.undos.length === 2);
    await h.click(h.thread, 'k1', 'Undo', 'U0GRACE');
    await until('the second press', () => h.inbox.undos.length === 3);

    const [first, again, second] = h.inbox.undos.map((u) => u.eventId);
    expect(again).toBe(first);
    expect(second).not.toBe(first);
  });

  it('of a guest is refused privately and put on record', async () => {
    await h.adapter.post(h.thread, 'k1', segment([callPart('restart_service', changed())]), false);
    h.twin.users.set('U0GRACE', { name: 'Grace', guest: true });
    await h.click(h.thread, 'k1', 'Undo', 'U0GRACE');
    await until('the refusal', () => privateTexts().length === 1);

    expect(h.inbox.undos).toEqual([]);
    expect(h.inbox.outsiders).toMatchObject([{ user: { id: 'U0GRACE' }, what: 'undo' }]);
  });
});

describe('the form for a Deny', () => {
  it('is opened with the trigger of the click, and an empty reason is none', async () => {
    await h.adapter.post(h.thread, approvalId, card(), false);
    const press = h.press(h.messageOf(h.thread, approvalId), 'Deny', 'U0GRACE') as { trigger_id: string };
    await acked(h.twin.push('interactive', press));
    expect(h.twin.views.at(-1)?.trigger).toBe(press.trigger_id);
    expect(h.inbox.decisions).toEqual([]);

    await acked(h.twin.push('interactive', submission(h.twin, 'U0GRACE', '  ')));
    expect(h.inbox.decisions[0]).toMatchObject({ verdict: 'deny', approvalId, digest });
    expect(h.inbox.decisions[0]).not.toHaveProperty('reason');
  });

  it('is answered privately when the denial comes too late', async () => {
    h.inbox.answerDecision = async () => ({ kind: 'late', text: 'Grace approved this already.' });
    await h.adapter.post(h.thread, approvalId, card(), false);
    await h.click(h.thread, approvalId, 'Deny', 'U0ADA');

    await until('the answer', () => privateTexts().length === 1);
    expect(privateTexts()).toEqual(['U0ADA: Grace approved this already.']);
  });
});
