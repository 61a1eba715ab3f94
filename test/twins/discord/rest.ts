/**
 * The twin's REST API: each route checks its body as Discord does and changes the twin's state. A handler returns
 * what is answered: JSON, nothing (204), or a refusal.
 */
import { InteractionResponseType, InteractionType, MessageFlags } from 'discord.js';
import { checkMessage, checkModal, isV2, type MessageBody, type ModalBody, type Refusal } from './check.ts';
import { applicationId, botId, channelOf, messageOf, userOf } from './payloads.ts';
import type { State } from './state.ts';

export type Answer = { readonly json: unknown } | { readonly refusal: Refusal } | 'empty';
type Route = (state: State, ids: readonly string[], body: unknown) => Answer;

const refuse = (status: number, code: number, message: string): Answer => ({
  refusal: { status, code, message },
});
const unknownChannel = refuse(404, 10003, 'Unknown Channel');
const unknownMessage = refuse(404, 10008, 'Unknown Message');
const unknownInteraction = refuse(404, 10062, 'Unknown interaction');

const routes: readonly (readonly [string, RegExp, Route])[] = [
  ['GET', /^\/gateway\/bot$/, gateway],
  [
    'GET',
    /^\/applications\/@me$/,
    (state) => ({ json: { id: applicationId, name: 'opsagent', flags: state.applicationFlags } }),
  ],
  ['GET', /^\/users\/@me$/, () => ({ json: userOf(botId) })],
  ['POST', /^\/users\/@me\/channels$/, openDirect],
  ['PUT', /^\/applications\/(\d+)\/guilds\/(\d+)\/commands$/, register],
  ['PUT', /^\/applications\/(\d+)\/commands$/, register],
  ['GET', /^\/channels\/(\d+)$/, getChannel],
  ['PATCH', /^\/channels\/(\d+)$/, patchChannel],
  ['POST', /^\/channels\/(\d+)\/typing$/, typing],
  ['GET', /^\/channels\/(\d+)\/messages$/, listMessages],
  ['POST', /^\/channels\/(\d+)\/messages$/, postMessage],
  ['PATCH', /^\/channels\/(\d+)\/messages\/(\d+)$/, patchMessage],
  ['DELETE', /^\/channels\/(\d+)\/messages\/(\d+)$/, deleteMessage],
  ['POST', /^\/channels\/(\d+)\/messages\/(\d+)\/threads$/, openThread],
  ['POST', /^\/interactions\/(\d+)\/([^/]+)\/callback$/, callback],
  ['PATCH', /^\/webhooks\/(\d+)\/([^/]+)\/messages\/@original$/, patchOriginal],
  ['POST', /^\/webhooks\/(\d+)\/([^/]+)$/, followUp],
];

/** Routes that Discord authenticates by the token in the path. */
export function needsToken(path: string): boolean {
  return !path.startsWith('/interactions/') && !path.startsWith('/webhooks/');
}

export function answer(state: State, method: string, path: string, body: unknown): Answer {
  for (const [verb, pattern, route] of routes) {
    const match = verb === method ? pattern.exec(path) : null;
    if (match) return route(state, match.slice(1), body);
  }
  return refuse(404, 0, `404: Not Found ${method} ${path}`);
}

function gateway(state: State): Answer {
  const session_start_limit = { total: 1000, remaining: 999, reset_after: 14_400_000, max_concurrency: 1 };
  return { json: { url: state.gatewayUrl, shards: 1, session_start_limit } };
}

function openDirect(state: State, _: readonly string[], body: unknown): Answer {
  const { recipient_id: person } = body as { recipient_id: string };
  const channel = state.addChannel({ direct: person });
  return { json: { id: channel.id, type: 1, recipients: [userOf(person)] } };
}

function register(state: State, ids: readonly string[], body: unknown): Answer {
  if (ids[0] !== applicationId) return refuse(403, 20012, 'You are not authorized to perform this action');
  if (ids[1] !== undefined && ids[1] !== state.guild) return refuse(403, 50001, 'Missing Access');
  state.registered.push({ guild: ids[1], commands: body as unknown[] });
  return { json: body };
}

function getChannel(state: State, [id = '']: readonly string[]): Answer {
  const channel = state.channels.get(id);
  return channel ? { json: channelOf(channel) } : unknownChannel;
}

function patchChannel(state: State, [id = '']: readonly string[], body: unknown): Answer {
  const channel = state.channels.get(id);
  if (!channel) return unknownChannel;
  channel.archived = (body as { archived?: boolean }).archived ?? channel.archived;
  return { json: channelOf(channel) };
}

function typing(state: State, [id = '']: readonly string[]): Answer {
  if (!state.channels.has(id)) return unknownChannel;
  state.signs.push(`typing ${id}`);
  return 'empty';
}

function listMessages(state: State, [id = '']: readonly string[]): Answer {
  if (!state.channels.has(id)) return unknownChannel;
  const found = state.messages.filter((m) => m.channel === id);
  return { json: found.reverse().slice(0, 100).map(messageOf) };
}

function postMessage(state: State, [id = '']: readonly string[], raw: unknown): Answer {
  const body = raw as MessageBody;
  const channel = state.channels.get(id);
  if (!channel) return unknownChannel;
  const person = state.directs.get(id);
  if (person !== undefined && state.closedDirects.has(person))
    return refuse(403, 50007, 'Cannot send messages to this user');
  const refusal = checkMessage(body, 'channel');
  if (refusal) return { refusal };
  channel.archived = false;
  const { nonce, enforce_nonce: once, ...kept } = body;
  const seen = nonce && once ? state.nonces.get(`${id} ${nonce}`) : undefined;
  const before = seen && state.messages.find((m) => m.id === seen);
  if (before) return { json: { ...messageOf(before), nonce } };
  const message = state.addMessage(id, botId, kept, body.message_reference?.message_id);
  if (nonce) state.nonces.set(`${id} ${nonce}`, message.id);
  // The answer of a POST carries the nonce; messages that are read later do not.
  return { json: { ...messageOf(message), nonce } };
}

function patchMessage(state: State, [channelId = '', id = '']: readonly string[], raw: unknown): Answer {
  const body = raw as MessageBody;
  const channel = state.channels.get(channelId);
  if (!channel) return unknownChannel;
  const message = state.messages.find((m) => m.id === id && m.channel === channelId);
  if (!message) return unknownMessage;
  if (message.author !== botId) return refuse(403, 50005, 'Cannot edit a message authored by another user');
  if (channel.archived) return refuse(400, 50083, 'Thread is archived');
  const refusal = checkMessage(body, 'channel', isV2(message.body));
  if (refusal) return { refusal };
  message.body = { ...message.body, ...body };
  message.edits += 1;
  return { json: messageOf(message) };
}

function deleteMessage(state: State, [channel = '', id = '']: readonly string[]): Answer {
  const at = state.messages.findIndex((m) => m.id === id && m.channel === channel);
  if (at < 0) return unknownMessage;
  if (state.messages[at]?.author !== botId) return refuse(403, 50013, 'Missing Permissions');
  state.messages.splice(at, 1);
  return 'empty';
}

function openThread(state: State, [parent = '', id = '']: readonly string[], body: unknown): Answer {
  const { name } = body as { name: string };
  if (!state.channels.has(parent)) return unknownChannel;
  if (!state.messages.some((m) => m.id === id && m.channel === parent)) return unknownMessage;
  if (name.length < 1 || name.length > 100) return refuse(400, 50035, 'Invalid Form Body: name');
  if (state.channels.has(id))
    return refuse(400, 160004, 'A thread has already been created for this message');
  const thread = state.addChannel({ id, parent, name });
  state.signs.push(`thread ${id}`);
  return { json: channelOf(thread) };
}

// ---- interactions ----

const allowed: Readonly<Record<number, readonly InteractionResponseType[]>> = {
  [InteractionType.ApplicationCommand]: [4, 5, 9],
  [InteractionType.MessageComponent]: [4, 5, 6, 7, 9],
  [InteractionType.ApplicationCommandAutocomplete]: [8],
  [InteractionType.ModalSubmit]: [4, 5, 6, 7],
};

function callback(state: State, [id = '', token = '']: readonly string[], raw: unknown): Answer {
  const { type, data } = raw as { type: InteractionResponseType; data?: unknown };
  const interaction = state.interactions.get(token);
  if (!interaction || interaction.id !== id || interaction.expired) return unknownInteraction;
  if (interaction.response) return refuse(400, 40060, 'Interaction has already been acknowledged.');
  if (!allowed[interaction.type]?.includes(type)) return refuse(400, 50035, 'Invalid Form Body: type');
  if (type === InteractionResponseType.ChannelMessageWithSource) {
    const refusal = checkMessage(data as MessageBody, 'interaction');
    if (refusal) return { refusal };
    state.addPrivate(interaction, data as MessageBody);
  }
  if (type === InteractionResponseType.Modal) {
    const refusal = checkModal(data as ModalBody);
    if (refusal) return { refusal };
  }
  if (type === InteractionResponseType.ApplicationCommandAutocompleteResult) {
    const { choices } = data as { choices: { name: string; value: string }[] };
    if (choices.length > 25 || choices.some((c) => !c.name || c.name.length > 100 || c.value.length > 100))
      return refuse(400, 50035, 'Invalid Form Body: choices');
  }
  interaction.response = { type, data: data as Record<string, unknown> | undefined };
  return 'empty';
}

function patchOriginal(
  state: State,
  [application = '', token = '']: readonly string[],
  raw: unknown,
): Answer {
  const interaction = state.interactions.get(token);
  if (!interaction || application !== applicationId) return refuse(404, 10015, 'Unknown Webhook');
  if (interaction.response?.type !== InteractionResponseType.DeferredChannelMessageWithSource)
    return unknownMessage;
  const body = raw as MessageBody;
  const refusal = checkMessage(body, 'interaction');
  if (refusal) return { refusal };
  const deferred = interaction.response.data as { flags?: number } | undefined;
  const flags = (body.flags ?? 0) | ((deferred?.flags ?? 0) & MessageFlags.Ephemeral);
  interaction.answered = true;
  return { json: messageOf(state.addPrivate(interaction, { ...body, flags })) };
}

function followUp(state: State, [application = '', token = '']: readonly string[], raw: unknown): Answer {
  const interaction = state.interactions.get(token);
  if (!interaction?.response || application !== applicationId) return refuse(404, 10015, 'Unknown Webhook');
  const body = raw as MessageBody;
  const refusal = checkMessage(body, 'interaction');
  if (refusal) return { refusal };
  interaction.answered = true;
  return { json: messageOf(state.addPrivate(interaction, body)) };
}
