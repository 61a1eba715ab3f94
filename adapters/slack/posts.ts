/**
 * Messages under keys: each is shown once however often it is posted, in the order in which it was asked for.
 * A key travels as the message's metadata, so that the thread itself can say whether it is there.
 */
import { z } from 'zod';
import type { Conversation } from '../../src/core/conversation.ts';
import { conversationKey } from '../../src/core/conversation.ts';
import type { Logger } from '../../src/core/ports.ts';
import { type Api, slackCode } from './api.ts';
import type { Identity } from './people.ts';
import type { Message } from './render.ts';

export interface Posts {
  /** Returns the message's ts. */
  post(to: Conversation, key: string, message: Message, maybePosted: boolean): Promise<string>;
  edit(to: Conversation, key: string, ref: string, message: Message): Promise<void>;
}

/** On everything that is sent: nothing is fetched for a preview and no name becomes a mention. */
export const inert = { unfurl_links: false, unfurl_media: false, parse: 'none' } as const;

const eventType = 'opsagent_view';
const mostRemembered = 2000;
const mostPages = 20;

export function createPosts(api: Api, identity: () => Promise<Identity>, logger: Logger): Posts {
  const refs = new Map<string, string>();
  const inOrder = createLanes();

  function remember(at: string, ref: string): string {
    if (refs.size >= mostRemembered) refs.delete(refs.keys().next().value ?? '');
    refs.set(at, ref);
    return ref;
  }

  async function update(to: Conversation, key: string, ref: string, message: Message): Promise<void> {
    await api
      .call('chat.update', (c) =>
        c.chat.update({
          ...inert,
          channel: to.channel,
          ts: ref,
          text: message.text,
          blocks: [...message.blocks],
          metadata: metadata(key),
        }),
      )
      .catch((error) => {
        // Somebody deleted it: there is nothing to keep up to date, and trying again would not change that.
        if (slackCode(error) !== 'message_not_found') throw error;
        logger.warn({ key }, 'slack message is gone');
      });
  }

  async function create(to: Conversation, key: string, message: Message): Promise<string> {
    return api.call(
      'chat.postMessage',
      async (c) => {
        const { ts } = await c.chat.postMessage({
          ...inert,
          channel: to.channel,
          thread_ts: to.thread,
          text: message.text,
          blocks: [...message.blocks],
          metadata: metadata(key),
        });
        if (!ts) throw new TypeError('chat.postMessage returned no ts');
        return ts;
      },
      () => find(to, key),
    );
  }

  /** Looks for our own message with this key in the thread. */
  async function find(to: Conversation, key: string): Promise<string | undefined> {
    const me = await identity();
    let cursor: string | undefined;
    for (let page = 0; page < mostPages; page++) {
      const answer = await api.call('conversations.replies', (c) =>
        c.conversations.replies({
          channel: to.channel,
          ts: to.thread,
          limit: 200,
          include_all_metadata: true,
          ...(cursor ? { cursor } : {}),
        }),
      );
      for (const message of answer.messages ?? []) {
        const { data } = Keyed.safeParse(message);
        const ours = data && (data.user === me.userId || (me.botId && data.bot_id === me.botId));
        if (ours && data.metadata.event_payload.key === key) return data.ts;
      }
      cursor = answer.response_metadata?.next_cursor;
      if (!cursor) return undefined;
    }
    return undefined;
  }

  return {
    post(to, key, message, maybePosted) {
      const at = `${conversationKey(to)} ${key}`;
      return inOrder(conversationKey(to), async () => {
        const known = refs.get(at) ?? (maybePosted ? await find(to, key) : undefined);
        if (known === undefined) return remember(at, await create(to, key, message));
        await update(to, key, known, message);
        return remember(at, known);
      });
    },
    edit: (to, key, ref, message) => inOrder(`${to.channel} ${ref}`, () => update(to, key, ref, message)),
  };
}

const Keyed = z.object({
  ts: z.string(),
  user: z.string().optional(),
  bot_id: z.string().optional(),
  metadata: z.object({
    event_type: z.literal(eventType),
    event_payload: z.object({ key: z.string() }),
  }),
});

function metadata(key: string) {
  return { event_type: eventType, event_payload: { key } };
}

/** Runs work of one lane one after the other; lanes do not wait for each other. */
function createLanes(): <T>(lane: string, work: () => Promise<T>) => Promise<T> {
  const tails = new Map<string, Promise<unknown>>();
  return (lane, work) => {
    const result = (tails.get(lane) ?? Promise.resolve()).then(work);
    const tail = result
      .catch(() => {})
      .then(() => {
        if (tails.get(lane) === tail) tails.delete(lane);
      });
    tails.set(lane, tail);
    return result;
  };
}
