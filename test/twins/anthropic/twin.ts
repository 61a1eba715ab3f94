/**
 * A twin of the Messages API on 127.0.0.1: streams scripted answers to the real SDK, refuses what the service would
 * refuse, and keeps every request for the test to read.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type Anthropic from '@anthropic-ai/sdk';
import { refusalOf } from './check.ts';
import type { TwinError, TwinStep, TwinTurn } from './script.ts';
import { eventsOf, fails } from './script.ts';

interface TwinRequest {
  readonly body: Anthropic.MessageStreamParams;
  readonly headers: IncomingHttpHeaders;
  /** performance.now() at which it had arrived, in ms. */
  readonly at: number;
}

/** One step a request, in order; or a function asked for each. A script that is used up answers 400. */
export type TwinScript =
  | readonly (TwinStep | ((request: TwinRequest) => TwinStep))[]
  | ((request: TwinRequest) => TwinStep);

export interface AnthropicTwin {
  /** For ANTHROPIC_BASE_URL. */
  readonly url: string;
  readonly requests: readonly TwinRequest[];
  close(): Promise<void>;
}

/** Starts the twin. With `key` any other bearer is refused with 401. */
export async function startAnthropicTwin(
  script: TwinScript,
  options: { readonly key?: string } = {},
): Promise<AnthropicTwin> {
  const requests: TwinRequest[] = [];
  let paused = false;

  const server = createServer(async (req, res) => {
    const request: TwinRequest = { body: await bodyOf(req), headers: req.headers, at: performance.now() };
    requests.push(request);
    const n = requests.length;
    const step = doorstep(req, options.key) ?? refused(request, paused) ?? stepOf(script, request, n - 1);
    res.setHeader('request-id', `req_${n}`);
    if (step.kind === 'error') return sendError(res, step);
    paused = step.stop === 'pause_turn';
    await sendTurn(res, step, request.body.model, n);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function doorstep(req: IncomingMessage, key: string | undefined): TwinError | undefined {
  if (req.method !== 'POST' || !req.url?.startsWith('/v1/messages')) return fails(404, 'Not found');
  const { authorization } = req.headers;
  if (!authorization?.startsWith('Bearer ')) return fails(401, 'authorization: a bearer token is required');
  if (key !== undefined && authorization !== `Bearer ${key}`) return fails(401, 'invalid bearer token');
  return req.headers['anthropic-version'] ? undefined : fails(400, 'anthropic-version: header is required');
}

function refused({ body }: TwinRequest, paused: boolean): TwinError | undefined {
  const why = refusalOf(body, paused);
  return why === undefined ? undefined : fails(400, why);
}

function stepOf(script: TwinScript, request: TwinRequest, n: number): TwinStep {
  const step = typeof script === 'function' ? script : script[n];
  if (!step) return fails(400, `the script has no step for request ${n + 1}`);
  return typeof step === 'function' ? step(request) : step;
}

async function bodyOf(req: IncomingMessage): Promise<Anthropic.MessageStreamParams> {
  let text = '';
  for await (const chunk of req.setEncoding('utf8')) text += chunk;
  return JSON.parse(text || '{}') as Anthropic.MessageStreamParams;
}

function sendError(res: ServerResponse, { status, type, message, headers }: TwinError): void {
  res.writeHead(status, { 'content-type': 'application/json', ...headers });
  res.end(JSON.stringify({ type: 'error', error: { type, message } }));
}

async function sendTurn(res: ServerResponse, turn: TwinTurn, model: string, n: number): Promise<void> {
  res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' });
  for (const [i, event] of eventsOf(turn, model, n).entries()) {
    if (turn.hold?.after === i) await turn.hold.until;
    if (turn.drop?.after === i) return breakOff(res, turn.drop.how);
    if (res.destroyed) return;
    await write(res, event.type, event);
    if (i === 0) await write(res, 'ping', { type: 'ping' });
  }
  res.end();
}

/** Waits until the bytes are handed to the kernel, so that a cut comes after them and not instead of them. */
function write(res: ServerResponse, event: string, data: object): Promise<void> {
  return new Promise((resolve) =>
    res.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`, () => resolve()),
  );
}

async function breakOff(res: ServerResponse, how: NonNullable<TwinTurn['drop']>['how']): Promise<void> {
  if (how === 'cut') return void res.destroy();
  if (how !== 'end') await write(res, 'error', { type: 'error', error: { type: how, message: how } });
  res.end();
}
