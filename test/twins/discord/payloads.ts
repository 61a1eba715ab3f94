/**
 * Discord's objects as it sends them, held against the published types (discord-api-types).
 */
import {
  type APIApplicationCommandAutocompleteInteraction,
  type APIChatInputApplicationCommandInteraction,
  type APIInteractionGuildMember,
  type APIMessage,
  type APIMessageComponentButtonInteraction,
  type APIModalSubmitInteraction,
  type APITextChannel,
  type APIThreadChannel,
  type APIUser,
  ApplicationCommandOptionType,
  ApplicationCommandType,
  ApplicationIntegrationType,
  ChannelType,
  ComponentType,
  type GatewayMessageCreateDispatchData,
  type GatewayReadyDispatchData,
  GuildMemberFlags,
  InteractionContextType,
  InteractionType,
  MessageType,
} from 'discord.js';
import type { MessageBody } from './check.ts';

export interface Channel {
  readonly id: string;
  readonly type: ChannelType;
  readonly guild: string | undefined;
  readonly parent: string | undefined;
  readonly name: string;
  archived: boolean;
}

export interface Message {
  readonly id: string;
  readonly channel: string;
  readonly author: string;
  readonly bot: boolean;
  readonly replyTo: string | undefined;
  body: MessageBody;
  edits: number;
}

export const botId = '900000000000000001';
export const applicationId = '900000000000000002';
const epoch = '2030-01-01T00:00:00.000000+00:00';

export function userOf(id: string): APIUser {
  const bot = id === botId;
  return {
    id,
    username: bot ? 'opsagent' : `user${id.slice(-3)}`,
    global_name: bot ? null : `Person ${id.slice(-3)}`,
    discriminator: '0',
    avatar: null,
    ...(bot ? { bot } : {}),
  };
}

function memberOf(id: string, roles: readonly string[]): APIInteractionGuildMember {
  return {
    user: userOf(id),
    roles: [...roles],
    joined_at: epoch,
    deaf: false,
    mute: false,
    flags: GuildMemberFlags.CompletedOnboarding,
    permissions: '0',
  };
}

export function channelOf(channel: Channel): APITextChannel | APIThreadChannel {
  if (channel.parent === undefined)
    return {
      id: channel.id,
      type: ChannelType.GuildText,
      name: channel.name,
      position: 0,
      ...(channel.guild ? { guild_id: channel.guild } : {}),
    };
  return {
    id: channel.id,
    type: ChannelType.PublicThread,
    name: channel.name,
    parent_id: channel.parent,
    ...(channel.guild ? { guild_id: channel.guild } : {}),
    applied_tags: [],
    thread_metadata: {
      archived: channel.archived,
      auto_archive_duration: 1440,
      archive_timestamp: epoch,
      locked: false,
    },
  };
}

export function messageOf(message: Message): APIMessage {
  const { body } = message;
  return {
    id: message.id,
    channel_id: message.channel,
    author: userOf(message.author),
    content: body.content ?? '',
    timestamp: epoch,
    edited_timestamp: message.edits > 0 ? epoch : null,
    tts: false,
    mention_everyone: false,
    mentions: mentionedIn(body.content ?? '').map(userOf),
    mention_roles: [],
    attachments: [],
    embeds: [],
    components: (body.components ?? []) as unknown as NonNullable<APIMessage['components']>,
    pinned: false,
    type: message.replyTo ? MessageType.Reply : MessageType.Default,
    flags: body.flags ?? 0,
  };
}

/** A message event; its text is left out as Discord does for a bot without the intent that is not mentioned. */
export function messageEvent(
  message: Message,
  guild: string | undefined,
  roles: readonly string[],
  withText: boolean,
): GatewayMessageCreateDispatchData {
  const { user: _, permissions: __, ...member } = memberOf(message.author, roles);
  return {
    ...messageOf(message),
    ...(withText ? {} : { content: '', components: [] }),
    ...(guild ? { guild_id: guild, member } : {}),
  };
}

export function mentionedIn(content: string): string[] {
  return [...content.matchAll(/<@!?(\d+)>/g)].flatMap((m) => m[1] ?? []);
}

export interface Actor {
  readonly id: string;
  readonly roles: readonly string[];
}

export interface Ticket {
  readonly id: string;
  readonly token: string;
  readonly actor: Actor;
  readonly channel: Channel;
}

/** What all interactions from a server carry; from a direct message `member` is missing, which no type here says. */
interface Envelope {
  id: string;
  application_id: string;
  token: string;
  version: 1;
  channel: APIChatInputApplicationCommandInteraction['channel'];
  channel_id: string;
  member: APIInteractionGuildMember;
  guild_id: string;
  app_permissions: string;
  locale: APIChatInputApplicationCommandInteraction['locale'];
  entitlements: [];
  authorizing_integration_owners: { [ApplicationIntegrationType.GuildInstall]: string };
  context: InteractionContextType;
  attachment_size_limit: number;
}

function envelope({ id, token, actor, channel }: Ticket): Envelope {
  return {
    id,
    application_id: applicationId,
    token,
    version: 1,
    channel: channelOf(channel),
    channel_id: channel.id,
    app_permissions: '0',
    locale: 'en-GB',
    entitlements: [],
    authorizing_integration_owners: { [ApplicationIntegrationType.GuildInstall]: channel.guild ?? '0' },
    context: channel.guild ? InteractionContextType.Guild : InteractionContextType.BotDM,
    attachment_size_limit: 10_485_760,
    ...(channel.guild
      ? { guild_id: channel.guild, member: memberOf(actor.id, actor.roles) }
      : { user: userOf(actor.id) }),
  } as unknown as Envelope;
}

type Options = readonly { readonly name: string; readonly value: string; readonly focused?: true }[];

function commandData(sub: string, options: Options) {
  return {
    id: '900000000000000003',
    type: ApplicationCommandType.ChatInput as const,
    name: 'ops',
    options: [
      {
        type: ApplicationCommandOptionType.Subcommand as const,
        name: sub,
        options: options.map((o) => ({ type: ApplicationCommandOptionType.String as const, ...o })),
      },
    ],
  };
}

export function commandEvent(
  t: Ticket,
  sub: string,
  options: Options,
): APIChatInputApplicationCommandInteraction {
  return { ...envelope(t), type: InteractionType.ApplicationCommand, data: commandData(sub, options) };
}

export function autocompleteEvent(
  t: Ticket,
  sub: string,
  options: Options,
): APIApplicationCommandAutocompleteInteraction {
  return {
    ...envelope(t),
    type: InteractionType.ApplicationCommandAutocomplete,
    data: commandData(sub, options),
  };
}

export function buttonEvent(
  t: Ticket,
  message: Message,
  customId: string,
): APIMessageComponentButtonInteraction {
  return {
    ...envelope(t),
    type: InteractionType.MessageComponent,
    message: messageOf(message),
    data: {
      component_type: ComponentType.Button,
      custom_id: customId,
      id: 5,
    } as APIMessageComponentButtonInteraction['data'],
  };
}

export function modalEvent(
  t: Ticket,
  message: Message,
  customId: string,
  values: Readonly<Record<string, string>>,
): APIModalSubmitInteraction {
  return {
    ...envelope(t),
    type: InteractionType.ModalSubmit,
    message: messageOf(message),
    data: {
      custom_id: customId,
      components: Object.entries(values).map(([custom_id, value], i) => ({
        type: ComponentType.Label as const,
        id: 2 * i + 1,
        component: { type: ComponentType.TextInput as const, id: 2 * i + 2, custom_id, value },
      })),
    },
  };
}

export function readyEvent(sessionId: string, resumeUrl: string, guild: string): GatewayReadyDispatchData {
  return {
    v: 10,
    user: userOf(botId),
    guilds: [{ id: guild, unavailable: true }],
    session_id: sessionId,
    resume_gateway_url: resumeUrl,
    shard: [0, 1],
    application: {
      id: applicationId,
      flags: 0,
      flags_new: '0',
    } as unknown as GatewayReadyDispatchData['application'],
  };
}
