/**
 * Discord's REST API in the few verbs we need. Every call ends within its patience; every failure is an OpsError
 * that carries Discord's code and never a URL, since interaction URLs hold a token.
 */
import {
  type APIChannel,
  type APIMessage,
  DiscordAPIError,
  HTTPError,
  MessageFlags,
  RateLimitError,
  REST,
  RESTJSONErrorCodes,
  type RESTPutAPIApplicationCommandsJSONBody,
  type RequestData,
  Routes,
} from 'discord.js';
import { OpsError } from '../../src/core/errors.ts';
import { clip } from './text.ts';

/** Discord answered with a refusal, or not at all (`code` undefined). */
class DiscordUnavailable extends OpsError {
  readonly code: number | undefined;

  constructor(message: string, remedy: string | undefined, code: number | undefined) {
    super('chat-unavailable', message, remedy);
    this.name = 'DiscordUnavailable';
    this.code = code;
  }
}

export function discordCode(error: unknown): number | undefined {
  return error instanceof DiscordUnavailable ? error.code : undefined;
}

/** A channel as far as it matters here; `parent` is set for threads. */
export interface Place {
  readonly id: string;
  readonly type: number;
  readonly parent?: string;
}

export interface SentMessage {
  readonly id: string;
  readonly authorId: string;
  readonly components: readonly Component[];
}

/** Any component, as far as we read one back. */
export interface Component {
  readonly id?: number;
  readonly content?: string;
  readonly components?: readonly Component[];
}

export interface InteractionRef {
  readonly id: string;
  readonly token: string;
  readonly applicationId: string;
}

export interface ApiOptions {
  readonly token: string;
  readonly apiUrl?: string;
  /** How long one call may take in all, with its waits for rate limits and its retries, in ms. */
  readonly patienceMs?: number;
}

export type DiscordApi = ReturnType<typeof createApi>;

/** A short message of our own, outside the view of a run. `text` is Discord Markdown that is already harmless. */
export function note(text: string, flags = 0): { content: string; flags: number; allowed_mentions: object } {
  return {
    content: clip(text, 2000),
    flags: MessageFlags.SuppressEmbeds | flags,
    allowed_mentions: { parse: [], replied_user: false },
  };
}

export function createApi({ token, apiUrl, patienceMs = 20_000 }: ApiOptions) {
  const rest = new REST(restOptions(apiUrl)).setToken(token);
  let me: Promise<string> | undefined;

  /** One call. Waiting for a rate limit counts against the patience, so that a caller never hangs. */
  async function call<T>(doing: string, request: Promise<unknown>, abort: AbortController): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new DiscordUnavailable(`Discord did not let me ${doing} in time.`, undefined, undefined));
        abort.abort();
      }, patienceMs);
    });
    request.catch(() => undefined);
    try {
      return (await Promise.race([request, late])) as T;
    } catch (error) {
      throw failure(doing, error);
    } finally {
      clearTimeout(timer);
    }
  }

  type Method = 'get' | 'put' | 'post' | 'patch' | 'delete';
  function send<T = void>(
    doing: string,
    method: Method,
    route: `/${string}`,
    options: RequestData = {},
  ): Promise<T> {
    const abort = new AbortController();
    return call<T>(doing, rest[method](route, { ...options, signal: abort.signal }), abort);
  }

  return {
    /** This bot's user id. Kept once known. */
    me(): Promise<string> {
      me ??= send<{ id: string }>('look up this bot', 'get', Routes.user('@me')).then((user) => user.id);
      me.catch(() => {
        me = undefined;
      });
      return me;
    },

    application: () =>
      send<{ id: string; flags?: number }>('look up this application', 'get', Routes.currentApplication()),

    registerCommands: (
      application: string,
      guild: string | undefined,
      body: RESTPutAPIApplicationCommandsJSONBody,
    ) =>
      send(
        'register the slash commands',
        'put',
        guild ? Routes.applicationGuildCommands(application, guild) : Routes.applicationCommands(application),
        { body },
      ),

    async place(channel: string): Promise<Place> {
      return placeOf(await send<APIChannel>('look up the channel', 'get', Routes.channel(channel)));
    },

    async post(channel: string, body: object): Promise<SentMessage> {
      return sentMessage(await send('post a message', 'post', Routes.channelMessages(channel), { body }));
    },

    edit: (channel: string, message: string, body: object) =>
      send<unknown>('edit a message', 'patch', Routes.channelMessage(channel, message), { body }),

    remove: (channel: string, message: string) =>
      send<unknown>('remove a message', 'delete', Routes.channelMessage(channel, message)),

    /** The newest messages of a thread, newest first, as many as Discord gives at once. */
    async recent(channel: string): Promise<readonly SentMessage[]> {
      const query = new URLSearchParams({ limit: '100' });
      const found = await send<APIMessage[]>('read the thread', 'get', Routes.channelMessages(channel), {
        query,
      });
      return found.map(sentMessage);
    },

    /** Opens the thread of a message; Discord gives it the message's own id. One that is there already is fine. */
    async openThread(channel: string, message: string, name: string): Promise<void> {
      try {
        await send('open a thread', 'post', Routes.threads(channel, message), { body: { name } });
      } catch (error) {
        if (discordCode(error) !== RESTJSONErrorCodes.ThreadAlreadyCreatedForMessage) throw error;
      }
    },

    unarchive: (thread: string) =>
      send<unknown>('open the archived thread', 'patch', Routes.channel(thread), {
        body: { archived: false },
      }),

    typing: (channel: string) => send('show that I am typing', 'post', Routes.channelTyping(channel)),

    /** A direct message, the only private answer there is to an ordinary message. */
    async direct(user: string, body: object): Promise<void> {
      const channel = await send<{ id: string }>('open a direct message', 'post', Routes.userChannels(), {
        body: { recipient_id: user },
      });
      await send('send a direct message', 'post', Routes.channelMessages(channel.id), { body });
    },

    /** The first answer to an interaction, due within 3 seconds. */
    respond: ({ id, token: secret }: InteractionRef, type: number, data?: object) =>
      send('answer an interaction', 'post', Routes.interactionCallback(id, secret), {
        auth: false,
        body: data ? { type, data } : { type },
      }),

    /** Replaces a deferred first answer. */
    answer: ({ applicationId, token: secret }: InteractionRef, body: object) =>
      send<unknown>('answer an interaction', 'patch', Routes.webhookMessage(applicationId, secret), {
        auth: false,
        body,
      }),

    followUp: ({ applicationId, token: secret }: InteractionRef, body: object) =>
      send<unknown>('answer an interaction', 'post', Routes.webhook(applicationId, secret), {
        auth: false,
        body,
      }),
  };
}

/** What both the REST client and the gateway client are told about where and how to call. */
export function restOptions(apiUrl: string | undefined) {
  return { version: '10', timeout: 10_000, retries: 2, ...(apiUrl ? { api: apiUrl } : {}) };
}

export function placeOf(channel: { id: string; type: number; parent_id?: string | null | undefined }): Place {
  const isThread = channel.type >= 10 && channel.type <= 12;
  return {
    id: channel.id,
    type: channel.type,
    ...(isThread && channel.parent_id ? { parent: channel.parent_id } : {}),
  };
}

/** An OpsError for whatever the SDK threw, with the remedy where there is one. */
export function failure(doing: string, error: unknown): OpsError {
  if (error instanceof OpsError) return error;
  if (error instanceof DiscordAPIError) {
    const code = typeof error.code === 'number' ? error.code : undefined;
    const words = clip(error.message.replace(/\s+/g, ' '), 200);
    return new DiscordUnavailable(
      `Discord refused to ${doing}: ${words} (${error.status}).`,
      remedy(error),
      code,
    );
  }
  const why =
    error instanceof HTTPError || error instanceof RateLimitError
      ? 'it is overloaded or down'
      : 'the connection failed';
  return new DiscordUnavailable(`Discord could not be reached to ${doing}: ${why}.`, undefined, undefined);
}

function remedy({ status, code }: DiscordAPIError): string | undefined {
  if (status === 401) return 'Set DISCORD_TOKEN to a valid bot token.';
  if (code === RESTJSONErrorCodes.MissingAccess || code === RESTJSONErrorCodes.MissingPermissions)
    return 'Invite the bot again with the permissions in docs/discord.md.';
  return undefined;
}

function sentMessage(message: APIMessage): SentMessage {
  return {
    id: message.id,
    authorId: message.author.id,
    components: (message.components ?? []) as readonly Component[],
  };
}
