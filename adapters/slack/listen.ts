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
    if (denial) await handle(denial, true, true, () => decided(parts, 'deny', denial));
    await ack();
  });

  app.error(async (error) => {
    throw error;
  });
}

async function mentioned({ inbox, people, replies, clock }: Listening, heard: Heard): Promise<void> {
  const { conversation, userId, opensThread } = heard;
  const who = await people.who(userId, heard.teams, false);
  if (who.kind === 'stranger') {
    if (heard.addressed) await replies.privately(conversation, userId, who.why, !opensThread);
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
  if (received.kind === 'answered') await replies.openly(conversation, heard.eventId, received.text);
  if (received.kind === 'refused') await replies.privately(conversation, userId, received.text, !opensThread);
}

async function pressed(parts: Listening, press: Press): Promise<void> {
  switch (press.kind) {
    case 'approve':
      return decided(parts, 'approve', press);
    case 'ask-why':
      await parts.api.call('views.open', (c) =>
        c.views.open({ trigger_id: press.triggerId, view: denyModal(originOf(press)) }),
      );
      return;
    case 'stop':
      return stopped(parts, press);
    default:
      return press satisfies never;
  }
}

async function decided(
  { inbox, people, replies, clock }: Listening,
  verdict: 'approve' | 'deny',
  event: Omit<Denial, 'reason'> & { readonly reason?: string },
): Promise<void> {
  const { conversation, userId, message } = event;
  const who = await people.who(userId, event.teams, true);
  if (who.kind === 'stranger') return replies.privately(conversation, userId, who.why, true);
  const result = await inbox.decided({
    eventId: event.eventId,
    approvalId: event.approvalId,
    verdict,
    ...(event.reason ? { reason: event.reason } : {}),
    user: userOf(userId, who.name),
    groups: who.groups,
    card: { conversation, message },
    at: clock.now(),
  });
  // What was counted is seen on the card.
  if (result.kind !== 'counted') await replies.privately(conversation, userId, result.text, true);
}

async function stopped(
  { inbox, people, replies }: Listening,
  press: Extract<Press, { kind: 'stop' }>,
): Promise<void> {
  const { conversation, userId } = press;
  const who = await people.who(userId, press.teams, true);
  if (who.kind === 'stranger') return replies.privately(conversation, userId, who.why, true);
  const received = await inbox.stopped({
    runId: press.runId,
    user: userOf(userId, who.name),
    groups: who.groups,
  });
  if (received.kind === 'answered' || received.kind === 'refused')
    await replies.privately(conversation, userId, received.text, true);
}

function userOf(id: string, name: string): User {
  return { platform: 'slack', id, name };
}
