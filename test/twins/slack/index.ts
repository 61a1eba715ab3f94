/**
 * A Slack in this process: the Web API methods the adapter uses and Socket Mode, spoken to by the real SDK.
 * It keeps every call and every message as it stands, and fails on demand.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createMethods, type SlackState, type TwinMessage, type TwinUser } from './methods.ts';
import { acceptWebSocket, type ServerSocket } from './websocket.ts';

interface TwinCall {
  readonly method: string;
  readonly body: Record<string, unknown>;
}

export type Failure =
  | { readonly how: 'dead' }
  | { readonly how: 'status'; readonly status: number }
  | { readonly how: 'limited'; readonly seconds: number }
  | { readonly how: 'error'; readonly error: string }
  /** Does what is asked, then the connection breaks before the answer. */
  | { readonly how: 'answer-lost' };

export interface SlackTwin extends SlackState {
  readonly apiUrl: string;
  readonly botToken: string;
  readonly appToken: string;
  /** Every call that was let through to a method, with its body decoded. */
  readonly calls: TwinCall[];
  /** Envelope ids in the order of their acknowledgement. */
  readonly acks: string[];
  /** Open Socket Mode connections. */
  sockets(): number;
  connections(): number;
  /** Decides for each call whether it fails; undefined lets it through. */
  failing: (method: string) => Failure | undefined;
  /** Sends an envelope; returns its id. Nothing is sent when nobody is connected. */
  push(type: string, payload: unknown, retryAttempt?: number): string;
  pushRaw(text: string): void;
  /** Asks the client to reconnect, as Slack does when it moves a connection. */
  refresh(): void;
  dropSockets(): void;
  close(): Promise<void>;
}

export async function startSlackTwin(): Promise<SlackTwin> {
  const sockets = new Set<ServerSocket>();
  const state: SlackState = { users: new Map<string, TwinUser>(), messages: [] as TwinMessage[], views: [] };
  const calls: TwinCall[] = [];
  const acks: string[] = [];
  const methods = createMethods(state, () => `ws://127.0.0.1:${port()}/link`);
  let opened = 0;
  let envelopes = 0;

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  server.on('upgrade', (request, stream) => {
    if (twin.failing('websocket')) {
      stream.destroy();
      return;
    }
    const socket = acceptWebSocket(request, stream, {
      message: (text) => acks.push((JSON.parse(text) as { envelope_id: string }).envelope_id),
      closed: () => {
        if (socket) sockets.delete(socket);
      },
    });
    if (!socket) return;
    opened++;
    sockets.add(socket);
    socket.send(JSON.stringify({ type: 'hello', num_connections: 1, connection_info: { app_id: 'A0OPS' } }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const port = () => (server.address() as AddressInfo).port;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = (request.url ?? '').replace(/^\/api\//, '');
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const failure = twin.failing(method);
    if (failure?.how === 'dead') return void request.socket.destroy();
    if (failure?.how === 'status') return void response.writeHead(failure.status).end('upstream trouble');
    if (failure?.how === 'limited')
      return void response.writeHead(429, { 'retry-after': String(failure.seconds) }).end();
    const body = decodeForm(request, Buffer.concat(chunks).toString());
    const result =
      failure?.how === 'error' ? { ok: false, error: failure.error } : call(method, request, body);
    if (failure?.how === 'answer-lost') return void request.socket.destroy();
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(result));
  }

  function call(method: string, request: IncomingMessage, body: Record<string, unknown> | undefined) {
    const token = method === 'apps.connections.open' ? twin.appToken : twin.botToken;
    if (request.headers.authorization !== `Bearer ${token}`) return { ok: false, error: 'invalid_auth' };
    if (!body) return { ok: false, error: 'invalid_form_data' };
    const run = methods[method];
    if (!run) return { ok: false, error: 'unknown_method' };
    calls.push({ method, body });
    return run(body);
  }

  const twin: SlackTwin = {
    ...state,
    apiUrl: `http://127.0.0.1:${port()}/api/`,
    botToken: 'xoxb-twin',
    appToken: 'xapp-twin',
    calls,
    acks,
    sockets: () => sockets.size,
    connections: () => opened,
    failing: () => undefined,
    push(type, payload, retryAttempt) {
      const id = `envelope-${++envelopes}`;
      const retry = retryAttempt ? { retry_attempt: retryAttempt, retry_reason: 'timeout' } : {};
      twin.pushRaw(
        JSON.stringify({ envelope_id: id, type, payload, accepts_response_payload: false, ...retry }),
      );
      return id;
    },
    pushRaw(text) {
      const [socket] = sockets;
      socket?.send(text);
    },
    refresh() {
      for (const socket of sockets)
        socket.send(JSON.stringify({ type: 'disconnect', reason: 'refresh_requested' }));
    },
    dropSockets() {
      for (const socket of sockets) socket.drop();
    },
    async close() {
      for (const socket of sockets) socket.drop();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return twin;
}

/** Form fields; nested values come as JSON text, as the SDK sends them. Undefined when it is no form. */
function decodeForm(request: IncomingMessage, text: string): Record<string, unknown> | undefined {
  if (!request.headers['content-type']?.startsWith('application/x-www-form-urlencoded')) return undefined;
  return Object.fromEntries(
    [...new URLSearchParams(text)].map(([key, value]) => [
      key,
      ['blocks', 'metadata', 'view'].includes(key) ? (JSON.parse(value) as unknown) : value,
    ]),
  );
}
