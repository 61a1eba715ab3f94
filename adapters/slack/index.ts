/**
 * Slack as a chat adapter: Bolt over Socket Mode to hear, the Web API to speak. A worker only speaks and needs the
 * bot token alone. The live message is one message edited; Slack's own streaming and task cards are not used yet.
 */
import { App } from '@slack/bolt';
import { OpsError } from '../../src/core/errors.ts';
import type { ChatAdapter, Clock, Inbox, Logger } from '../../src/core/ports.ts';
import { createApi } from './api.ts';
import { createConnection } from './connection.ts';
import { listen } from './listen.ts';
import { createPeople } from './people.ts';
import { createPosts } from './posts.ts';
import { socketReceiver } from './receiver.ts';
import { render } from './render.ts';
import { createReplies } from './replies.ts';
import { quietLogger } from './sdk-logger.ts';

export interface SlackOptions {
  /** `xoxb-…`: to speak. */
  readonly botToken: string;
  /** `xapp-…`: to listen, over Socket Mode. */
  readonly appToken?: string;
  /** Only needed for events over HTTP, which are not offered yet: Socket Mode has no signatures. */
  readonly signingSecret?: string;
  /** Another server in place of https://slack.com/api/. */
  readonly apiUrl?: string;
  readonly logger: Logger;
  readonly clock: Clock;
}

export function createSlack(options: SlackOptions): ChatAdapter {
  const { botToken, appToken, apiUrl, clock } = options;
  const logger = options.logger.child({ platform: 'slack' });
  const api = createApi(botToken, apiUrl, logger);
  const people = createPeople(api, clock, logger);
  const posts = createPosts(api, people.identity, logger);
  const replies = createReplies(api, posts, logger);
  let listening: { stop(): Promise<void> } | undefined;

  async function start(inbox: Inbox): Promise<void> {
    if (!appToken)
      throw new OpsError('chat-unavailable', 'Slack needs an app token to listen.', 'Set SLACK_APP_TOKEN.');
    if (listening) throw new TypeError('slack is listening already');
    const connection = createConnection({
      appToken,
      ...(apiUrl ? { apiUrl } : {}),
      logger,
      prepare: people.identity,
    });
    const receiver = socketReceiver(connection, logger);
    const open = { is: true };
    const app = new App({
      receiver,
      authorize: async () => {
        const me = await people.identity();
        return {
          botToken,
          botUserId: me.userId,
          teamId: me.teamId,
          ...(me.botId ? { botId: me.botId } : {}),
        };
      },
      convoStore: false,
      logger: quietLogger(logger),
      clientOptions: {
        ...(apiUrl ? { slackApiUrl: apiUrl } : {}),
        retryConfig: { retries: 0 },
        rejectRateLimitedCalls: true,
      },
    });
    listen(app, { inbox: whileOpen(inbox, open), api, people, replies, clock, logger });
    listening = {
      async stop() {
        await receiver.stop();
        open.is = false;
      },
    };
    try {
      await receiver.start();
    } catch (error) {
      listening = undefined;
      throw error;
    }
  }

  return {
    platform: 'slack',
    editEveryMs: 1200,
    start,
    async stop() {
      const before = listening;
      listening = undefined;
      await before?.stop();
    },
    post: (to, key, view, maybePosted) => posts.post(to, key, render(view), maybePosted),
    edit: (to, key, ref, view) => posts.edit(to, key, ref, render(view)),
  };
}

/** After stop, what is still on its way is not delivered and so not acknowledged. */
function whileOpen(inbox: Inbox, open: { readonly is: boolean }): Inbox {
  const check = () => {
    if (!open.is) throw new OpsError('chat-unavailable', 'opsagent is stopping.', 'Try again in a moment.');
  };
  return {
    async mentioned(mention) {
      check();
      return inbox.mentioned(mention);
    },
    async decided(decision) {
      check();
      return inbox.decided(decision);
    },
    async stopped(stop) {
      check();
      return inbox.stopped(stop);
    },
    async undone(undo) {
      check();
      return inbox.undone(undo);
    },
    async refused(outsider) {
      check();
      return inbox.refused(outsider);
    },
  };
}
