/**
 * The gateway connection: discord.js keeps it and resumes it; we take its packets as they are, parse them
 * ourselves, and log in anew, ever more slowly, when Discord closes it for good. Nothing here ends the process.
 */
import { Client, Events, GatewayIntentBits } from 'discord.js';
import { OpsError } from '../../src/core/errors.ts';
import type { Logger } from '../../src/core/ports.ts';
import { failure, restOptions } from './api.ts';

export interface GatewayOptions {
  readonly token: string;
  readonly apiUrl?: string;
  /** Ask for message text without a mention: only when the application may have it, else Discord closes with 4014. */
  readonly messageContent: boolean;
  readonly logger: Logger;
  readonly onEvent: (name: string, data: unknown) => void;
  readonly connectWithinMs?: number;
  /** First wait before logging in anew; doubled each time, to five minutes at most. */
  readonly backOffMs?: number;
}

export interface Gateway {
  /** Throws OpsError when Discord does not let us in. */
  connect(): Promise<void>;
  close(): Promise<void>;
}

const longestBackOffMs = 300_000;

export function createGateway(options: GatewayOptions): Gateway {
  const { logger, connectWithinMs = 30_000, backOffMs = 5_000 } = options;
  let client: Client | undefined;
  let again: NodeJS.Timeout | undefined;
  let closed = false;

  async function logIn(onLost: (code: number) => void): Promise<void> {
    const next = newClient(options);
    client = next;
    let connected = false;
    next.on(Events.ShardDisconnect, ({ code }) => {
      if (connected && client === next) onLost(code);
    });
    try {
      await within(connectWithinMs, next.login(options.token));
      connected = true;
    } catch (error) {
      await end(next);
      throw refusal(error);
    }
  }

  function lost(code: number, attempt = 0): void {
    if (closed) return;
    const waitMs = Math.min(backOffMs * 2 ** attempt, longestBackOffMs);
    logger.error({ code, waitMs }, 'discord closed the gateway for good; logging in anew');
    const former = client;
    client = undefined;
    again = setTimeout(() => {
      if (former) void end(former);
      if (closed) return;
      logIn((next) => lost(next)).then(
        () => (closed && client ? end(client) : undefined),
        (error: unknown) => {
          logger.error({ problem: failure('connect', error).problem }, 'discord gateway login failed');
          lost(code, attempt + 1);
        },
      );
    }, waitMs);
    again.unref();
  }

  return {
    connect: () => logIn((code) => lost(code)),
    async close() {
      closed = true;
      clearTimeout(again);
      if (client) await end(client);
    },
  };
}

function newClient({ token: _, apiUrl, messageContent, logger, onEvent }: GatewayOptions): Client {
  const client = new Client({
    intents: [
      GatewayIntentBits.Guilds,
      GatewayIntentBits.GuildMessages,
      ...(messageContent ? [GatewayIntentBits.MessageContent] : []),
    ],
    rest: restOptions(apiUrl),
  });
  client.on(Events.Raw, (packet: { t?: unknown; d?: unknown }) => {
    const { t: name, d: data } = packet;
    if (typeof name !== 'string' || sessionEvents.has(name)) return;
    // discord.js must not parse it too: a payload that it does not expect makes it throw where no one can catch it,
    // which ends the process.
    packet.t = `${name}_TAKEN`;
    if (ourEvents.has(name)) onEvent(name, data);
  });
  client.on(Events.Error, (error) => logger.warn({ reason: error.message }, 'discord client error'));
  client.on(Events.ShardError, (error) => logger.warn({ reason: error.message }, 'discord gateway error'));
  client.on(Events.ShardReconnecting, () => logger.info({}, 'discord gateway lost; reconnecting'));
  client.on(Events.ShardResume, () => logger.info({}, 'discord gateway resumed'));
  return client;
}

const sessionEvents = new Set(['READY', 'RESUMED']);
const ourEvents = new Set(['MESSAGE_CREATE', 'INTERACTION_CREATE']);

/** Ends a client without waiting longer than two seconds for the far side's goodbye. */
async function end(client: Client): Promise<void> {
  await within(2_000, client.destroy()).catch(() => undefined);
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), ms);
  });
  work.catch(() => undefined);
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Compared by code where discord.js has one; its gateway errors have only words. */
function refusal(error: unknown): OpsError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const words = error instanceof Error ? error.message : '';
  if (code === 'TokenInvalid' || words === 'Authentication failed')
    return new OpsError(
      'chat-unavailable',
      'Discord refused the bot token.',
      'Set DISCORD_TOKEN to a valid bot token.',
    );
  if (words === 'Used disallowed intents')
    return new OpsError(
      'chat-unavailable',
      'Discord refused the intents that the bot asks for.',
      'Check the privileged intents of the application, see docs/discord.md.',
    );
  return failure('connect to its gateway', error);
}
