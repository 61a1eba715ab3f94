/**
 * What the Discord twin knows: one server with its channels and messages, interactions and what came of them.
 */
import { ChannelType, type InteractionResponseType, type InteractionType, MessageFlags } from 'discord.js';
import type { MessageBody } from './check.ts';
import { botId, type Channel, type Message, type Ticket } from './payloads.ts';

export interface Interaction extends Ticket {
  readonly type: InteractionType;
  response?: { readonly type: InteractionResponseType; readonly data: Record<string, unknown> | undefined };
  answered: boolean;
  expired: boolean;
}

export class State {
  readonly guild: string;
  gatewayUrl = '';
  applicationFlags = 0;
  readonly channels = new Map<string, Channel>();
  readonly messages: Message[] = [];
  /** Messages that one person sees, with that person. */
  readonly privates: { readonly to: string; readonly message: Message }[] = [];
  readonly directs = new Map<string, string>();
  readonly closedDirects = new Set<string>();
  readonly nonces = new Map<string, string>();
  readonly interactions = new Map<string, Interaction>();
  readonly registered: { readonly guild: string | undefined; readonly commands: unknown[] }[] = [];
  /** Signs of life that are no messages: threads opened, typing. */
  readonly signs: string[] = [];
  #next = 1_000_000_000_000_000_000n;

  constructor(guild: string) {
    this.guild = guild;
  }

  id(): string {
    this.#next += 1n;
    return String(this.#next);
  }

  addChannel(given: {
    id?: string;
    parent?: string;
    name?: string;
    direct?: string;
    guild?: string;
    type?: ChannelType;
  }): Channel {
    const channel: Channel = {
      id: given.id ?? this.id(),
      type:
        given.type ??
        (given.parent ? ChannelType.PublicThread : given.direct ? ChannelType.DM : ChannelType.GuildText),
      guild: given.direct ? undefined : (given.guild ?? this.guild),
      parent: given.parent,
      name: given.name ?? 'general',
      archived: false,
    };
    this.channels.set(channel.id, channel);
    if (given.direct) this.directs.set(channel.id, given.direct);
    return channel;
  }

  addMessage(channel: string, author: string, body: MessageBody, replyTo?: string): Message {
    const message: Message = {
      id: this.id(),
      channel,
      author,
      bot: author === botId,
      replyTo,
      body,
      edits: 0,
    };
    this.messages.push(message);
    return message;
  }

  /** An answer to an interaction: seen by the person alone when it is ephemeral, else by all. */
  addPrivate({ actor, channel }: Interaction, body: MessageBody): Message {
    if (!((body.flags ?? 0) & MessageFlags.Ephemeral)) return this.addMessage(channel.id, botId, body);
    const message: Message = {
      id: this.id(),
      channel: channel.id,
      author: botId,
      bot: true,
      replyTo: undefined,
      body,
      edits: 0,
    };
    this.privates.push({ to: actor.id, message });
    return message;
  }
}
