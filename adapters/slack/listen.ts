/**
 * Bolt's listeners: each turns its payload into a fact, brings it to the inbox and says what the inbox made of it.
 * What throws here is not acknowledged, and Slack sends it again.
 */
import type { App } from '@slack/bolt';
import type { Conversation, User } from '../../src/core/conversation.ts';
import { problemOf, problemText } from '../../src/core/errors.ts';
import type { Clock, Inbox, Logger } from '../../src/core/ports.ts';
import { denyForm, denyModal } from './actions.ts';
import type { Api } from './api.ts';
import {
  type Denial,
  type Heard,
  originOf,
  type Press,
  readDenial,
  readMessage,
  readPress,
} from './events.ts';
import type { People } from './people.ts';
import type { Replies } from './replies.ts';

export interface Listening {
  readonly inbox: Inbox;
  readonly api: Api;
  readonly people: People;
  readonly replies: Replies;
  readonly clock: Clock;
  readonly logger: Logger;
}

export function listen(app: App, parts: Listening): void {
  const { people, replies, logger } = parts;
  const toldOf = new Set<string>();

  /** Does the work for one event; when it fails the person hears about it once, and the event is tried again. */
  async function handle(
    event: { eventId: string; userId: string; conversation: Conversation },
    inThread: boolean,
    tell: boolean,
    work: () => Promise<void>,
  ): Promise<void> {
    try {
      await work();
      toldOf.delete(event.eventId);
    } catch (error) {
      logger.warn({ eventId: event.eventId, problem: problemOf(error) }, 'slack event not kept');
      if (tell && !toldOf.has(event.eventId)) {
        if (toldOf.size > 1000) toldOf.clear();
        toldOf.add(event.eventId);
        await replies.privately(event.conversation, event.userId, problemText(problemOf(error)), inThread);
      }
      throw error;
    }
  }

  async function message(body: unknown): Promise<void> {
    const heard = readMessage(body, await people.identity());
    if (heard) await handle(heard, !heard.opensThread, heard.addressed, () => mentioned(parts, heard));
  }
  app.event('app_mention', ({ body }) => message(body));
  app.event('message', ({ body }) => message(body));

  app.action({ type: 'block_actions' }, async ({ body, ack }) => {
    const press = readPress(body, await people.identity());
    if (press) await handle(press, true, true, () => pressed(parts, press));
    await ack();
  });

  app.view(denyForm, async ({ body, ack }) => {
    const denial = readDenial(body);
    if (denial) await handle(denial, true, true, () => decided(parts, denial));
    await ack();
  });

  app.error(async (error) => {
    throw error;
  });
}

async function mentioned(parts: Listening, heard: Heard): Promise<void> {
  const { inbox, people, replies, clock } = parts;
  const { conversation, userId, opensThread } = heard;
  const who = await people.who(userId, heard.teams, false);
  if (who.kind === 'stranger') {
    if (heard.addressed) await turnAway(parts, heard, 'request', who.why, !opensThread);
    return;
  }
  const received = await inbox.mentioned({
    eventId: heard.eventId,
    conversation,
    user: userOf(userId, who.name),
    groups: who.groups,
    text: heard.text,
    at: clock.now(),
    addressed: heard.addressed,
    opensThread,
  });
  const isOpen = received.kind === 'answered' && !received.privately;
  if (isOpen) await replies.openly(conversation, heard.eventId, received.text);
  else if (received.kind === 'answered' || received.kind === 'refused')
    await replies.privately(conversation, userId, received.text, !opensThread);
}

async function pressed(parts: Listening, press: Press): Promise<void> {
  switch (press.kind) {
    case 'decide':
      return decided(parts, press);
    case 'ask-why':
      await parts.api.call('views.open', (c) =>
        c.views.open({ trigger_id: press.triggerId, view: denyModal(originOf(press)) }),
      );
      return;
    case 'stop':
      return stopped(parts, press);
    case 'undo':
      return undone(parts, press);
    case 'unknown':
      return turnAway(parts, press, 'press', press.why, true);
    default:
      return press satisfies never;
  }
}

async function decided(parts: Listening, event: Denial): Promise<void> {
  const { inbox, people, replies, clock } = parts;
  const { conversation, userId, message, choice } = event;
  const who = await people.who(userId, event.teams, true);
  if (who.kind === 'stranger') return turnAway(parts, event, 'decision', who.why, true);
  const result = await inbox.decided({
    ...choice,
    eventId: event.eventId,
    user: userOf(userId, who.name),
    groups: who.groups,
    card: { conversation, message },
    at: clock.now(),
  });
  // What was counted is seen on the card; of several some may not have been.
  if (result.kind !== 'counted' || choice.scope === 'all')
    await replies.privately(conversation, userId, result.text, true);
}

async function stopped(parts: Listening, press: Extract<Press, { kind: 'stop' }>): Promise<void> {
  const { inbox, people, replies } = parts;
  const { conversation, userId, runId } = press;
  const who = await people.who(userId, press.teams, true);
  if (who.kind === 'stranger') return turnAway(parts, press, 'stop', who.why, true);
  const received = await inbox.stopped({ runId, user: userOf(userId, who.name), groups: who.groups });
  if (received.kind === 'answered' || received.kind === 'refused')
    await replies.privately(conversation, userId, received.text, true);
}

async function undone(parts: Listening, press: Extract<Press, { kind: 'undo' }>): Promise<void> {
  const { inbox, people, replies, clock } = parts;
  const { conversation, userId, eventId, callId, host } = press;
  const who = await people.who(userId, press.teams, true);
  if (who.kind === 'stranger') return turnAway(parts, press, 'undo', who.why, true);
  const user = userOf(userId, who.name);
  const received = await inbox.undone({
    eventId,
    callId,
    host,
    user,
    groups: who.groups,
    conversation,
    at: clock.now(),
  });
  if (received.kind === 'answered' || received.kind === 'refused')
    await replies.privately(conversation, userId, received.text, true);
}

/** Somebody who may not even be heard: put on record, then told alone. */
async function turnAway(
  { inbox, replies }: Listening,
  { conversation, userId }: { readonly conversation: Conversation; readonly userId: string },
  what: string,
  why: string,
  inThread: boolean,
): Promise<void> {
  await inbox.refused({ user: userOf(userId, userId), conversation, what, why });
  await replies.privately(conversation, userId, why, inThread);
}

function userOf(id: string, name: string): User {
  return { platform: 'slack', id, name };
}
