/** What is particular to Discord's interactions: /ops, autocomplete, the Deny form, and who may come to the inbox. */
import { InteractionResponseType, MessageFlags } from 'discord.js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OpsError } from '../../../src/core/errors.ts';
import { until } from '../../contract/until.ts';
import { approvalId, callPart, card, changed, digest, segment } from '../../contract/views.ts';
import { flatten, type ModalBody } from '../../twins/discord/check.ts';
import { botId } from '../../twins/discord/payloads.ts';
import type { Interaction } from '../../twins/discord/state.ts';
import {
  ada,
  type DiscordHarness,
  discordHarness,
  grace,
  messageOf,
  readable,
  sentTo,
  sourceOf,
} from './harness.ts';

let h: DiscordHarness;
beforeEach(async () => {
  h = await discordHarness();
  await h.start();
});
afterEach(() => h.close());

/** What the person alone was answered. */
function answers(to = ada.id): string[] {
  return h.twin.state.privates.filter((p) => p.to === to).map((p) => readable(sourceOf(p.message.body)));
}

async function answered(interaction: Interaction): Promise<void> {
  await until('the answer', () => interaction.answered);
}

describe('/ops', () => {
  it('is registered for the configured server at start, for servers only', () => {
    expect(h.twin.state.registered).toHaveLength(1);
    const [{ guild, commands } = { guild: '', commands: [] }] = h.twin.state.registered;
    expect(guild).toBe(h.twin.state.guild);
    expect(commands).toMatchSnapshot();
  });

  it('ask opens a thread and links to it privately', async () => {
    const asked = h.twin.slash(h.channel, ada, 'ask', { text: 'Is the disk full?' });
    await answered(asked);

    expect(asked.response).toMatchObject({
      type: InteractionResponseType.DeferredChannelMessageWithSource,
      data: { flags: MessageFlags.Ephemeral },
    });
    const starter = h.twin.state.messages.at(-1);
    expect(h.inbox.mentions).toEqual([
      {
        eventId: asked.id,
        conversation: { platform: 'discord', channel: h.channel.id, thread: starter?.id },
        user: { platform: 'discord', id: ada.id, name: 'Person 001' },
        groups: ada.roles,
        text: 'Is the disk full?',
        at: Date.UTC(2030, 0, 1),
        addressed: true,
        opensThread: true,
      },
    ]);
    expect(h.twin.state.channels.get(starter?.id ?? '')).toMatchObject({
      parent: h.channel.id,
      name: 'Is the disk full?',
    });
    expect(answers()).toEqual([`I am on it in <#${starter?.id}>.`]);
  });

  it('ask in a thread stays in it', async () => {
    await answered(h.twin.slash(h.threadChannel, ada, 'ask', { text: 'and now?' }));

    expect(h.inbox.mentions).toMatchObject([{ conversation: h.thread, opensThread: false }]);
    expect(h.twin.state.messages).toEqual([]);
  });

  it('ask that is delivered twice is one thread and one event id', async () => {
    const asked = h.twin.slash(h.channel, ada, 'ask', { text: 'Is the disk full?' });
    await answered(asked);
    h.twin.repeat(asked);
    await until('the repeat', () => h.inbox.mentions.length === 2);

    const [first, second] = h.inbox.mentions;
    expect(second).toEqual(first);
    expect(h.twin.state.messages).toHaveLength(1);
  });

  it('ask that is refused leaves nothing in the channel', async () => {
    h.inbox.answerMention = async () => ({ kind: 'refused', text: 'You may not ask here.' });
    await answered(h.twin.slash(h.channel, ada, 'ask', { text: 'Is the disk full?' }));

    expect(answers()).toEqual(['You may not ask here.']);
    expect(h.twin.state.messages).toEqual([]);
  });

  it('ask that could not be stored says so', async () => {
    h.inbox.answerMention = async () => {
      throw new OpsError('store-unavailable', 'The store cannot be reached.');
    };
    await answered(h.twin.slash(h.channel, ada, 'ask', { text: 'Is the disk full?' }));

    expect(answers()).toEqual(['Your request was not kept. The store cannot be reached.']);
    expect(sourceOf(h.twin.state.messages[0]?.body ?? {})).toContain('not kept, please ask again');
    expect(h.twin.state.signs).toEqual([]);
  });

  it('defers at once and answers only after the inbox resolved', async () => {
    const release = h.inbox.hold();
    const asked = h.twin.slash(h.threadChannel, ada, 'ask', { text: 'slow' });
    await until('the mention', () => h.inbox.mentions.length === 1);
    expect(asked.response?.type).toBe(InteractionResponseType.DeferredChannelMessageWithSource);
    expect(asked.answered).toBe(false);

    release();
    await answered(asked);
  });

  it('run names the command, host and values', async () => {
    const options = { command: 'service_logs', host: 'web-1', args: 'service_name="my unit" lines=5' };
    await answered(h.twin.slash(h.channel, grace, 'run', options));

    expect(h.inbox.mentions).toMatchObject([
      {
        text: 'run service_logs host=web-1 service_name="my unit" lines=5',
        direct: { command: 'service_logs', host: 'web-1', params: { service_name: 'my unit', lines: '5' } },
        groups: grace.roles,
        opensThread: true,
      },
    ]);
  });

  it('run with arguments that cannot be read is refused privately', async () => {
    await answered(h.twin.slash(h.channel, ada, 'run', { command: 'disk_usage', args: '; rm -rf /' }));

    expect(answers()[0]).toContain('I cannot read the arguments');
    expect(h.inbox.mentions).toEqual([]);
  });

  it.each(['stop', 'status', 'help', 'pending'])(
    '%s is brought as that word and answered privately',
    async (word) => {
      h.inbox.answerMention = async () => ({ kind: 'answered', text: 'Nothing is running here.' });
      await answered(h.twin.slash(h.threadChannel, ada, word));

      expect(h.inbox.mentions).toMatchObject([{ text: word, conversation: h.thread, addressed: true }]);
      expect(answers()).toEqual(['Nothing is running here.']);
    },
  );

  it('show brings the id as the word that compares a card with the store', async () => {
    h.inbox.answerMention = async () => ({
      kind: 'answered',
      text: 'This is not one of mine.',
      privately: true,
    });
    await answered(h.twin.slash(h.threadChannel, ada, 'show', { id: approvalId }));

    expect(h.inbox.mentions).toMatchObject([{ text: `show approval ${approvalId}`, conversation: h.thread }]);
    expect(answers()).toEqual(['This is not one of mine.']);
  });

  it('autocompletes commands, hosts and arguments', async () => {
    const offered = async (focused: string, options: Record<string, string>) => {
      const typed = h.twin.type(h.channel, ada, 'run', options, focused);
      await until('the choices', () => typed.response !== undefined);
      const { choices } = { choices: [], ...typed.response?.data } as { choices: { value: string }[] };
      return choices.map((c) => c.value);
    };

    expect(await offered('command', { command: 'disk' })).toEqual(['disk_usage']);
    expect(await offered('host', { command: 'disk_usage', host: 'db' })).toEqual(['db-1']);
    expect(await offered('args', { command: 'service_logs', args: '' })).toEqual(['service_name=', 'lines=']);
  });
});

describe('an interaction from elsewhere', () => {
  it('on another server is refused privately and offered nothing', async () => {
    const foreign = h.twin.state.addChannel({ guild: '800000000000000009' });
    const asked = h.twin.slash(foreign, ada, 'ask', { text: 'hello' });
    const typed = h.twin.type(foreign, ada, 'run', { command: '' }, 'command');
    await until('both answers', () => asked.response !== undefined && typed.response !== undefined);

    expect(asked.response?.data).toMatchObject({
      flags: MessageFlags.Ephemeral | MessageFlags.SuppressEmbeds,
    });
    expect(answers()).toEqual(['I work on another server only.']);
    expect(typed.response?.data).toEqual({ choices: [] });
    expect(h.inbox.mentions).toEqual([]);
    await until('the record', () => h.inbox.outsiders.length === 1);
    expect(h.inbox.outsiders).toEqual([
      {
        user: { platform: 'discord', id: ada.id, name: 'Person 001' },
        conversation: { platform: 'discord', channel: foreign.id, thread: foreign.id },
        what: 'request',
        why: 'I work on another server only.',
      },
    ]);
  });

  it('in direct messages is refused politely', async () => {
    const direct = h.twin.state.addChannel({ direct: ada.id });
    const asked = h.twin.slash(direct, ada, 'ask', { text: 'hello' });
    await until('the answer', () => asked.response !== undefined);

    expect(answers()[0]).toContain('Please ask me there.');
    expect(h.inbox.mentions).toEqual([]);
  });

  it('that comes too late to be answered is kept all the same', async () => {
    const release = h.inbox.hold();
    await h.adapter.post(h.thread, approvalId, card(), false);
    const message = messageOf(h.twin, h.thread, approvalId);
    const pressed = h.twin.press(message, ada, `ops:approve:${approvalId}:${digest}`);
    pressed.expired = true;
    release();

    await until('the decision', () => h.inbox.decisions.length === 1);
    expect(h.inbox.decisions[0]).toMatchObject({ eventId: pressed.id, verdict: 'approve' });
  });
});

describe('the buttons of a card', () => {
  it('carry the roles of this moment and are answered privately', async () => {
    await h.adapter.post(h.thread, approvalId, card(), false);
    const pressed = h.twin.press(
      messageOf(h.twin, h.thread, approvalId),
      grace,
      `ops:approve:${approvalId}:${digest}`,
    );
    await answered(pressed);

    expect(pressed.response?.type).toBe(InteractionResponseType.DeferredMessageUpdate);
    expect(h.inbox.decisions).toMatchObject([{ eventId: pressed.id, groups: grace.roles }]);
    expect(answers(grace.id)).toEqual(['Approved.']);
  });

  it('Deny asks for a reason that may be left out', async () => {
    const ref = await h.adapter.post(h.thread, approvalId, card(), false);
    const message = messageOf(h.twin, h.thread, approvalId);
    const pressed = h.twin.press(message, ada, `ops:deny:${approvalId}:${digest}`);
    await until('the form', () => pressed.response !== undefined);
    expect(pressed.response).toMatchObject({ type: InteractionResponseType.Modal });
    expect(h.inbox.decisions).toEqual([]);

    const form = pressed.response?.data as unknown as ModalBody;
    const sent = h.twin.submit(message, ada, form.custom_id, { reason: '  ' });
    await answered(sent);
    expect(h.inbox.decisions).toHaveLength(1);
    expect(h.inbox.decisions[0]).toMatchObject({
      eventId: sent.id,
      verdict: 'deny',
      digest,
      card: { message: ref },
    });
    expect(h.inbox.decisions[0]).not.toHaveProperty('reason');
  });

  it('a decision that could not be stored is said to the person alone', async () => {
    h.inbox.answerDecision = async () => {
      throw new OpsError('store-unavailable', 'The store cannot be reached.');
    };
    await h.adapter.post(h.thread, approvalId, card(), false);
    await answered(
      h.twin.press(messageOf(h.twin, h.thread, approvalId), ada, `ops:approve:${approvalId}:${digest}`),
    );

    expect(answers()).toEqual(['This was not kept. The store cannot be reached.']);
  });

  it('Undo names the press as its event, so that a redelivery is one request', async () => {
    await h.adapter.post(h.thread, 'k1', segment([callPart('restart_service', changed())]), false);
    const message = messageOf(h.twin, h.thread, 'k1');
    const id = flatten(message.body.components ?? []).find((c) => c.label === 'Undo')?.custom_id ?? '';
    const pressed = h.twin.press(message, grace, id);
    await answered(pressed);
    h.twin.repeat(pressed);
    await until('the repeat', () => h.inbox.undos.length === 2);

    expect(h.inbox.undos.map((u) => u.eventId)).toEqual([pressed.id, pressed.id]);
    expect(h.inbox.undos[0]?.groups).toEqual(grace.roles);
    expect(answers(grace.id)[0]).toBe('I am on it, here in this thread.');
  });

  it('a press on another server is refused privately and put on record', async () => {
    const foreign = h.twin.state.addChannel({ guild: '800000000000000009' });
    const message = h.twin.state.addMessage(foreign.id, botId, {});
    const pressed = h.twin.press(message, ada, `ops:approve:${approvalId}:${digest}`);
    const asked = h.twin.press(message, ada, `ops:deny:${approvalId}:${digest}`);
    await until('both records', () => h.inbox.outsiders.length === 2);

    for (const { response } of [pressed, asked])
      expect(response?.data).toMatchObject({ flags: MessageFlags.Ephemeral | MessageFlags.SuppressEmbeds });
    expect(answers()).toEqual(['I work on another server only.', 'I work on another server only.']);
    expect(h.inbox.outsiders.map((o) => o.what)).toEqual(['press', 'press']);
    expect(h.inbox.decisions).toEqual([]);
  });

  it('a press of a bot is nothing', async () => {
    await h.adapter.post(h.thread, approvalId, card(), false);
    const message = messageOf(h.twin, h.thread, approvalId);
    h.twin.press(message, { id: '900000000000000001', roles: [] }, `ops:approve:${approvalId}:${digest}`);
    await answered(h.twin.press(message, ada, 'ops:approve:unknown'));

    expect(h.inbox.decisions).toEqual([]);
    expect(answers()).toEqual(['I do not know this button; nothing was done.']);
    expect(h.inbox.outsiders).toMatchObject([
      { user: { id: ada.id }, conversation: h.thread, what: 'press' },
    ]);
  });

  it('no answer shows to all: every body sent over an interaction is private', async () => {
    await answered(h.twin.slash(h.channel, ada, 'ask', { text: 'a' }));
    await h.adapter.post(h.thread, approvalId, card(), false);
    await answered(
      h.twin.press(messageOf(h.twin, h.thread, approvalId), ada, `ops:approve:${approvalId}:${digest}`),
    );

    for (const { body } of sentTo(h.twin, '/callback').concat(
      h.twin.outgoing.filter((o) => /^\/webhooks\/\d+\/[^/]+$/.test(o.path)),
    )) {
      const { type, data, flags } = body as { type?: number; data?: { flags?: number }; flags?: number };
      if (type === InteractionResponseType.DeferredMessageUpdate) continue;
      expect(((data?.flags ?? flags ?? 0) & MessageFlags.Ephemeral) !== 0).toBe(true);
    }
  });
});
