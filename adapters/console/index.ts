/**
 * The local console behind the same port as Slack and Discord. The worker's half puts views on the board; the
 * bot's half serves the page, the API and the events on loopback.
 */
import type { AddressInfo } from 'node:net';
import type { ServerType } from '@hono/node-server';
import { createAdaptorServer } from '@hono/node-server';
import type { Conversation } from '../../src/core/conversation.ts';
import { OpsError } from '../../src/core/errors.ts';
import type { Accounts, EndedSessions } from '../../src/core/people.ts';
import type {
  ApprovalList,
  AuditLog,
  Board,
  ChatAdapter,
  Clock,
  Inbox,
  Logger,
} from '../../src/core/ports.ts';
import type { View } from '../../src/core/view.ts';
import { allAccounts } from './accounts.ts';
import { readAssets } from './assets.ts';
import type { Directory } from './directory.ts';
import { createFeed } from './feed.ts';
import { createGuard, isLoopback } from './guard.ts';
import { createRoutes } from './routes.ts';
import { createTries } from './tries.ts';

export interface ConsoleOptions {
  /** Address to listen on; anything beyond loopback needs a token that the operator configured. */
  readonly host: string;
  /** 0 takes a free port, for tests. */
  readonly port: number;
  /** The owner's. */
  readonly token: string;
  /** True when the operator set the token; false for one made at first start. */
  readonly tokenConfigured?: boolean;
  /** Origins besides loopback under which the page is reached, e.g. through a proxy. */
  readonly origins: readonly string[];
  readonly board: Board;
  readonly directory: Directory;
  /** Everybody else who may sign in. */
  readonly people: Accounts;
  readonly endedSessions: EndedSessions;
  /** This instance's own secret, with which sessions are made. */
  readonly sessionKey: string;
  readonly approvals: ApprovalList;
  readonly audit: Pick<AuditLog, 'record'>;
  readonly logger: Logger;
  readonly clock: Clock;
}

export interface Console extends ChatAdapter {
  /** Where the page is, without the token: `http://127.0.0.1:7860/`. */
  url(): string;
  /** The link that signs a browser in, for the person at the terminal only. */
  link(thread?: string): string;
}

const editEveryMs = 80;
const beatEveryMs = 10_000;
const drainMs = 3000;
/** Within so much a removed person's open pages hear nothing more. */
const checkEveryMs = 400;
const minConfiguredToken = 16;

/** Throws OpsError `config-invalid` for a setting that would be unsafe, `start` also for a port that is taken. */
export function createConsole(options: ConsoleOptions): Console {
  checkToken(options);
  let served: { port: number; stop(): Promise<void> } | undefined;
  const url = () => `http://${shownHost(options.host)}:${served?.port ?? options.port}/`;

  return {
    platform: 'console',
    editEveryMs,
    url,
    link: (thread) => {
      const path = thread === undefined ? '' : `t/${encodeURIComponent(thread)}`;
      return `${url()}${path}?token=${encodeURIComponent(options.token)}`;
    },
    async start(inbox) {
      served = await serveConsole(options, inbox);
    },
    async stop() {
      await served?.stop();
      served = undefined;
    },
    async post(to, key, view) {
      await put(options.board, to, key, view);
      return key;
    },
    async edit(to, key, _ref, view) {
      await put(options.board, to, key, view);
    },
  };
}

async function put(board: Board, to: Conversation, key: string, view: View): Promise<void> {
  try {
    await board.put(to.thread, key, view);
  } catch (cause) {
    const options = { cause };
    throw new OpsError('chat-unavailable', 'The console could not be written to.', undefined, options);
  }
}

async function serveConsole(options: ConsoleOptions, inbox: Inbox) {
  const feed = createFeed();
  const deliveries = new Set<Promise<unknown>>();
  let stopping = false;
  const deliver = <T>(work: () => Promise<T>): Promise<T> | undefined => {
    if (stopping) return undefined;
    const delivery = work();
    const done = () => deliveries.delete(delivery);
    deliveries.add(delivery);
    delivery.then(done, done);
    return delivery;
  };

  const assets = await readAssets();
  type Fetch = (request: Request, env: object) => Response | Promise<Response>;
  let fetch: Fetch = () => new Response(null, { status: 503 });
  const server = createAdaptorServer({ fetch: (request, env) => fetch(request, env) });
  const port = await listen(server, options.host, options.port);
  const accounts = allAccounts(options.token, options.people);
  const guard = createGuard({ ...options, accounts, port });
  const tries = createTries(options.clock);
  const app = createRoutes({ ...options, guard, tries, used: accounts.used, inbox, feed, assets, deliver });
  let unwatch: () => Promise<void>;
  try {
    unwatch = await options.board.watch(feed.publish);
  } catch (error) {
    server.close();
    throw error;
  }
  fetch = (request, env) => app.fetch(request, env);
  const beats = setInterval(feed.beat, beatEveryMs);
  const checks = setInterval(feed.check, checkEveryMs);
  options.logger.info({ host: options.host, port }, 'console listening');

  return {
    port,
    async stop() {
      stopping = true;
      clearInterval(beats);
      clearInterval(checks);
      const closed = new Promise((resolve) => server.close(resolve));
      feed.close();
      await Promise.race([Promise.allSettled(deliveries), delay(drainMs)]);
      await unwatch();
      // What is still open now are idle keep-alive lines and readers that have been told the end.
      const cut = setTimeout(() => 'closeAllConnections' in server && server.closeAllConnections(), 200);
      if ('closeIdleConnections' in server) server.closeIdleConnections();
      await closed;
      clearTimeout(cut);
    },
  };
}

function listen(server: ServerType, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenProblem(error, host, port)));
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}

function listenProblem(error: NodeJS.ErrnoException, host: string, port: number): OpsError {
  const cause = { cause: error };
  if (error.code === 'EADDRINUSE')
    return new OpsError(
      'config-invalid',
      `The console cannot listen on ${host}:${port} because another program does.`,
      'Set UI_PORT to a free port or stop the other program.',
      cause,
    );
  const why = `The console cannot listen on ${host}:${port} (${error.code ?? 'unknown reason'}).`;
  return new OpsError('config-invalid', why, 'Set UI_PORT to a port that this user may use.', cause);
}

function checkToken({ host, token, tokenConfigured }: ConsoleOptions): void {
  if (token === '') throw new OpsError('config-invalid', 'The console has no token.');
  if (isLoopback(host)) return;
  if (!tokenConfigured)
    throw new OpsError(
      'config-invalid',
      `The console would listen on ${host}, beyond this machine, without a token that you configured.`,
      'Configure a console token, or let it listen on 127.0.0.1.',
    );
  if (token.length < minConfiguredToken)
    throw new OpsError(
      'config-invalid',
      `The console would listen on ${host}, beyond this machine, with a token of fewer than ${minConfiguredToken} characters.`,
      'Configure a longer console token.',
    );
}

/** 0.0.0.0 is an address to listen on, not one to open. */
function shownHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
