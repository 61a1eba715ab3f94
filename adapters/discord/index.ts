/**
 * Discord behind the ChatAdapter port. The worker's half (post, edit) needs REST only; the bot's half keeps a
 * gateway connection, registers `/ops` and brings what it hears to the inbox.
 */
import { ApplicationFlags, RESTJSONErrorCodes } from 'discord.js';
import type { Conversation } from '../../src/core/conversation.ts';
import { conversationKey } from '../../src/core/conversation.ts';
import { problemOf } from '../../src/core/errors.ts';
import { sha256 } from '../../src/core/json.ts';
import type { ChatAdapter, Clock, Inbox, Logger } from '../../src/core/ports.ts';
import type { View } from '../../src/core/view.ts';
import { type Component, createApi, type DiscordApi, discordCode, type SentMessage } from './api.ts';
import { type Directory, opsCommands } from './commands.ts';
import { interactionFact, messageFact } from './events.ts';
import { createGateway, type Gateway } from './gateway.ts';
import { interactionListener } from './interactions.ts';
import { type Listening, messageListener, threadName } from './messages.ts';
import { type MessageBody, markerOf, render } from './render.ts';

export interface DiscordOptions {
  readonly token: string;
  /** The only server that is heard; without it, every server that the bot was invited to. */
  readonly guildId?: string;
  /** Another API server, without the version: `http://127.0.0.1:8080/api`. */
  readonly apiUrl?: string;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly directory: Directory;
  /** How long one call to Discord may take in all, in ms. */
  readonly patienceMs?: number;
  /** First wait before logging in anew after Discord closed the gateway for good, in ms. */
  readonly backOffMs?: number;
}

const rememberedRefs = 5_000;

/** One Discord application. Connects to nothing before it is used. */
export function createDiscord(options: DiscordOptions): ChatAdapter {
  const { logger } = options;
  const api = createApi(options);
  const refs = new Map<string, string>();
  let running: { gateway: Gateway; stop(): Promise<void> } | undefined;

  function remember(to: Conversation, key: string, ref: string): string {
    if (refs.size >= rememberedRefs) refs.clear();
    refs.set(refKey(to, key), ref);
    return ref;
  }

  async function edit(to: Conversation, ref: string, body: MessageBody): Promise<void> {
    try {
      await inOpenThread(api, to, () => api.edit(to.thread, ref, body));
    } catch (error) {
      // Somebody removed the message. The run goes on; there is nothing left to change.
      if (discordCode(error) !== RESTJSONErrorCodes.UnknownMessage) throw error;
      logger.warn({ conversation: to, ref }, 'discord message was removed and cannot be edited');
    }
  }

  return {
    platform: 'discord',
    // Discord lets one message be edited about five times in five seconds.
    editEveryMs: 1_250,

    async start(inbox) {
      running ??= await listen(options, api, inbox);
    },

    async stop() {
      const former = running;
      running = undefined;
      await former?.stop();
    },

    async post(to, key, view, maybePosted) {
      const body = render(view, key);
      const known = refs.get(refKey(to, key)) ?? (maybePosted ? await find(api, to, key) : undefined);
      if (known !== undefined) {
        await edit(to, known, body);
        return remember(to, key, known);
      }
      const nonce = sha256(`${conversationKey(to)} ${key}`).slice(0, 24);
      const sent = await inOpenThread(
        api,
        to,
        () => api.post(to.thread, { ...body, nonce, enforce_nonce: true }),
        view,
      );
      // For a nonce it has seen, Discord answers with the message that is there, which may show less.
      if (textOf(sent.components) !== textOf(body.components as readonly Component[]))
        await edit(to, sent.id, body);
      return remember(to, key, sent.id);
    },

    edit(to, key, ref, view) {
      remember(to, key, ref);
      return edit(to, ref, render(view, key));
    },
  };
}

/** The bot's half, from the first call to the last event. */
async function listen(
  { token, guildId, apiUrl, logger, clock, directory, backOffMs }: DiscordOptions,
  api: DiscordApi,
  inbox: Inbox,
): Promise<{ gateway: Gateway; stop(): Promise<void> }> {
  let stopped = false;
  const underWay = new Set<Promise<void>>();
  const application = await api.application();
  const me = await api.me();
  await api.registerCommands(application.id, guildId, opsCommands).catch((error: unknown) => {
    logger.error({ problem: problemOf(error) }, 'discord slash commands could not be registered');
  });

  const listening: Listening = { api, inbox, guildId, logger, clock, stopped: () => stopped };
  const onMessage = messageListener(listening);
  const onInteraction = interactionListener(listening, directory);

  function handle(name: string, data: unknown): Promise<void> | undefined {
    const fact = name === 'MESSAGE_CREATE' ? messageFact(data, me) : interactionFact(data);
    if (fact.kind === 'ignored') {
      logger.debug({ event: name, reason: fact.reason }, 'discord event ignored');
      return undefined;
    }
    return fact.kind === 'message' ? onMessage(fact) : onInteraction(fact);
  }

  const flags = application.flags ?? 0;
  const gateway = createGateway({
    token,
    ...(apiUrl ? { apiUrl } : {}),
    ...(backOffMs ? { backOffMs } : {}),
    messageContent:
      (flags & (ApplicationFlags.GatewayMessageContent | ApplicationFlags.GatewayMessageContentLimited)) !==
      0,
    logger,
    onEvent(name, data) {
      if (stopped) return;
      const work = handle(name, data)?.finally(() => underWay.delete(work as Promise<void>));
      if (work) underWay.add(work);
    },
  });
  await gateway.connect();
  logger.info({ guild: guildId ?? 'all' }, 'discord connected');

  return {
    gateway,
    async stop() {
      stopped = true;
      await gateway.close();
      await Promise.race([Promise.allSettled(underWay), pause(2_000)]);
    },
  };
}

/**
 * Does something in a thread that may have to be opened first: the bot opens it after the inbox resolved, and may
 * have died in between or not have come to it; a thread that Discord archived meanwhile is opened again.
 */
async function inOpenThread<T>(
  api: DiscordApi,
  { channel, thread }: Conversation,
  action: () => Promise<T>,
  view?: View,
): Promise<T> {
  try {
    return await action();
  } catch (error) {
    const code = discordCode(error);
    if (code === RESTJSONErrorCodes.InvalidActionOnArchivedThread) await api.unarchive(thread);
    else if (code === RESTJSONErrorCodes.UnknownChannel && channel !== thread && view)
      await api.openThread(channel, thread, threadName(firstWords(view)));
    else throw error;
    return action();
  }
}

/** The message that shows `key` already, by its marker, among the newest hundred of the thread. */
async function find(api: DiscordApi, to: Conversation, key: string): Promise<string | undefined> {
  const me = await api.me();
  try {
    const recent = await api.recent(to.thread);
    return recent.find((m: SentMessage) => m.authorId === me && m.components[0]?.id === markerOf(key))?.id;
  } catch (error) {
    if (discordCode(error) === RESTJSONErrorCodes.UnknownChannel) return undefined;
    throw error;
  }
}

function firstWords(view: View): string {
  if (view.kind === 'card') return view.subject.command;
  const person = view.parts.find((p) => p.kind === 'person');
  return person?.kind === 'person' ? person.text : '';
}

function textOf(components: readonly Component[]): string {
  return components.map((c) => (c.content ?? '') + textOf(c.components ?? [])).join('\n');
}

function refKey(to: Conversation, key: string): string {
  return `${conversationKey(to)} ${key}`;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
