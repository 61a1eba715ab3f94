/**
 * One live connection to the whitelist server, made when it is first needed and made anew, with back-off, when the
 * server has died. Whoever was waiting on a dead one hears so at once.
 */
import { Client, type Transport } from '@modelcontextprotocol/client';
import type { Clock, Logger } from '../core/ports.ts';

export interface ConnectionOptions {
  readonly open: () => Transport;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly version: string;
  /** How long a new server may take to answer its first request, in ms. */
  readonly connectTimeoutMs: number;
}

export interface Connection {
  /** Connects where there is no live connection. Rejects when the server cannot be started or does not answer. */
  client(): Promise<Client>;
  close(): Promise<void>;
}

/** The protocol revision both sides of opsagent speak; only it can carry a question to people. */
const revision = '2026-07-28';
const firstBackoffMs = 100;
const lastBackoffMs = 5000;

export function createConnection(options: ConnectionOptions): Connection {
  const { open, clock, logger, version, connectTimeoutMs } = options;
  let live: Promise<Client> | undefined;
  let failures = 0;
  let notBefore = 0;
  let closed = false;

  const connect = async (): Promise<Client> => {
    const wait = notBefore - clock.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, Math.min(wait, lastBackoffMs)));
    if (closed) throw new Error('closed');
    const client = new Client(
      { name: 'opsagent-worker', version },
      {
        capabilities: { elicitation: { form: {} } },
        versionNegotiation: { mode: { pin: revision } },
        inputRequired: { autoFulfill: false },
      },
    );
    client.onclose = () => {
      if (live !== mine) return;
      live = undefined;
      if (closed) return;
      backOff();
      logger.warn({ failures }, 'the connection to the whitelist server is gone');
    };
    client.onerror = (error) => logger.debug({ err: error }, 'MCP client error');
    const mine = live;
    await client.connect(open(), { timeout: connectTimeoutMs });
    failures = 0;
    return client;
  };

  const backOff = () => {
    notBefore = clock.now() + Math.min(lastBackoffMs, firstBackoffMs * 2 ** failures);
    failures += 1;
  };

  return {
    client() {
      if (live) return live;
      const attempt = Promise.resolve().then(connect);
      live = attempt;
      attempt.catch(() => {
        if (live !== attempt) return;
        live = undefined;
        backOff();
      });
      return attempt;
    },
    async close() {
      closed = true;
      const client = await live?.catch(() => undefined);
      await client?.close();
    },
  };
}
