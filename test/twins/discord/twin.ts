/**
 * Discord in this process: REST under /api/v10 and the gateway on 127.0.0.1, for the real SDK. It keeps every body
 * that it was sent, and people act through its methods.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ApplicationFlags, GatewayIntentBits, InteractionType } from 'discord.js';
import { createGatewayTwin, type GatewayTwin } from './gateway.ts';
import {
  type Actor,
  autocompleteEvent,
  botId,
  buttonEvent,
  type Channel,
  channelOf,
  commandEvent,
  type Message,
  mentionedIn,
  messageEvent,
  modalEvent,
  readyEvent,
  type Ticket,
} from './payloads.ts';
import { answer, needsToken } from './rest.ts';
import { type Interaction, State } from './state.ts';

export interface Outgoing {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

type Options = Readonly<Record<string, string>>;

export interface DiscordTwin {
  readonly apiUrl: string;
  readonly state: State;
  readonly gateway: GatewayTwin;
  readonly outgoing: Outgoing[];
  token: string;
  allowMessageContent(allowed: boolean): void;
  rateLimitNext(times: number, seconds: number): void;
  setDown(down: boolean): void;
  /** A person writes. `roles` are what the event tells about them. */
  write(channel: Channel, by: Actor, content: string, opts?: { guild?: string; bot?: boolean }): Message;
  deliver(message: Message, roles: readonly string[], guild?: string): void;
  slash(channel: Channel, by: Actor, sub: string, options?: Options): Interaction;
  type(channel: Channel, by: Actor, sub: string, options: Options, focused: string): Interaction;
  press(message: Message, by: Actor, customId: string): Interaction;
  submit(message: Message, by: Actor, customId: string, values: Options): Interaction;
  /** The same interaction event once more, as after a resume. */
  repeat(interaction: Interaction): void;
  raw(name: string, data: unknown): void;
  close(): Promise<void>;
}

export async function startDiscordTwin(): Promise<DiscordTwin> {
  const state = new State('800000000000000001');
  const outgoing: Outgoing[] = [];
  const events = new Map<string, unknown>();
  let limited = { times: 0, seconds: 0 };
  let down = false;

  const server = createServer((request, response) => {
    void serve(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  state.gatewayUrl = `ws://127.0.0.1:${port}/gateway`;

  const gateway = createGatewayTwin({
    server,
    token: () => twin.token,
    url: () => state.gatewayUrl,
    mayReadContent: () => state.applicationFlags !== 0,
    ready: (session, url) => readyEvent(session, url, state.guild),
    guild: () => ({
      id: state.guild,
      name: 'Test server',
      unavailable: false,
      member_count: 3,
      channels: [...state.channels.values()]
        .filter((c) => c.guild === state.guild && !c.parent)
        .map(channelOf),
      threads: [],
      members: [],
      roles: [],
      emojis: [],
      stickers: [],
      presences: [],
      voice_states: [],
      stage_instances: [],
      guild_scheduled_events: [],
      features: [],
    }),
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { pathname } = new URL(request.url ?? '/', 'http://twin');
    const path = decodeURIComponent(pathname).replace(/^\/api\/v10/, '');
    const method = request.method ?? 'GET';
    const text = Buffer.concat(chunks).toString();
    const body: unknown = text ? JSON.parse(text) : undefined;
    const reply = (status: number, json: unknown, headers: Record<string, string> = {}) =>
      response
        .writeHead(status, { 'content-type': 'application/json', ...headers })
        .end(JSON.stringify(json));

    if (down) return void response.writeHead(503).end();
    if (limited.times > 0 && method !== 'GET') {
      limited = { ...limited, times: limited.times - 1 };
      const { seconds } = limited;
      const limit = { message: 'You are being rate limited.', retry_after: seconds, global: false };
      return void reply(429, limit, {
        'retry-after': String(seconds),
        'x-ratelimit-scope': 'user',
        via: '1.1 google',
      });
    }
    if (needsToken(path) && request.headers.authorization !== `Bot ${twin.token}`)
      return void reply(401, { message: '401: Unauthorized', code: 0 });
    const answered = answer(state, method, path, body);
    if (answered !== 'empty' && 'refusal' in answered) {
      const { status, ...problem } = answered.refusal;
      return void reply(status, problem);
    }
    outgoing.push({ method, path, body });
    // Without a JSON content type: the SDK would try to read a body that is not there.
    if (answered === 'empty') response.writeHead(204).end();
    else reply(200, answered.json);
  }

  function ticket(type: InteractionType, actor: Actor, channel: Channel): Interaction {
    const interaction: Interaction = {
      id: state.id(),
      token: `interaction-token-${state.id()}`,
      type,
      actor,
      channel,
      answered: false,
      expired: false,
    };
    state.interactions.set(interaction.token, interaction);
    return interaction;
  }

  function send(interaction: Interaction, event: unknown): Interaction {
    events.set(interaction.id, event);
    gateway.dispatch('INTERACTION_CREATE', () => event);
    return interaction;
  }

  const listed = (options: Options, focused?: string) =>
    Object.entries(options).map(([name, value]) => ({
      name,
      value,
      ...(name === focused ? { focused: true as const } : {}),
    }));

  function channelWith(message: Message): Channel {
    const channel = state.channels.get(message.channel);
    if (!channel) throw new Error('the twin has no such channel');
    return channel;
  }

  const twin: DiscordTwin = {
    apiUrl: `http://127.0.0.1:${port}/api`,
    state,
    gateway,
    outgoing,
    token: 'twin-token',
    allowMessageContent(allowed) {
      state.applicationFlags = allowed ? ApplicationFlags.GatewayMessageContentLimited : 0;
    },
    rateLimitNext(times, seconds) {
      limited = { times, seconds };
    },
    setDown(value) {
      down = value;
    },
    write(channel, by, content, opts = {}) {
      const message = state.addMessage(channel.id, by.id, { content });
      twin.deliver(message, by.roles, opts.guild ?? channel.guild);
      return message;
    },
    deliver(message, roles, guild) {
      const forBot = mentionedIn(message.body.content ?? '').includes(botId) || message.bot;
      gateway.dispatch('MESSAGE_CREATE', (intents) => {
        if (!(intents & GatewayIntentBits.GuildMessages)) return undefined;
        return messageEvent(
          message,
          guild,
          roles,
          forBot || (intents & GatewayIntentBits.MessageContent) !== 0,
        );
      });
    },
    slash(channel, by, sub, options = {}) {
      const t: Interaction & Ticket = ticket(InteractionType.ApplicationCommand, by, channel);
      return send(t, commandEvent(t, sub, listed(options)));
    },
    type(channel, by, sub, options, focused) {
      const t = ticket(InteractionType.ApplicationCommandAutocomplete, by, channel);
      return send(t, autocompleteEvent(t, sub, listed(options, focused)));
    },
    press(message, by, customId) {
      const t = ticket(InteractionType.MessageComponent, by, channelWith(message));
      return send(t, buttonEvent(t, message, customId));
    },
    submit(message, by, customId, values) {
      const t = ticket(InteractionType.ModalSubmit, by, channelWith(message));
      return send(t, modalEvent(t, message, customId, values));
    },
    repeat(interaction) {
      gateway.dispatch('INTERACTION_CREATE', () => events.get(interaction.id));
    },
    raw(name, data) {
      gateway.dispatch(name, () => data);
    },
    async close() {
      gateway.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return twin;
}
