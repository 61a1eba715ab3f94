/**
 * What people do with /ops; its buttons and its form are in presses.ts. Discord wants a first answer within three seconds and cannot
 * wait for the inbox: the first answer only defers, and what became of the request is said once the inbox resolved.
 */
import { InteractionResponseType, MessageFlags } from 'discord.js';
import type { Conversation, DirectCommand, Mention } from '../../src/core/conversation.ts';
import { problemOf, problemText } from '../../src/core/errors.ts';
import { sha256 } from '../../src/core/json.ts';
import type { Received } from '../../src/core/ports.ts';
import { note } from './api.ts';
import { choices, type Directory, parseArgs } from './commands.ts';
import {
  type AutocompleteFact,
  type ButtonFact,
  type CommandFact,
  canOpenThread,
  type DenyFact,
} from './events.ts';
import { firstAnswer } from './first-answer.ts';
import { acknowledge, directly, elsewhere, type Listening, receivedText } from './messages.ts';
import { conversationOf, pressed } from './presses.ts';
import { plain, plainLine } from './text.ts';

type Fact = AutocompleteFact | ButtonFact | CommandFact | DenyFact;

/** Subcommands that are a word to the bot, said as it is. */
const words: readonly string[] = ['stop', 'status', 'help', 'pending'];

/** Returns the handler of interactions. It never rejects. */
export function interactionListener(
  listening: Listening,
  directory: Directory,
): (fact: Fact) => Promise<void> {
  const { logger } = listening;
  return async (fact) => {
    try {
      if (fact.kind === 'autocomplete') await offer(listening, directory, fact);
      else if (wrongPlace(listening, fact))
        await refuseHere(listening, fact, wrongPlace(listening, fact) ?? '');
      else if (fact.kind === 'command') await command(listening, fact);
      else await pressed(listening, fact);
    } catch (error) {
      logger.warn(
        { problem: problemOf(error), eventId: fact.id },
        'discord interaction could not be handled',
      );
    }
  };
}

function wrongPlace({ guildId }: Listening, fact: Fact): string | undefined {
  if (fact.guildId === undefined) return directly;
  return guildId !== undefined && fact.guildId !== guildId ? elsewhere : undefined;
}

async function offer(listening: Listening, directory: Directory, fact: AutocompleteFact): Promise<void> {
  const offered = wrongPlace(listening, fact) ? [] : choices(directory, fact.focused, fact.options.command);
  await listening.api.respond(fact, InteractionResponseType.ApplicationCommandAutocompleteResult, {
    choices: offered,
  });
}

// ---- slash commands ----

async function command(listening: Listening, fact: CommandFact): Promise<void> {
  await firstAnswer(listening, fact, InteractionResponseType.DeferredChannelMessageWithSource, {
    flags: MessageFlags.Ephemeral,
    allowed_mentions: { parse: [] },
  });
  const asked = requestOf(fact);
  const said =
    asked.kind === 'problem'
      ? plain(asked.text)
      : await request(listening, fact, asked).catch((error: unknown) => {
          listening.logger.warn(
            { problem: problemOf(error), eventId: fact.id },
            'discord request was not kept',
          );
          return plain(`Your request was not kept. ${problemText(problemOf(error))}`);
        });
  await listening.api.answer(fact, note(said));
}

type Asked =
  | {
      readonly kind: 'asked';
      readonly text: string;
      readonly opens: boolean;
      readonly direct?: DirectCommand;
    }
  | { readonly kind: 'problem'; readonly text: string };

function requestOf({ sub, options }: CommandFact): Asked {
  if (sub === 'show') return { kind: 'asked', text: `show approval ${options.id ?? ''}`, opens: false };
  if (words.includes(sub)) return { kind: 'asked', text: sub, opens: false };
  if (sub === 'ask') return { kind: 'asked', text: (options.text ?? '').trim(), opens: true };
  const name = options.command?.trim();
  if (sub !== 'run' || !name) return { kind: 'problem', text: 'I do not know this command.' };
  const args = parseArgs(options.args ?? '');
  if (args.kind === 'problem') return args;
  const host = options.host?.trim();
  const direct: DirectCommand = { command: name, params: args.values, ...(host ? { host } : {}) };
  const text = ['run', name, ...(host ? [`host=${host}`] : []), options.args?.trim()]
    .filter(Boolean)
    .join(' ');
  return { kind: 'asked', text, opens: true, direct };
}

/** Brings a request to the inbox and returns the words for the person alone. */
async function request(
  listening: Listening,
  fact: CommandFact,
  asked: Extract<Asked, { kind: 'asked' }>,
): Promise<string> {
  const { api, inbox, clock } = listening;
  const { place } = fact;
  const opensThread = asked.opens && place.parent === undefined;
  if (opensThread && !canOpenThread(place))
    return plain('I can only work in text channels and their threads.');

  const starter = opensThread ? await postStarter(listening, fact, asked.text) : undefined;
  const conversation: Conversation = {
    platform: 'discord',
    channel: place.parent ?? place.id,
    thread: starter ?? place.id,
  };
  const mention: Mention = {
    eventId: fact.id,
    conversation,
    user: fact.user,
    groups: fact.groups,
    text: asked.text,
    at: clock.now(),
    addressed: true,
    opensThread,
    ...(asked.direct ? { direct: asked.direct } : {}),
  };
  if (listening.stopped()) return restarting(listening, place.id, starter);
  let received: Received;
  try {
    received = await inbox.mentioned(mention);
  } catch (error) {
    // The message stays: should the request have been kept after all, its thread opens there.
    const left = note(`${starterText(fact, asked.text)}\n-# not kept, please ask again`);
    if (starter) await tidy(listening, api.edit(place.id, starter, left));
    throw error;
  }
  if (received.kind === 'accepted' || received.kind === 'joined') {
    await acknowledge(listening, mention);
    return `I am on it in <#${conversation.thread}>\\.`;
  }
  if (starter) await tidy(listening, api.remove(place.id, starter));
  return plain(receivedText(received) ?? 'There is nothing to do.');
}

async function restarting(
  listening: Listening,
  channel: string,
  starter: string | undefined,
): Promise<string> {
  if (starter) await tidy(listening, listening.api.remove(channel, starter));
  return plain('I am being restarted. Please ask again in a moment.');
}

/** The message that the thread grows from; a redelivered event finds the one that is there. */
async function postStarter({ api }: Listening, fact: CommandFact, text: string): Promise<string> {
  const nonce = sha256(`starter ${fact.id}`).slice(0, 24);
  const sent = await api.post(fact.place.id, {
    ...note(starterText(fact, text)),
    nonce,
    enforce_nonce: true,
  });
  return sent.id;
}

/** Changing the starter is for looks: the person is told what happened whether or not it works. */
async function tidy({ logger }: Listening, work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    logger.warn({ problem: problemOf(error) }, 'discord message could not be tidied up');
  });
}

function starterText(fact: CommandFact, text: string): string {
  return `**${plainLine(fact.user.name, 60)}** asks: ${plainLine(text, 800)}`;
}

/** Discord's answer is due at once, so it goes before the record. */
async function refuseHere(listening: Listening, fact: Fact, why: string): Promise<void> {
  const { inbox } = listening;
  await firstAnswer(
    listening,
    fact,
    InteractionResponseType.ChannelMessageWithSource,
    note(plain(why), MessageFlags.Ephemeral),
  );
  const what = fact.kind === 'command' ? 'request' : 'press';
  if (!listening.stopped())
    await inbox.refused({ user: fact.user, conversation: conversationOf(fact), what, why });
}
