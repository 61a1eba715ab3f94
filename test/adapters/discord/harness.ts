/**
 * The Discord adapter with its real SDK on the Discord twin, in the form that the shared suite wants.
 */
import { InteractionResponseType } from 'discord.js';
import { createDiscord, type DiscordOptions } from '../../../adapters/discord/index.ts';
import { markerOf } from '../../../adapters/discord/render.ts';
import type { Conversation } from '../../../src/core/conversation.ts';
import type { Logger } from '../../../src/core/ports.ts';
import { type AdapterHarness, recordingInbox, type SeenMessage } from '../../contract/chat-adapter.ts';
import { until } from '../../contract/until.ts';
import { flatten, type MessageBody, type ModalBody, pingsOf } from '../../twins/discord/check.ts';
import { type Actor, botId, type Channel, type Message } from '../../twins/discord/payloads.ts';
import { type DiscordTwin, startDiscordTwin } from '../../twins/discord/twin.ts';
import { harmsIn } from './harmless.ts';

export const ada: Actor = { id: '700000000000000001', roles: ['600000000000000001'] };
export const grace: Actor = { id: '700000000000000002', roles: ['600000000000000001', '600000000000000002'] };

export interface DiscordHarness extends AdapterHarness {
  readonly twin: DiscordTwin;
  readonly channel: Channel;
  readonly threadChannel: Channel;
  readonly logged: { readonly level: string; readonly message: string; readonly fields: object }[];
}

export const directory: DiscordOptions['directory'] = {
  commands: () => [
    { name: 'disk_usage', description: 'Free space', category: 'disk', risk: 'read', params: [] },
    {
      name: 'service_logs',
      description: 'Newest log lines of a service',
      category: 'service',
      risk: 'read',
      params: [
        { name: 'service_name', description: 'Which service', optional: false },
        { name: 'lines', description: 'How many lines', optional: true },
      ],
    },
    {
      name: 'restart_service',
      description: 'Restart a service',
      category: 'service',
      risk: 'change',
      params: [],
    },
  ],
  hosts: () => [{ name: 'web-1' }, { name: 'web-2' }, { name: 'db-1' }],
};

export async function discordHarness(over: Partial<DiscordOptions> = {}): Promise<DiscordHarness> {
  const twin = await startDiscordTwin();
  twin.allowMessageContent(true);
  const channel = twin.state.addChannel({ name: 'ops' });
  const threadChannel = twin.state.addChannel({ parent: channel.id, name: 'an old thread' });
  const thread: Conversation = { platform: 'discord', channel: channel.id, thread: threadChannel.id };
  const logged: DiscordHarness['logged'] = [];
  const options: DiscordOptions = {
    token: twin.token,
    guildId: twin.state.guild,
    apiUrl: twin.apiUrl,
    logger: recordingLogger(logged),
    clock: { now: () => Date.UTC(2030, 0, 1) },
    directory,
    ...over,
  };
  const adapter = createDiscord(options);
  const inbox = recordingInbox();
  let last: { message: Message; actor: Actor } | undefined;
  let signsBefore = 0;

  const actorOf = (id: string | undefined) => (id === grace.id ? grace : ada);
  const channelOf = (where: Conversation | undefined) => (where ? threadChannel : channel);
  function write(text: string, actor: Actor, where: Channel): Message {
    signsBefore = twin.state.signs.length;
    return twin.write(where, actor, text);
  }

  return {
    adapter,
    inbox,
    twin,
    channel,
    threadChannel,
    logged,
    people: [ada.id, grace.id],
    thread,
    start: () => adapter.start(inbox),
    another: () => createDiscord(options),
    async mention(text, { by, inThread } = {}) {
      const actor = actorOf(by);
      const message = write(`<@${botId}> ${text}`, actor, channelOf(inThread));
      last = { message, actor };
      const conversation = inThread ?? { platform: 'discord', channel: channel.id, thread: message.id };
      return { eventId: message.id, conversation };
    },
    async say(text, { by, inThread } = {}) {
      write(text, actorOf(by), channelOf(inThread));
    },
    async redeliver() {
      if (!last) throw new Error('nothing was mentioned yet');
      signsBefore = twin.state.signs.length;
      twin.deliver(last.message, last.actor.roles, twin.state.guild);
    },
    async echoOwn(text) {
      write(`<@${botId}> ${text}`, { id: botId, roles: [] }, threadChannel);
    },
    async click(to, key, label, by) {
      const message = messageOf(twin, to, key);
      const fits = (shown: string) =>
        shown === label || (['Approve all', 'Undo'].includes(label) && shown.startsWith(`${label} `));
      const button = flatten(message.body.components ?? []).find((c) => c.label && fits(c.label));
      if (!button?.custom_id) throw new Error(`there is no button ${label}`);
      const pressed = twin.press(message, actorOf(by), button.custom_id);
      await until('the answer to the press', () => pressed.response !== undefined);
      if (pressed.response?.type !== InteractionResponseType.Modal) return;
      const form = pressed.response.data as unknown as ModalBody;
      const fields = form.components.map((c) => [c.component?.custom_id ?? '', 'not now']);
      const sent = twin.submit(message, actorOf(by), form.custom_id, Object.fromEntries(fields));
      await until('the answer to the form', () => sent.response !== undefined);
    },
    async pressWithoutDigest(to, key, by) {
      const pressed = twin.press(messageOf(twin, to, key), actorOf(by), `ops:approve:${key}`);
      await until('the answer to the press', () => pressed.response !== undefined);
    },
    async mangled() {
      twin.raw('MESSAGE_CREATE', { id: 7, author: null });
      twin.raw('MESSAGE_CREATE', null);
      twin.raw('INTERACTION_CREATE', { type: 3, id: 'x', data: { custom_id: ['ops:approve'] } });
      twin.raw('INTERACTION_CREATE', { type: 99 });
      for (const name of ['SOMETHING_NEW', 'THREAD_CREATE', 'GUILD_CREATE', 'GUILD_MEMBER_UPDATE'])
        twin.raw(name, null);
      const message = twin.state.addMessage(threadChannel.id, botId, { content: 'a card of somebody else' });
      for (const id of [
        'ops:approve:',
        'ops:approve:../x',
        'ops:deny:r1',
        'ops:stop:x',
        'other',
        'ops:approve:a:b',
      ])
        twin.press(message, ada, id);
    },
    async seen(where) {
      return twin.state.messages
        .filter(
          (m) => m.channel === where.thread || (m.channel === where.channel && m.replyTo === where.thread),
        )
        .map((m): SeenMessage => seenOf(m))
        .concat(
          twin.state.privates
            .filter((p) => p.message.channel === where.thread || p.message.channel === where.channel)
            .map((p) => seenOf(p.message, p.to)),
          twin.state.messages.flatMap((m) => {
            const to = twin.state.directs.get(m.channel);
            return to ? [seenOf(m, to)] : [];
          }),
        );
    },
    acknowledged: () => twin.state.signs.length > signsBefore,
    pinged: async () => twin.outgoing.flatMap(({ body }) => bodiesIn(body).flatMap(pingsOf)),
    fail(how) {
      if (how === 'rate-limited') twin.rateLimitNext(1, 1);
      else twin.setDown(how === 'down');
    },
    async close() {
      await adapter.stop();
      await twin.close();
      const harms = twin.outgoing.flatMap(({ body }) => bodiesIn(body).flatMap(harmsIn));
      if (harms.length > 0) throw new Error(`a body that was sent acts: ${harms.join(', ')}`);
    },
  };
}

/** The message bodies in a request: the body itself, or the data of an interaction's answer. */
function bodiesIn(body: unknown): MessageBody[] {
  if (typeof body !== 'object' || body === null) return [];
  const { data, ...own } = body as { data?: MessageBody; content?: string; components?: unknown };
  return [own, data].filter(
    (b): b is MessageBody => b !== undefined && ('content' in b || ('components' in b && !('title' in b))),
  );
}

/** What Discord was sent to a path that ends like this. */
export function sentTo(twin: DiscordTwin, end: string): { body: unknown; path: string; method: string }[] {
  return twin.outgoing.filter(({ path }) => path.endsWith(end));
}

/** Everything a message body shows, as its Markdown source. */
export function sourceOf(body: MessageBody): string {
  const texts = flatten(body.components ?? []).flatMap((c) => c.content ?? []);
  return [body.content ?? '', ...texts].filter(Boolean).join('\n');
}

/** The Markdown source as a person reads it: code as it is, else without marks and escapes. */
export function readable(source: string): string {
  return source
    .split(/(```[\s\S]*?```|``[^\n]*?``(?!`)|`[^`\n]+`)/)
    .map((piece, i) =>
      i % 2 === 1
        ? piece.replace(/^```[a-z]*\n|^`+ ?|\n?```$| ?`+$/g, '').replaceAll('`\u200b', '`')
        : piece
            .replace(/^-# |^#+ /gm, '')
            .replace(/(?<!\\)\*\*/g, '')
            .replace(/\\([^0-9A-Za-z\s])/g, '$1'),
    )
    .join('');
}

export function messageOf(twin: DiscordTwin, where: Conversation, key: string): Message {
  const found = twin.state.messages.find(
    (m) => m.channel === where.thread && m.body.components?.[0]?.id === markerOf(key),
  );
  if (!found) throw new Error(`no message shows ${key}`);
  return found;
}

function seenOf(message: Message, privateTo?: string): SeenMessage {
  const buttons = flatten(message.body.components ?? []).flatMap((c) => c.label ?? []);
  const text = readable(sourceOf(message.body));
  return { text, buttons, ...(privateTo === undefined ? {} : { privateTo }) };
}

function recordingLogger(into: DiscordHarness['logged']): Logger {
  const log = (level: string) => (fields: object, message: string) =>
    void into.push({ level, message, fields });
  const logger: Logger = {
    debug: log('debug'),
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    child: () => logger,
  };
  return logger;
}
