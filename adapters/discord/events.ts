/**
 * Gateway payload → fact. Only the fields we use are read; what does not have them in the published form is
 * `ignored`, with the reason for the log, and changes nothing.
 */
import { ChannelType, ComponentType, InteractionType } from 'discord.js';
import { z } from 'zod';
import type { User } from '../../src/core/conversation.ts';
import { type InteractionRef, type Place, placeOf } from './api.ts';
import { type Button, type Choice, readButton } from './buttons.ts';

const Snowflake = z.string().regex(/^\d{1,20}$/);
const Person = z.object({
  id: Snowflake,
  username: z.string(),
  global_name: z.string().nullish(),
  bot: z.boolean().optional(),
  system: z.boolean().optional(),
});
const Member = z.object({ roles: z.array(Snowflake), nick: z.string().nullish() });
const Channel = z.object({ id: Snowflake, type: z.number(), parent_id: Snowflake.nullish() });

const Message = z.object({
  id: Snowflake,
  channel_id: Snowflake,
  guild_id: Snowflake.optional(),
  type: z.number(),
  author: Person,
  member: Member.optional(),
  webhook_id: Snowflake.optional(),
  content: z.string(),
  mentions: z.array(z.object({ id: Snowflake })),
});

const Option = z.object({
  name: z.string(),
  value: z.union([z.string(), z.number(), z.boolean()]).optional(),
  focused: z.boolean().optional(),
});
const CommandData = z.object({
  name: z.string(),
  options: z.array(Option.extend({ options: z.array(Option).optional() })).optional(),
});
const Field = z.object({ custom_id: z.string(), value: z.string() });
const envelope = {
  id: Snowflake,
  application_id: Snowflake,
  token: z.string().min(1),
  guild_id: Snowflake.optional(),
  channel: Channel.optional(),
  member: Member.extend({ user: Person }).optional(),
  user: Person.optional(),
};
const Interaction = z.discriminatedUnion('type', [
  z.object({ ...envelope, type: z.literal(InteractionType.ApplicationCommand), data: CommandData }),
  z.object({
    ...envelope,
    type: z.literal(InteractionType.ApplicationCommandAutocomplete),
    data: CommandData,
  }),
  z.object({
    ...envelope,
    type: z.literal(InteractionType.MessageComponent),
    data: z.object({ custom_id: z.string(), component_type: z.literal(ComponentType.Button) }),
    message: z.object({ id: Snowflake }),
  }),
  z.object({
    ...envelope,
    type: z.literal(InteractionType.ModalSubmit),
    data: z.object({
      custom_id: z.string(),
      components: z.array(z.object({ component: Field.optional(), components: z.array(Field).optional() })),
    }),
    message: z.object({ id: Snowflake }).optional(),
  }),
]);
type Interaction = z.infer<typeof Interaction>;

/** A person, with the roles they have at this moment. */
export interface Speaker {
  readonly user: User;
  readonly groups: readonly string[];
}

export interface MessageFact extends Speaker {
  readonly kind: 'message';
  readonly id: string;
  readonly channelId: string;
  readonly guildId: string | undefined;
  readonly text: string;
  readonly addressed: boolean;
}

interface InteractionFact extends Speaker, InteractionRef {
  readonly guildId: string | undefined;
  readonly place: Place;
}

export interface CommandFact extends InteractionFact {
  readonly kind: 'command';
  readonly sub: string;
  readonly options: Readonly<Record<string, string>>;
}

export interface AutocompleteFact extends InteractionFact {
  readonly kind: 'autocomplete';
  readonly focused: { readonly name: string; readonly value: string };
  readonly options: Readonly<Record<string, string>>;
}

export interface ButtonFact extends InteractionFact {
  readonly kind: 'button';
  readonly messageId: string;
  /** Undefined for a button that is not of ours in its present form. */
  readonly button: Button | undefined;
}

/** The form that Deny opens, filled in. */
export interface DenyFact extends InteractionFact {
  readonly kind: 'deny';
  readonly messageId: string;
  readonly choice: Choice;
}

export interface Ignored {
  readonly kind: 'ignored';
  readonly reason: string;
}

/** A message that people wrote. Bots, webhooks, system messages and the bot itself are ignored. */
export function messageFact(payload: unknown, me: string): MessageFact | Ignored {
  const parsed = Message.safeParse(payload);
  if (!parsed.success) return ignored('not a message as published');
  const { data } = parsed;
  const isWritten = data.type === 0 || data.type === 19;
  if (!isWritten || data.author.bot || data.author.system || data.webhook_id || data.author.id === me)
    return ignored('not written by a person');
  return {
    kind: 'message',
    id: data.id,
    channelId: data.channel_id,
    guildId: data.guild_id,
    ...speaker(data.author, data.member),
    text: data.content.replaceAll(new RegExp(`[ \\t]*<@!?${me}>[:,]?[ \\t]*`, 'g'), ' ').trim(),
    addressed: data.mentions.some((m) => m.id === me),
  };
}

/** Something a person did with one of our commands, buttons or forms. */
export function interactionFact(
  payload: unknown,
): CommandFact | AutocompleteFact | ButtonFact | DenyFact | Ignored {
  const parsed = Interaction.safeParse(payload);
  if (!parsed.success) return ignored('not an interaction as published');
  const { data: event } = parsed;
  const person = event.member?.user ?? event.user;
  if (!person || person.bot || !event.channel) return ignored('not done by a person in a channel');
  const common = {
    id: event.id,
    token: event.token,
    applicationId: event.application_id,
    guildId: event.guild_id,
    place: placeOf(event.channel),
    ...speaker(person, event.member),
  };
  switch (event.type) {
    case InteractionType.ApplicationCommand:
    case InteractionType.ApplicationCommandAutocomplete:
      return commandFact(event, common);
    case InteractionType.MessageComponent:
      return {
        kind: 'button',
        ...common,
        messageId: event.message.id,
        button: readButton(event.data.custom_id),
      };
    case InteractionType.ModalSubmit: {
      const button = readButton(event.data.custom_id);
      if (button?.action !== 'ask-why' || !event.message) return ignored('not a form of ours');
      const fields = event.data.components.flatMap((c) => [
        ...(c.component ? [c.component] : []),
        ...(c.components ?? []),
      ]);
      const reason = fields.find((f) => f.custom_id === 'reason')?.value.trim();
      return {
        kind: 'deny',
        ...common,
        messageId: event.message.id,
        choice: { ...button.choice, ...(reason ? { reason } : {}) },
      };
    }
    default:
      return event satisfies never;
  }
}

function commandFact(
  event: Extract<Interaction, { data: z.infer<typeof CommandData> }>,
  common: InteractionFact,
): CommandFact | AutocompleteFact | Ignored {
  const sub = event.data.options?.[0];
  if (event.data.name !== 'ops' || !sub) return ignored('not a command of ours');
  const given = sub.options ?? [];
  const options = Object.fromEntries(given.map((o) => [o.name, String(o.value ?? '')]));
  if (event.type === InteractionType.ApplicationCommand)
    return { kind: 'command', ...common, sub: sub.name, options };
  const focused = given.find((o) => o.focused);
  if (!focused) return ignored('nothing is being typed');
  return {
    kind: 'autocomplete',
    ...common,
    focused: { name: focused.name, value: String(focused.value ?? '') },
    options,
  };
}

function speaker(person: z.infer<typeof Person>, member: z.infer<typeof Member> | undefined): Speaker {
  const name = member?.nick || person.global_name || person.username;
  return { user: { platform: 'discord', id: person.id, name }, groups: member?.roles ?? [] };
}

function ignored(reason: string): Ignored {
  return { kind: 'ignored', reason };
}

/** Channels in which a message can open a thread. */
export function canOpenThread(place: Place): boolean {
  return place.type === ChannelType.GuildText || place.type === ChannelType.GuildAnnouncement;
}
