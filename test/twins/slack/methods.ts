/**
 * The Web API methods of the twin over its state. Answers are typed by the SDK, so that they cannot drift from it.
 */
import type { Block, ModalView } from '@slack/types';
import type {
  AppsConnectionsOpenResponse,
  AuthTestResponse,
  ChatPostEphemeralResponse,
  ChatPostMessageResponse,
  ChatUpdateResponse,
  ConversationsRepliesResponse,
  UsergroupsListResponse,
  UsersInfoResponse,
  ViewsOpenResponse,
} from '@slack/web-api';
import { blockProblem } from './blocks.ts';

export const team = 'T0TEAM';
export const bot = { user: 'U0BOT', id: 'B0BOT' } as const;

export interface TwinUser {
  readonly name: string;
  readonly teamId?: string;
  readonly guest?: boolean;
  readonly bot?: boolean;
  readonly groups?: readonly string[];
}

export interface TwinMessage {
  readonly channel: string;
  readonly ts: string;
  readonly thread: string | undefined;
  readonly user: string;
  readonly botId: string | undefined;
  readonly privateTo: string | undefined;
  text: string;
  blocks: readonly Block[];
  metadata: { event_type: string; event_payload: { key: string } } | undefined;
}

export interface SlackState {
  readonly users: Map<string, TwinUser>;
  readonly messages: TwinMessage[];
  readonly views: { readonly trigger: string; readonly id: string; readonly view: ModalView }[];
}

type Body = Record<string, unknown>;
type Refused = { readonly ok: false; readonly error: string };
type Method<Answer> = (body: Body) => Answer | Refused;

const pageSize = 3;
let clock = 1_700_000_000;

/** A new message timestamp, later than all before it. */
export function nextTs(): string {
  return `${++clock}.000100`;
}

export function createMethods(state: SlackState, link: () => string): Record<string, Method<unknown>> {
  const refused = (error: string): Refused => ({ ok: false, error });

  function add(body: Body, privateTo: string | undefined): TwinMessage | Refused {
    const blocks = body.blocks as Block[] | undefined;
    const problem = checkMessage(body, blocks);
    if (problem) return refused(problem);
    const message: TwinMessage = {
      channel: String(body.channel),
      ts: nextTs(),
      thread: body.thread_ts === undefined ? undefined : String(body.thread_ts),
      user: bot.user,
      botId: bot.id,
      privateTo,
      text: String(body.text),
      blocks: blocks ?? [],
      metadata: body.metadata as TwinMessage['metadata'],
    };
    state.messages.push(message);
    return message;
  }

  const authTest: Method<AuthTestResponse> = () => ({
    ok: true,
    team_id: team,
    team: 'Team',
    user_id: bot.user,
    user: 'opsagent',
    bot_id: bot.id,
  });
  const open: Method<AppsConnectionsOpenResponse> = () => ({ ok: true, url: link() });
  const postMessage: Method<ChatPostMessageResponse> = (body) => {
    const added = add(body, undefined);
    return 'ok' in added ? added : { ok: true, channel: added.channel, ts: added.ts };
  };
  const postEphemeral: Method<ChatPostEphemeralResponse> = (body) => {
    if (!state.users.has(String(body.user))) return refused('user_not_in_channel');
    const added = add(body, String(body.user));
    return 'ok' in added ? added : { ok: true, message_ts: added.ts };
  };
  const update: Method<ChatUpdateResponse> = (body) => {
    const message = state.messages.find(
      (m) => m.ts === body.ts && m.channel === body.channel && m.user === bot.user && !m.privateTo,
    );
    if (!message) return refused('message_not_found');
    const blocks = body.blocks as Block[] | undefined;
    const problem = checkMessage(body, blocks);
    if (problem) return refused(problem);
    Object.assign(message, { text: String(body.text), blocks: blocks ?? [] });
    if (body.metadata) message.metadata = body.metadata as TwinMessage['metadata'];
    return { ok: true, channel: message.channel, ts: message.ts };
  };
  const replies: Method<ConversationsRepliesResponse> = (body) => {
    const thread = state.messages.filter(
      (m) => m.channel === body.channel && !m.privateTo && (m.thread === body.ts || m.ts === body.ts),
    );
    if (thread.length === 0) return refused('thread_not_found');
    const from = Number(body.cursor ?? 0);
    const next = from + pageSize;
    return {
      ok: true,
      messages: thread.slice(from, next).map((m) => ({
        type: 'message',
        ts: m.ts,
        text: m.text,
        user: m.user,
        ...(m.thread ? { thread_ts: m.thread } : {}),
        ...(m.botId ? { bot_id: m.botId } : {}),
        ...(body.include_all_metadata === 'true' && m.metadata ? { metadata: m.metadata } : {}),
      })),
      has_more: next < thread.length,
      response_metadata: { next_cursor: next < thread.length ? String(next) : '' },
    };
  };
  const openView: Method<ViewsOpenResponse> = (body) => {
    const view = body.view as ModalView;
    if (view.title.text.length > 24) return refused('invalid_arguments');
    const id = `V${state.views.length + 1}`;
    state.views.push({ trigger: String(body.trigger_id), id, view });
    return { ok: true, view: { id } };
  };
  const userInfo: Method<UsersInfoResponse> = (body) => {
    const user = state.users.get(String(body.user));
    if (!user) return refused('user_not_found');
    return {
      ok: true,
      user: {
        id: String(body.user),
        team_id: user.teamId ?? team,
        name: user.name.toLowerCase(),
        real_name: user.name,
        deleted: false,
        is_bot: user.bot ?? false,
        is_restricted: user.guest ?? false,
        profile: { display_name: user.name },
      },
    };
  };

  const groups: Method<UsergroupsListResponse> = (body) => ({
    ok: true,
    usergroups: [...new Set([...state.users.values()].flatMap((u) => u.groups ?? []))].map((id) => ({
      id,
      ...(body.include_users === 'true'
        ? { users: [...state.users].filter(([, u]) => u.groups?.includes(id)).map(([user]) => user) }
        : {}),
    })),
  });

  return {
    'auth.test': authTest,
    'usergroups.list': groups,
    'apps.connections.open': open,
    'chat.postMessage': postMessage,
    'chat.postEphemeral': postEphemeral,
    'chat.update': update,
    'conversations.replies': replies,
    'views.open': openView,
    'users.info': userInfo,
  };
}

function checkMessage(body: Body, blocks: readonly Block[] | undefined): string | undefined {
  if (typeof body.channel !== 'string') return 'channel_not_found';
  if (typeof body.text !== 'string' || (body.text === '' && !blocks)) return 'no_text';
  if (body.text.length > 40_000) return 'msg_too_long';
  return blocks && blockProblem(blocks);
}
