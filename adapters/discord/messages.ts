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

/** Returns the handler of messages. It never rejects. */
export function messageListener(listening: Listening): (fact: MessageFact) => Promise<void> {
  const { api, guildId, logger } = listening;
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
      if (fact.guildId === undefined) {
        await api.direct(
          fact.user.id,
          note('I work in the channels of a server only\\. Please ask me there\\.'),
        );
        return;
      }
      if (guildId !== undefined && fact.guildId !== guildId) {
        if (fact.addressed)
          logger.warn(
            { guild: fact.guildId, user: fact.user.id },
            'discord message from another server refused',
          );
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
      await tell(listening, fact, received.text);
      return;
    case 'refused':
      await tellPrivately(listening, fact, received.text);
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
async function tellPrivately(listening: Listening, fact: MessageFact, text: string): Promise<void> {
  try {
    await listening.api.direct(fact.user.id, note(plain(text)));
  } catch (error) {
    if (!(error instanceof OpsError)) throw error;
    await tell(
      listening,
      fact,
      'I cannot do that, and your direct messages are closed. Ask with /ops ask to see why.',
    );
  }
}
