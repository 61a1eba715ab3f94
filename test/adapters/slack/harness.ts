/**
 * The Slack adapter with its twin, for the contract suite and for what is particular to Slack.
 */
import { createSlack } from '../../../adapters/slack/index.ts';
import type { Conversation } from '../../../src/core/conversation.ts';
import type { ChatAdapter, Logger } from '../../../src/core/ports.ts';
import { type AdapterHarness, recordingInbox } from '../../contract/chat-adapter.ts';
import { until } from '../../contract/until.ts';
import { buttonsOf, pingsOf, visibleText } from '../../twins/slack/blocks.ts';
import { type SlackTwin, startSlackTwin } from '../../twins/slack/index.ts';
import { bot, nextTs, type TwinMessage, team } from '../../twins/slack/methods.ts';

export interface SlackHarness extends AdapterHarness {
  readonly twin: SlackTwin;
  /** A Slack event in its outer body, as Socket Mode carries it. */
  event(fields: Record<string, unknown>, outer?: Record<string, unknown>): unknown;
  /** A press of a button as `block_actions`. */
  press(message: TwinMessage, label: string, by: string, over?: Record<string, unknown>): unknown;
  messageOf(to: Conversation, key: string): TwinMessage;
}

export async function createHarness(): Promise<SlackHarness> {
  const twin = await startSlackTwin();
  const people = ['U0ADA', 'U0GRACE'] as const;
  twin.users.set('U0ADA', { name: 'Ada' });
  twin.users.set('U0GRACE', { name: 'Grace' });
  const thread: Conversation = { platform: 'slack', channel: 'C0OPS', thread: nextTs() };
  human(thread.channel, thread.thread, undefined, 'the first message of a thread');

  const adapters: ChatAdapter[] = [];
  const another = () => {
    const adapter = createSlack({
      botToken: twin.botToken,
      appToken: twin.appToken,
      apiUrl: twin.apiUrl,
      logger: silent,
      clock: { now: () => Date.now() },
    });
    adapters.push(adapter);
    return adapter;
  };
  const adapter = another();
  const inbox = recordingInbox();
  let last: { envelope: string; payload: unknown; type: string } | undefined;
  let actions = 0;

  function human(
    channel: string,
    ts: string,
    inThread: string | undefined,
    text: string,
    by = 'U0ADA',
  ): void {
    twin.messages.push({
      channel,
      ts,
      thread: inThread,
      user: by,
      botId: undefined,
      privateTo: undefined,
      text,
      blocks: [],
      metadata: undefined,
    });
  }

  function deliver(type: string, payload: unknown, retryAttempt?: number): void {
    last = { envelope: twin.push(type, payload, retryAttempt), payload, type };
  }

  const harness: SlackHarness = {
    twin,
    adapter,
    inbox,
    people,
    thread,
    another,
    start: () => adapter.start(inbox),
    event: (fields, outer = {}) => ({
      type: 'event_callback',
      token: 'verification',
      team_id: team,
      api_app_id: 'A0OPS',
      event_id: `Ev${nextTs()}`,
      event_time: 1_700_000_000,
      authorizations: [{ enterprise_id: null, team_id: team, user_id: bot.user, is_bot: true }],
      ...outer,
      event: fields,
    }),
    async mention(text, { by = people[0], inThread } = {}) {
      const ts = nextTs();
      const channel = inThread?.channel ?? thread.channel;
      const said = `<@${bot.user}> ${text}`;
      human(channel, ts, inThread?.thread, said, by);
      const fields = {
        user: by,
        text: said,
        ts,
        event_ts: ts,
        channel,
        team,
        ...(inThread ? { thread_ts: inThread.thread } : {}),
      };
      // Slack sends both events for one message, the plain one often first.
      twin.push('events_api', harness.event({ ...fields, type: 'message', channel_type: 'channel' }));
      deliver('events_api', harness.event({ ...fields, type: 'app_mention' }));
      return {
        eventId: `${channel}:${ts}`,
        conversation: { platform: 'slack', channel, thread: inThread?.thread ?? ts },
      };
    },
    async say(text, { by = people[0], inThread } = {}) {
      const ts = nextTs();
      const fields = { type: 'message', channel_type: 'channel', user: by, text, ts, event_ts: ts, team };
      const place = { channel: thread.channel, ...(inThread ? { thread_ts: inThread.thread } : {}) };
      deliver('events_api', harness.event({ ...fields, ...place }));
    },
    async redeliver() {
      if (last) deliver(last.type, last.payload, 1);
    },
    async echoOwn(text) {
      const ts = nextTs();
      const fields = { channel: thread.channel, thread_ts: thread.thread, text, ts, event_ts: ts, team };
      const own = { type: 'message', channel_type: 'channel', user: bot.user, bot_id: bot.id };
      deliver('events_api', harness.event({ ...own, ...fields }));
      deliver('events_api', harness.event({ ...own, ...fields, subtype: 'bot_message' }));
    },
    messageOf(to, key) {
      const found = twin.messages.find(
        (m) => m.channel === to.channel && m.thread === to.thread && m.metadata?.event_payload.key === key,
      );
      if (!found) throw new Error(`no message shows ${key}`);
      return found;
    },
    press(message, label, by, over = {}) {
      const fits = (shown: string) =>
        shown === label || (['Approve all', 'Undo'].includes(label) && shown.startsWith(`${label} `));
      const button = buttonsOf(message.blocks).find((b) => fits(b.label));
      if (!button) throw new Error(`no button ${label}`);
      return {
        type: 'block_actions',
        team: { id: team, domain: 'team' },
        user: { id: by, username: by.toLowerCase(), team_id: team },
        api_app_id: 'A0OPS',
        token: 'verification',
        trigger_id: `trigger-${++actions}`,
        container: {
          type: 'message',
          message_ts: message.ts,
          channel_id: message.channel,
          is_ephemeral: false,
        },
        channel: { id: message.channel, name: 'ops' },
        message: {
          type: 'message',
          ts: message.ts,
          user: bot.user,
          bot_id: bot.id,
          ...(message.thread ? { thread_ts: message.thread } : {}),
        },
        actions: [
          {
            type: 'button',
            action_id: button.actionId,
            block_id: 'b',
            value: button.value,
            action_ts: nextTs(),
          },
        ],
        ...over,
      };
    },
    async click(to, key, label, by) {
      const shown = twin.views.length;
      deliver('interactive', harness.press(harness.messageOf(to, key), label, by));
      if (label !== 'Deny') return;
      await until('the form for a reason', () => twin.views.length > shown);
      deliver('interactive', submission(twin, by, 'not now'));
    },
    async pressWithoutDigest(to, key, by) {
      const payload = harness.press(harness.messageOf(to, key), 'Approve', by) as { actions: object[] };
      deliver('interactive', { ...payload, actions: [{ ...payload.actions[0], value: key }] });
    },
    async mangled() {
      twin.pushRaw('not json {');
      twin.pushRaw(JSON.stringify({ envelope_id: 'm1', type: 'events_api', payload: {} }));
      twin.pushRaw(JSON.stringify({ envelope_id: 'm2', type: 'events_api' }));
      twin.push('events_api', harness.event({ type: 'app_mention', text: null, channel: 7, user: {} }));
      twin.push('events_api', harness.event({ type: 'reaction_added', user: 'U0ADA' }));
      twin.push('interactive', { type: 'block_actions', actions: [] });
      twin.push('interactive', { type: 'view_submission', view: { private_metadata: '{' } });
      twin.push('interactive', null);
      twin.push('unheard_of', { anything: true });
    },
    async seen(where) {
      return twin.messages
        .filter((m) => m.channel === where.channel && m.user === bot.user)
        .filter((m) => m.thread === where.thread || (m.thread === undefined && m.privateTo))
        .map((m) => ({
          text: visibleText(m.blocks),
          buttons: buttonsOf(m.blocks).map((b) => b.label),
          ...(m.privateTo ? { privateTo: m.privateTo } : {}),
        }));
    },
    async pinged() {
      return twin.calls.flatMap((c) => pingsOf(c.body));
    },
    acknowledged: () => last !== undefined && twin.acks.includes(last.envelope),
    fail(how) {
      let limited = how === 'rate-limited';
      twin.failing = (method) => {
        if (how === 'down') return { how: 'dead' };
        if (!limited || !method.startsWith('chat.')) return undefined;
        limited = false;
        return { how: 'limited', seconds: 1 };
      };
    },
    async close() {
      await Promise.all(adapters.map((a) => a.stop()));
      await twin.close();
    },
  };
  return harness;
}

/** The last form that was opened, sent off with a reason. */
export function submission(twin: SlackTwin, by: string, reason: string): unknown {
  const shown = twin.views.at(-1);
  if (!shown) throw new Error('no form was opened');
  return {
    type: 'view_submission',
    team: { id: team, domain: 'team' },
    user: { id: by, username: by.toLowerCase(), team_id: team },
    api_app_id: 'A0OPS',
    token: 'verification',
    view: {
      id: shown.id,
      type: 'modal',
      callback_id: shown.view.callback_id,
      private_metadata: shown.view.private_metadata,
      state: { values: { reason: { text: { type: 'plain_text_input', value: reason } } } },
    },
  };
}

export const silent: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silent,
};
