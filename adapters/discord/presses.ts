/**
 * What people do with the buttons of a card and of a change, and with the form that Deny opens: each press is one
 * fact for the inbox, answered to the person alone.
 */
import { ComponentType, InteractionResponseType, MessageFlags, TextInputStyle } from 'discord.js';
import type { Conversation } from '../../src/core/conversation.ts';
import { problemOf, problemText } from '../../src/core/errors.ts';
import { note, type Place } from './api.ts';
import { type Choice, cardButtonId } from './buttons.ts';
import type { ButtonFact, DenyFact } from './events.ts';
import { firstAnswer } from './first-answer.ts';
import { type Listening, receivedText } from './messages.ts';
import { plain } from './text.ts';

/** Throws OpsError when Discord could not be answered. */
export async function pressed(listening: Listening, fact: ButtonFact | DenyFact): Promise<void> {
  if (fact.kind === 'button' && fact.button?.action === 'ask-why') {
    await firstAnswer(listening, fact, InteractionResponseType.Modal, denyForm(fact.button.choice));
    return;
  }
  await firstAnswer(listening, fact, InteractionResponseType.DeferredMessageUpdate);
  let said: string | undefined;
  try {
    said = await deliver(listening, fact);
  } catch (error) {
    said = `This was not kept. ${problemText(problemOf(error))}`;
  }
  if (said) await listening.api.followUp(fact, note(plain(said), MessageFlags.Ephemeral));
}

async function deliver(listening: Listening, fact: ButtonFact | DenyFact): Promise<string | undefined> {
  const { inbox, clock } = listening;
  const { user, groups } = fact;
  if (listening.stopped()) return 'I am being restarted. Please press again in a moment.';
  const conversation = conversationOf(fact);
  if (fact.kind === 'deny') return decided(listening, fact, fact.choice);
  const { button } = fact;
  switch (button?.action) {
    case undefined: {
      const why = 'I do not know this button; nothing was done.';
      await inbox.refused({ user, conversation, what: 'press', why });
      return why;
    }
    case 'stop':
      return receivedText(await inbox.stopped({ runId: button.runId, user, groups }));
    case 'undo': {
      const { callId, host } = button;
      const undo = { eventId: fact.id, callId, host, user, groups, conversation, at: clock.now() };
      return receivedText(await inbox.undone(undo)) ?? 'I am on it, here in this thread.';
    }
    case 'ask-why':
    case 'decide':
      return decided(listening, fact, button.choice);
    default:
      return button satisfies never;
  }
}

async function decided(
  { inbox, clock }: Listening,
  fact: ButtonFact | DenyFact,
  choice: Choice,
): Promise<string> {
  const { text } = await inbox.decided({
    ...choice,
    eventId: fact.id,
    user: fact.user,
    groups: fact.groups,
    card: { conversation: conversationOf(fact), message: fact.messageId },
    at: clock.now(),
  });
  return text;
}

/** Where something was done, a thread or not. */
export function conversationOf({ place }: { readonly place: Place }): Conversation {
  return { platform: 'discord', channel: place.parent ?? place.id, thread: place.id };
}

function denyForm({ approvalId, digest }: Choice): object {
  return {
    custom_id: cardButtonId('deny', approvalId, digest),
    title: 'Deny this command',
    components: [
      {
        type: ComponentType.Label,
        label: 'Reason',
        description: 'Optional. It is shown in the thread, and the agent reads it.',
        component: {
          type: ComponentType.TextInput,
          custom_id: 'reason',
          style: TextInputStyle.Short,
          required: false,
          max_length: 300,
        },
      },
    ],
  };
}
