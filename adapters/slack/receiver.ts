/**
 * Hands Socket Mode envelopes to Bolt and acknowledges each only after everything that listens is done with it:
 * Bolt alone acknowledges first, and a crash in between would lose the message. A failed one Slack sends again.
 */
import type { App, Receiver } from '@slack/bolt';
import type { Logger } from '../../src/core/ports.ts';
import type { Connection } from './connection.ts';

interface Envelope {
  readonly ack: (response?: object) => Promise<void>;
  readonly body: Record<string, unknown>;
  readonly retry_num?: number;
  readonly retry_reason?: string;
}

export function socketReceiver(connection: Connection, logger: Logger): Receiver {
  let app: App | undefined;
  let closing = false;
  const underWay = new Set<Promise<void>>();

  connection.client.on('slack_event', (envelope: Envelope) => {
    if (closing) return;
    const work = take(envelope).finally(() => underWay.delete(work));
    underWay.add(work);
  });

  /** Never rejects: nobody waits for it. */
  async function take({ ack, body, retry_num, retry_reason }: Envelope): Promise<void> {
    let response: object | undefined;
    try {
      await app?.processEvent({
        body,
        ...(retry_num === undefined ? {} : { retryNum: retry_num }),
        ...(retry_reason === undefined ? {} : { retryReason: retry_reason }),
        ack: async (given?: object) => {
          response = given;
        },
      });
      await ack(response);
    } catch (error) {
      logger.warn(
        { reason: error instanceof Error ? error.message : String(error) },
        'slack event not acknowledged',
      );
    }
  }

  return {
    init(given) {
      app = given;
    },
    start: () => connection.start(),
    /** Lets what is under way come to its end, so that it is acknowledged, then hangs up. */
    async stop() {
      closing = true;
      const limit = AbortSignal.timeout(2000);
      await Promise.race([
        Promise.allSettled(underWay),
        new Promise<void>((resolve) => limit.addEventListener('abort', () => resolve(), { once: true })),
      ]);
      await connection.stop();
    },
  };
}
