/** The worker's half: threads that are missing or archived, messages that are gone, keys and failures. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDiscord } from '../../../adapters/discord/index.ts';
import type { Conversation } from '../../../src/core/conversation.ts';
import { OpsError } from '../../../src/core/errors.ts';
import { shown } from '../../contract/chat-adapter-showing.ts';
import { until } from '../../contract/until.ts';
import { segment, text } from '../../contract/views.ts';
import { botId } from '../../twins/discord/payloads.ts';
import { ada, type DiscordHarness, directory, discordHarness, grace, sentTo } from './harness.ts';

let h: DiscordHarness;
beforeEach(async () => {
  h = await discordHarness();
});
afterEach(() => h.close());

const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

describe('post', () => {
  it('opens the thread of a mention when the bot did not come to it', async () => {
    const message = h.twin.write(h.channel, ada, 'check the disk');
    const to: Conversation = { platform: 'discord', channel: h.channel.id, thread: message.id };
    const said = {
      kind: 'person',
      user: { platform: 'discord', id: ada.id, name: 'Ada' },
      text: 'check the <disk>',
      at: 0,
    } as const;
    await h.adapter.post(to, 'k1', segment([said, text('on it')]), true);

    expect(await shown(h, 'on it', to)).toHaveLength(1);
    expect(h.twin.state.channels.get(message.id)).toMatchObject({
      name: 'check the disk',
      parent: h.channel.id,
    });
  });

  it('carries a nonce that Discord is asked to enforce', async () => {
    await h.adapter.post(h.thread, 'k1', segment([text('one')]), false);
    await h.another().post(h.thread, 'k1', segment([text('two')]), false);

    expect(sentTo(h.twin, '/messages').map(({ body }) => body)).toMatchObject([
      { nonce: expect.stringMatching(/^[0-9a-f]{24}$/), enforce_nonce: true },
      { nonce: expect.stringMatching(/^[0-9a-f]{24}$/), enforce_nonce: true },
    ]);
    expect(await shown(h, 'two')).toHaveLength(1);
    expect(await shown(h, 'one')).toHaveLength(0);
  });

  it('does not take the message of another for its own when it asks the thread', async () => {
    const ref = await h.adapter.post(h.thread, 'k1', segment([text('mine')]), false);
    const mine = h.twin.state.messages.find((m) => m.id === ref);
    h.twin.state.addMessage(h.thread.thread, grace.id, mine?.body ?? {});
    h.twin.state.nonces.clear();

    expect(await h.another().post(h.thread, 'k1', segment([text('mine, edited')]), true)).toBe(ref);
  });

  it('is chat-unavailable, with Discord’s words, where the thread is gone for good', async () => {
    const nowhere: Conversation = {
      platform: 'discord',
      channel: h.channel.id,
      thread: '123456789012345678',
    };
    const thrown = await h.adapter
      .post(nowhere, 'k1', segment([text('lost')]), false)
      .catch((e: unknown) => e);

    expect((thrown as OpsError).problem).toMatchObject({
      code: 'chat-unavailable',
      message: expect.stringContaining('Unknown Message'),
    });
  });

  it('gives up within its patience when the rate limit is longer', async () => {
    const hasty = createDiscord({
      token: h.twin.token,
      apiUrl: h.twin.apiUrl,
      logger: silent,
      clock: { now: () => 0 },
      directory,
      patienceMs: 100,
    });
    h.twin.rateLimitNext(1, 30);

    await expect(hasty.post(h.thread, 'k1', segment([text('late')]), false)).rejects.toMatchObject({
      problem: { code: 'chat-unavailable', message: 'Discord did not let me post a message in time.' },
    });
    expect(h.twin.state.messages).toEqual([]);
  });

  it('is chat-unavailable when nobody listens at the address', async () => {
    const gone = createDiscord({
      token: 't',
      apiUrl: 'http://127.0.0.1:1/api',
      logger: silent,
      clock: { now: () => 0 },
      directory,
    });

    await expect(gone.post(h.thread, 'k1', segment([text('x')]), false)).rejects.toBeInstanceOf(OpsError);
  });
});

describe('edit', () => {
  it('opens a thread that was archived', async () => {
    const ref = await h.adapter.post(h.thread, 'k1', segment([text('before')]), false);
    h.threadChannel.archived = true;
    await h.adapter.edit(h.thread, 'k1', ref, segment([text('after')]));

    expect(await shown(h, 'after')).toHaveLength(1);
  });

  it('of a message that somebody removed is noted and does not fail', async () => {
    const ref = await h.adapter.post(h.thread, 'k1', segment([text('before')]), false);
    h.twin.state.messages.length = 0;
    await h.adapter.edit(h.thread, 'k1', ref, segment([text('after')]));

    expect(h.logged.map((l) => l.message)).toContain('discord message was removed and cannot be edited');
  });
});

describe('messages', () => {
  it('of bots, webhooks and systems are ignored, replies to the bot are heard', async () => {
    await h.start();
    h.twin.write(h.channel, { id: botId, roles: [] }, `<@${botId}> loop`);
    const event = {
      channel_id: h.channel.id,
      guild_id: h.twin.state.guild,
      mentions: [{ id: botId }],
      content: 'x',
    };
    const author = { id: ada.id, username: 'ada' };
    h.twin.raw('MESSAGE_CREATE', { ...event, id: '5', type: 0, author, webhook_id: '7' });
    h.twin.raw('MESSAGE_CREATE', { ...event, id: '6', type: 0, author: { ...author, bot: true } });
    h.twin.raw('MESSAGE_CREATE', { ...event, id: '7', type: 7, author });
    h.twin.raw('MESSAGE_CREATE', {
      ...event,
      id: '8',
      type: 19,
      author,
      member: { roles: ['4'], nick: 'Countess' },
    });
    await until('the reply', () => h.inbox.mentions.length > 0);

    expect(h.inbox.mentions).toMatchObject([{ eventId: '8', user: { name: 'Countess' }, groups: ['4'] }]);
  });

  it('in direct messages are answered politely and go nowhere', async () => {
    await h.start();
    h.twin.raw('MESSAGE_CREATE', {
      id: '5',
      channel_id: '6',
      type: 0,
      author: { id: ada.id, username: 'ada' },
      mentions: [],
      content: 'hi',
    });
    await until('the answer', async () =>
      (await h.seen(h.thread)).some((m) => m.text.includes('Please ask me there.')),
    );

    expect(h.inbox.mentions).toEqual([]);
  });

  it('that are refused while direct messages are closed get a reply that says nothing else', async () => {
    await h.start();
    h.twin.state.closedDirects.add(ada.id);
    h.inbox.answerMention = async () => ({ kind: 'refused', text: 'You are not in group ops.' });
    const { conversation } = await h.mention('check the disk');
    await until('the answer', async () =>
      (await h.seen(conversation)).some((m) => m.text.includes('direct messages are closed')),
    );

    expect((await h.seen(conversation)).some((m) => m.text.includes('group ops'))).toBe(false);
  });
});
