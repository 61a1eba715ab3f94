/**
 * What the adapter itself says to people: a refusal to one person alone, an answer to a word in the thread.
 */
import type { Conversation } from '../../src/core/conversation.ts';
import type { Logger } from '../../src/core/ports.ts';
import { type Api, slackCode } from './api.ts';
import { inert, type Posts } from './posts.ts';
import { markdown, richText } from './rich-text.ts';
import { cutAtLine, escaped, leftOut } from './text.ts';

export interface Replies {
  /**
   * Said to one person alone, in the thread unless nobody has seen one there yet. Never throws: it is a courtesy,
   * and what it tells about has been decided already.
   */
  privately(to: Conversation, userId: string, text: string, inThread: boolean): Promise<void>;
  /** Said in the thread, once for each event. Throws OpsError. */
  openly(to: Conversation, eventId: string, text: string): Promise<void>;
}

const mostText = 6000;

export function createReplies(api: Api, posts: Posts, logger: Logger): Replies {
  return {
    async privately(to, userId, text, inThread) {
      // In a direct message everything is private, and Slack knows no ephemeral ones there.
      const direct = to.channel.startsWith('D');
      const place = { channel: to.channel, ...(inThread || direct ? { thread_ts: to.thread } : {}) };
      const message = messageOf(text);
      try {
        if (direct)
          await api.call('chat.postMessage', (c) => c.chat.postMessage({ ...inert, ...place, ...message }));
        else
          await api.call('chat.postEphemeral', (c) =>
            c.chat.postEphemeral({ ...inert, ...place, ...message, user: userId }),
          );
      } catch (error) {
        logger.warn({ code: slackCode(error) }, 'slack person not told');
      }
    },
    async openly(to, eventId, text) {
      await posts.post(to, `answer.${eventId}`, messageOf(text), false);
    },
  };
}

function messageOf(text: string) {
  const cut = cutAtLine(text, mostText);
  const whole = cut.left ? `${cut.text}\n${leftOut(cut.left)}` : cut.text;
  return { text: escaped(cutAtLine(text, 280).text), blocks: [richText(markdown(whole || '…'))] };
}
