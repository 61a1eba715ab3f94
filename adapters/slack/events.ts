/**
 * Slack's payloads as facts. Everything here comes from outside: what does not have the expected shape is undefined,
 * and then nothing happens.
 */
import { z } from 'zod';
import type { Conversation, Decision } from '../../src/core/conversation.ts';
import { type CallId, isApprovalId, isCallId, isRunId, type RunId } from '../../src/core/ids.ts';
import { actions, denyForm, halvesOf, isUndo, reasonField } from './actions.ts';
import type { Identity } from './people.ts';
import { decode } from './text.ts';

/** Somebody said something that may be for us. `teams` are the workspaces the event names for its author. */
export interface Heard {
  readonly eventId: string;
  readonly conversation: Conversation;
  readonly userId: string;
  readonly teams: readonly string[];
  readonly text: string;
  readonly addressed: boolean;
  readonly opensThread: boolean;
}

interface Pressed {
  readonly eventId: string;
  readonly userId: string;
  readonly teams: readonly string[];
  readonly conversation: Conversation;
  /** The ts of the message that holds the button. */
  readonly message: string;
}

/** What a person decided. The digest is what the button carried, whatever that was: the inbox judges it. */
export type Choice = Pick<
  Decision,
  'approvalId' | 'verdict' | 'digest' | 'scope' | 'windowMinutes' | 'reason'
>;

export type Press =
  | (Pressed & { readonly kind: 'decide'; readonly choice: Choice })
  | (Pressed & { readonly kind: 'ask-why'; readonly choice: Choice; readonly triggerId: string })
  | (Pressed & { readonly kind: 'stop'; readonly runId: RunId })
  | (Pressed & { readonly kind: 'undo'; readonly callId: CallId; readonly host: string })
  /** Not a button as we make them, or not on a message of ours. */
  | (Pressed & { readonly kind: 'unknown'; readonly why: string });

export type Denial = Pressed & { readonly choice: Choice };

const ts = z.string().regex(/^\d{1,16}\.\d{1,9}$/);
const id = z.string().regex(/^[A-Z0-9]{1,30}$/);

const MessageBody = z.object({
  team_id: id,
  event: z.object({
    type: z.enum(['app_mention', 'message']),
    subtype: z.string().optional(),
    channel_type: z.string().optional(),
    channel: id,
    user: id,
    text: z.string(),
    ts,
    thread_ts: ts.optional(),
    bot_id: z.string().optional(),
    hidden: z.boolean().optional(),
    team: id.optional(),
    user_team: id.optional(),
    source_team: id.optional(),
  }),
});

/** Kinds of message that are a person talking; edits, joins and the like are not. */
const talk = new Set([undefined, 'file_share', 'thread_broadcast']);

/**
 * An app_mention or message event. Slack sends both for one mention in a channel: the message is left to the other,
 * and both would carry the same event id, which is the message's place and not the envelope's.
 */
export function readMessage(body: unknown, me: Identity): Heard | undefined {
  const { data } = MessageBody.safeParse(body);
  if (!data) return undefined;
  const { event } = data;
  if (event.bot_id || event.hidden || event.user === me.userId || !talk.has(event.subtype)) return undefined;

  const direct = event.channel_type === 'im';
  const named = new RegExp(`<@${me.userId}[|>]`).test(event.text);
  if (event.type === 'message' && named && !direct) return undefined;
  const inThread = event.thread_ts !== undefined && event.thread_ts !== event.ts;
  const addressed = event.type === 'app_mention' || direct;
  if (!addressed && !inThread) return undefined;

  return {
    eventId: `${event.channel}:${event.ts}`,
    conversation: { platform: 'slack', channel: event.channel, thread: event.thread_ts ?? event.ts },
    userId: event.user,
    teams: present(data.team_id, event.team, event.user_team, event.source_team),
    text: decode(event.text, me.userId),
    addressed,
    opensThread: !inThread,
  };
}

const person = z.object({ id, team_id: id.optional() });

const PressBody = z.object({
  type: z.literal('block_actions'),
  trigger_id: z.string().min(1),
  user: person,
  team: z.object({ id }),
  container: z.object({ type: z.literal('message'), message_ts: ts, channel_id: id }),
  message: z.object({ ts, thread_ts: ts.optional(), user: id.optional(), bot_id: z.string().optional() }),
  actions: z.array(z.object({ action_id: z.string(), value: z.string(), action_ts: ts })).length(1),
});

/** A press of a button, which Slack tells us for those of our app. */
export function readPress(body: unknown, me: Identity): Press | undefined {
  const { data } = PressBody.safeParse(body);
  const action = data?.actions[0];
  if (!data || !action) return undefined;
  const { container, message, user } = data;
  const pressed: Pressed = {
    eventId: `${container.channel_id}:${container.message_ts}:${user.id}:${action.action_ts}`,
    userId: user.id,
    teams: present(data.team.id, user.team_id),
    conversation: {
      platform: 'slack',
      channel: container.channel_id,
      thread: message.thread_ts ?? container.message_ts,
    },
    message: container.message_ts,
  };
  if (!isOurs(message, me))
    return { ...pressed, kind: 'unknown', why: 'This card is not one of mine; nothing was decided.' };
  return meant(pressed, action, data.trigger_id);
}

function meant(pressed: Pressed, action: { action_id: string; value: string }, triggerId: string): Press {
  const { action_id: what, value } = action;
  const [id, rest] = halvesOf(value);
  if (what === actions.stop && isRunId(value)) return { ...pressed, kind: 'stop', runId: value };
  if (isUndo(what) && isCallId(id) && rest) return { ...pressed, kind: 'undo', callId: id, host: rest };
  if (isApprovalId(id)) {
    const approve: Choice = { approvalId: id, verdict: 'approve', digest: rest };
    if (what === actions.deny)
      return { ...pressed, kind: 'ask-why', choice: { ...approve, verdict: 'deny' }, triggerId };
    if (what === actions.approve) return { ...pressed, kind: 'decide', choice: approve };
    if (what === actions.approveAll)
      return { ...pressed, kind: 'decide', choice: { ...approve, scope: 'all' } };
    if (what === actions.approve15)
      return { ...pressed, kind: 'decide', choice: { ...approve, windowMinutes: 15 } };
    if (what === actions.approve60)
      return { ...pressed, kind: 'decide', choice: { ...approve, windowMinutes: 60 } };
  }
  return { ...pressed, kind: 'unknown', why: 'I do not know this button; nothing was done.' };
}

function isOurs(message: { user?: string | undefined; bot_id?: string | undefined }, me: Identity): boolean {
  return message.user === me.userId || (me.botId !== undefined && message.bot_id === me.botId);
}

const Origin = z.object({
  approvalId: z.string(),
  digest: z.string().default(''),
  channel: id,
  thread: ts,
  message: ts,
});

/** What a form carries with it, to know the card again. */
export function originOf({ choice, conversation, message }: Denial): string {
  const { approvalId, digest } = choice;
  const { channel, thread } = conversation;
  return JSON.stringify({ approvalId, digest, channel, thread, message });
}

const DenialBody = z.object({
  type: z.literal('view_submission'),
  user: person,
  team: z.object({ id }),
  view: z.object({
    id: z.string().min(1),
    callback_id: z.literal(denyForm),
    private_metadata: z.string(),
    state: z.object({
      values: z.object({
        [reasonField.block]: z.object({
          [reasonField.action]: z.object({ value: z.string().nullish() }),
        }),
      }),
    }),
  }),
});

/** The form for a Deny, sent off. */
export function readDenial(body: unknown): Denial | undefined {
  const { data } = DenialBody.safeParse(body);
  if (!data) return undefined;
  const { data: origin } = Origin.safeParse(parsed(data.view.private_metadata));
  if (!origin || !isApprovalId(origin.approvalId)) return undefined;
  const reason = data.view.state.values[reasonField.block][reasonField.action].value?.trim();
  return {
    eventId: `view:${data.view.id}`,
    userId: data.user.id,
    teams: present(data.team.id, data.user.team_id),
    conversation: { platform: 'slack', channel: origin.channel, thread: origin.thread },
    message: origin.message,
    choice: {
      approvalId: origin.approvalId,
      verdict: 'deny',
      digest: origin.digest,
      ...(reason ? { reason } : {}),
    },
  };
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function present(...teams: readonly (string | undefined)[]): readonly string[] {
  return [...new Set(teams.filter((t) => t !== undefined))];
}
