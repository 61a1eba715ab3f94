/**
 * What people write: mentions in channels and threads, and plain talk in threads. Discord has no acknowledgement
 * for messages; ours is the thread that opens, or the typing sign in it, and comes only after the inbox resolved.
 */
import type { Conversation, Mention } from '../../src/core/conversation.ts';
import { OpsError, problemOf, problemText } from '../../src/core/errors.ts';
import type { Clock, Inbox, Logger, Received } from '../../src/core/ports.ts';
import { type DiscordApi, note, type Place } from './api.ts';
import { canOpenThread, type MessageFact } from './events.ts';
import { clip, plain } from './text.ts';

export interface Listening {
  readonly api: DiscordApi;
  readonly inbox: Inbox;
  readonly guildId: string | undefined;
  readonly logger: Logger;
  readonly clock: Clock;
  /** True from the moment `stop` was called: nothing reaches the inbox any more. */
  stopped(): boolean;
}

const knownPlaces = 5_000;

/** Said to those who are not on the server that is served. */
export const elsewhere = 'I work on another server only.';
export const directly = 'I work in the channels of a server only. Please ask me there.';

const refusedButClosed =
  'I cannot do that, and your direct messages are closed. Ask with /ops ask to see why.';
const answeredButClosed =
  'The answer is for you alone, and your direct messages are closed. Use /ops pending or /ops show.';

/** Returns the handler of messages. It never rejects. */
export function messageListener(listening: Listening): (fact: MessageFact) => Promise<void> {
  const { guildId, api, logger } = listening;
  const places = new Map<string, Place>();

  /** Whether a channel is a thread, and of which parent, never changes: asked once each. */
  async function placeOfChannel(id: string): Promise<Place> {
    const known = places.get(id);
    if (known) return known;
    const place = await api.place(id);
    if (places.size >= knownPlaces) places.clear();
    places.set(id, place);
    return place;
  }

  return async (fact) => {
    try {
      if (fact.guildId === undefined || (guildId !== undefined && fact.guildId !== guildId)) {
        const why = fact.guildId === undefined ? directly : elsewhere;
        if (fact.guildId === undefined || fact.addressed) await turnAway(listening, fact, why);
        return;
      }
      if (!fact.addressed && fact.text === '') return;
      await heard(listening, fact, await placeOfChannel(fact.channelId));
    } catch (error) {
      logger.warn({ problem: problemOf(error), eventId: fact.id }, 'discord message could not be handled');
      if (fact.addressed) await tell(listening, fact, problemText(problemOf(error)));
    }
  };
}

/** Put on record, then told alone; where that cannot be, the log has it. */
async function turnAway(listening: Listening, fact: MessageFact, why: string): Promise<void> {
  const { api, inbox, logger } = listening;
  const conversation: Conversation = { platform: 'discord', channel: fact.channelId, thread: fact.channelId };
  if (!listening.stopped()) await inbox.refused({ user: fact.user, conversation, what: 'request', why });
  await api.direct(fact.user.id, note(plain(why))).catch((error: unknown) => {
    logger.warn({ problem: problemOf(error), eventId: fact.id }, 'discord person not told');
  });
}

async function heard(listening: Listening, fact: MessageFact, place: Place): Promise<void> {
  const { inbox, clock } = listening;
  if (!fact.addressed && place.parent === undefined) return;
  if (place.parent === undefined && !canOpenThread(place)) {
    await tell(listening, fact, 'I can only work in text channels and their threads.');
    return;
  }
  const opensThread = place.parent === undefined;
  // Discord gives the thread of a message the id of that message, so it is known before the thread is there.
  const conversation: Conversation = {
    platform: 'discord',
    channel: place.parent ?? place.id,
    thread: opensThread ? fact.id : place.id,
  };
  const mention: Mention = {
    eventId: fact.id,
    conversation,
    user: fact.user,
    groups: fact.groups,
    text: fact.text,
    at: clock.now(),
    addressed: fact.addressed,
    opensThread,
  };
  if (listening.stopped()) return;
  const received = await inbox.mentioned(mention);
  switch (received.kind) {
    case 'accepted':
    case 'joined':
      await acknowledge(listening, mention);
      return;
    case 'answered':
      if (received.privately) await tellPrivately(listening, fact, received.text, answeredButClosed);
      else await tell(listening, fact, received.text);
      return;
    case 'refused':
      await tellPrivately(listening, fact, received.text, refusedButClosed);
      return;
    case 'ignored':
      return;
    default:
      received satisfies never;
  }
}

/**
 * Shows that a request is kept: its thread opens, and the bot is typing in it. When that fails the request is kept
 * all the same, and the worker opens the thread with its first message.
 */
export async function acknowledge({ api, logger }: Listening, mention: Mention): Promise<void> {
  const { channel, thread } = mention.conversation;
  try {
    if (mention.opensThread) await api.openThread(channel, thread, threadName(mention.text));
    await api.typing(thread);
  } catch (error) {
    logger.warn(
      { problem: problemOf(error), eventId: mention.eventId },
      'discord thread could not be opened',
    );
  }
}

/** The name of a thread, from what was asked: one line, no characters that act, at most 100 as Discord asks. */
export function threadName(text: string): string {
  const words = text
    .replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]+/gu, ' ')
    .replace(/[<>@#`]/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return clip(words || 'opsagent', 90);
}

/** Received in words for the person; nothing where the thread itself will answer. */
export function receivedText(received: Received): string | undefined {
  return received.kind === 'answered' || received.kind === 'refused' ? received.text : undefined;
}

/** An ordinary reply. Telling is a courtesy: when it fails, the log has what happened. */
async function tell({ api, logger }: Listening, fact: MessageFact, text: string): Promise<void> {
  const reference = { message_reference: { message_id: fact.id, fail_if_not_exists: false } };
  await api.post(fact.channelId, { ...note(plain(text)), ...reference }).catch((error: unknown) => {
    logger.warn({ problem: problemOf(error), eventId: fact.id }, 'discord reply could not be sent');
  });
}

/** Direct messages can be switched off: then the channel learns that there is an answer, not what it says. */
async function tellPrivately(
  listening: Listening,
  fact: MessageFact,
  text: string,
  closed: string,
): Promise<void> {
  try {
    await listening.api.direct(fact.user.id, note(plain(text)));
  } catch (error) {
    if (!(error instanceof OpsError)) throw error;
    await tell(listening, fact, closed);
  }
}
