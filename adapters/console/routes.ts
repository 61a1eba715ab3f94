/**
 * The console's HTTP surface: the page, its files, and the API that page and command line share.
 * Every request passes the guard first; only /healthz is answered without a session.
 */
import type { Context } from 'hono';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { User } from '../../src/core/conversation.ts';
import { problemOf } from '../../src/core/errors.ts';
import type { Json } from '../../src/core/json.ts';
import type { Looker } from '../../src/core/open-approvals.ts';
import type { ApprovalList, Board, Clock, Inbox, Logger } from '../../src/core/ports.ts';
import type { Asset } from './assets.ts';
import type { Directory } from './directory.ts';
import type { Heard, Parsed } from './events.ts';
import { isThread, parseAsk, parseDecide, parseRun, parseStop, parseUndo } from './events.ts';
import { failure } from './failure.ts';
import type { Feed } from './feed.ts';
import { securityHeaders } from './guard.ts';
import { type Env, type SignInOptions, session } from './sign-in.ts';

export interface RouteOptions extends SignInOptions {
  readonly inbox: Inbox;
  readonly board: Board;
  readonly feed: Feed;
  readonly directory: Directory;
  readonly assets: ReadonlyMap<string, Asset>;
  readonly approvals: ApprovalList;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Runs a delivery to the inbox so that `stop` can wait for it; undefined once stopping. */
  deliver<T>(work: () => Promise<T>): Promise<T> | undefined;
}

const maxBodyBytes = 64 * 1024;
const listedThreads = 200;

export function createRoutes(options: RouteOptions): Hono<Env> {
  const app = new Hono<Env>();

  app.use(async (c, next) => {
    if (options.guard.knowsHost(c.req.header('host'))) await next();
    else c.res = failure(c, 403, 'host', 'This address is not one the console answers to.');
    for (const [name, value] of Object.entries(securityHeaders)) c.res.headers.set(name, value);
    if (!c.res.headers.has('Cache-Control')) c.res.headers.set('Cache-Control', 'no-store');
  });

  app.get('/healthz', (c) => health(c, options.directory));
  app.use((c, next) => session(c, options, next));
  app.use('/api/*', bodyLimit({ maxSize: maxBodyBytes, onError: tooLarge }));
  reading(app, options);
  changing(app, options);
  page(app, options.assets);

  app.notFound((c) => failure(c, 404, 'not-found', 'There is nothing at this address.'));
  app.onError((error, c) => {
    const problem = problemOf(error);
    options.logger.error({ err: error, path: c.req.path, code: problem.code }, 'console request failed');
    const status = problem.code === 'internal' ? 500 : 503;
    return failure(c, status, problem.code, problem.message, problem.remedy);
  });
  return app;
}

async function health(c: Context, directory: Directory): Promise<Response> {
  try {
    const status = await directory.status();
    return c.json(status, isReady(status) ? 200 : 503);
  } catch (error) {
    return c.json({ ready: false, problem: problemOf(error).message }, 503);
  }
}

function isReady(status: Json): boolean {
  const isObject = status !== null && typeof status === 'object' && !Array.isArray(status);
  return !(isObject && (status as { ready?: unknown }).ready === false);
}

function reading(app: Hono<Env>, { board, feed, directory, guard, approvals }: RouteOptions): void {
  app.get('/api/me', (c) => c.json({ name: c.get('who').name }));
  app.get('/api/approvals', async (c) => c.json({ approvals: await approvals.open(lookerOf(c)) }));
  app.get('/api/approvals/:id', async (c) => {
    const approval = await approvals.find(c.req.param('id'), lookerOf(c));
    return approval
      ? c.json({ approval })
      : failure(c, 404, 'not-found', 'This is not an open approval of mine.');
  });
  app.get('/api/threads', async (c) => c.json({ threads: await board.threads(listedThreads) }));
  app.get('/api/threads/:thread', async (c) => {
    const thread = c.req.param('thread');
    if (!isThread(thread)) return failure(c, 404, 'not-found', 'There is no such thread.');
    return c.json({ thread, entries: await board.read(thread) });
  });
  app.get('/api/commands', (c) => c.json({ commands: directory.commands() }));
  app.get('/api/hosts', (c) => c.json({ hosts: directory.hosts() }));

  app.get('/api/events', (c) => {
    const thread = c.req.query('thread');
    if (thread !== undefined && !isThread(thread))
      return failure(c, 404, 'not-found', 'There is no such thread.');
    const has = seenUpTo(thread, c.req.query('since'), c.req.header('last-event-id'));
    const who = c.get('who');
    const stream = feed.open(
      async () => (thread === undefined ? [] : (await board.read(thread)).filter((entry) => entry.seq > has)),
      () => guard.isCurrent(who),
    );
    if (!stream) return failure(c, 503, 'busy', 'Too many pages are open; close one and reload.');
    return c.body(stream, 200, { 'Content-Type': 'text/event-stream; charset=utf-8' });
  });
}

/** The last seq that a reader of one thread has: what it says, else what its stream last carried of this thread. */
function seenUpTo(thread: string | undefined, since: string | undefined, lastId: string | undefined): number {
  const last = lastId?.startsWith(`${thread}:`) ? lastId.slice(lastId.indexOf(':') + 1) : undefined;
  const seq = Number(last ?? since ?? 0);
  return Number.isSafeInteger(seq) && seq > 0 ? seq : 0;
}

function changing(app: Hono<Env>, options: RouteOptions): void {
  const { inbox, clock } = options;

  function post<F, R>(
    path: string,
    parse: (body: unknown, heard: Heard) => Parsed<F>,
    take: (fact: F) => Promise<R>,
  ) {
    app.post(path, async (c) => {
      const body = await readJson(c);
      if (body === undefined)
        return failure(c, 415, 'bad-request', 'Send JSON with Content-Type: application/json.');
      const fact = parse(body.value, { user: userOf(c), at: clock.now() });
      if (!fact.ok) return badRequest(c, fact.problems);
      const answer = options.deliver(() => take(fact.value));
      if (!answer) return failure(c, 503, 'stopping', 'opsagent is stopping; nothing was taken in.');
      return c.json(await answer);
    });
  }

  post('/api/ask', parseAsk, async (mention) => ({
    thread: mention.conversation.thread,
    result: await inbox.mentioned(mention),
  }));
  post('/api/run', parseRun, async (mention) => ({
    thread: mention.conversation.thread,
    result: await inbox.mentioned(mention),
  }));
  post('/api/decide', parseDecide, (decision) => inbox.decided(decision));
  post('/api/stop', parseStop, (stop) => inbox.stopped(stop));
  post('/api/undo', parseUndo, (undo) => inbox.undone(undo));

  app.post('/api/signout', (c) => {
    c.header('Set-Cookie', options.guard.signOut(c.get('who')));
    // What stands open in this browser would go on until the next look.
    options.feed.check();
    return c.json({ signedOut: true });
  });
}

/** The console knows no groups of its own: those of policy.yaml are by account. */
function lookerOf(c: Context<Env>): Looker {
  return { user: userOf(c), groups: [] };
}

function userOf(c: Context<Env>): User {
  const { name } = c.get('who');
  return { platform: 'console', id: name, name };
}

function page(app: Hono<Env>, assets: ReadonlyMap<string, Asset>): void {
  const serve = (c: Context, name: string) => {
    const asset = assets.get(name);
    if (!asset) return c.notFound();
    c.header('ETag', asset.etag);
    c.header('Cache-Control', 'no-cache');
    if (c.req.header('if-none-match') === asset.etag) return c.body(null, 304);
    return c.body(asset.body, 200, { 'Content-Type': asset.type });
  };
  app.get('/', (c) => serve(c, 'index.html'));
  app.get('/t/:thread', (c) => serve(c, 'index.html'));
  app.get('/:file', (c) => serve(c, c.req.param('file')));
}

async function readJson(c: Context): Promise<{ readonly value: unknown } | undefined> {
  if (!/^application\/json\s*(;|$)/i.test(c.req.header('content-type') ?? '')) return undefined;
  const text = await c.req.text();
  try {
    return { value: JSON.parse(text, noPrototype) };
  } catch {
    // What is no JSON reads as a body without members, which names all that is missing.
    return { value: undefined };
  }
}

function badRequest(c: Context, problems: readonly string[]): Response {
  const message = `The request cannot be used: ${problems.join('; ')}.`;
  return c.json({ error: { code: 'bad-request', message, problems } }, 400);
}

/** A member of this name would be dropped in silence further on. */
function noPrototype(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new SyntaxError('__proto__ is no member');
  return value;
}

function tooLarge(c: Context): Response {
  return failure(c, 413, 'too-large', `A request may have ${maxBodyBytes / 1024} KiB at most.`);
}
