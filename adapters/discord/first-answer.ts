/**
 * The first answer to an interaction, which Discord wants within three seconds.
 */
import { type InteractionResponseType, RESTJSONErrorCodes } from 'discord.js';
import { discordCode, type InteractionRef } from './api.ts';
import type { Listening } from './messages.ts';

/**
 * The answer that is due within three seconds. When it is too late for it, or a repeat of the event finds it
 * given, the request still goes on: what comes of it stands in the thread.
 */
export async function firstAnswer(
  { api, logger }: Pick<Listening, 'api' | 'logger'>,
  fact: InteractionRef,
  type: InteractionResponseType,
  data?: object,
): Promise<void> {
  try {
    await api.respond(fact, type, data);
  } catch (error) {
    const code = discordCode(error);
    if (
      code !== RESTJSONErrorCodes.UnknownInteraction &&
      code !== RESTJSONErrorCodes.InteractionHasAlreadyBeenAcknowledged
    )
      throw error;
    logger.warn({ eventId: fact.id, code }, 'discord interaction was answered already or too late');
  }
}
