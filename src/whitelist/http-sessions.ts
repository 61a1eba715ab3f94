/**
 * Sessions of the 2025 protocol revisions over HTTP: one MCP server each, so that a cancellation finds its call, and
 * each bound to the identity that opened it. Later revisions need none.
 */
import { randomUUID } from 'node:crypto';
import {
  type AuthInfo,
  type McpServerFactory,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server';
import { refusal } from './http-access.ts';

export interface SessionsOptions {
  readonly factory: McpServerFactory;
  readonly onerror: (error: Error) => void;
  /** A session unused for so long is closed. */
  readonly idleMs?: number;
  /** Open sessions of one identity; the one unused for longest makes room. */
  readonly perIdentity?: number;
}

export interface Sessions {
  answer(request: Request, auth: AuthInfo): Promise<Response>;
  close(): Promise<void>;
}

interface Session {
  readonly id: string;
  readonly identity: string;
  readonly transport: WebStandardStreamableHTTPServerTransport;
  usedAt: number;
}

export function createSessions(options: SessionsOptions): Sessions {
  const { factory, onerror, idleMs = 3600_000, perIdentity = 32 } = options;
  const open = new Map<string, Session>();

  const begin = async (request: Request, auth: AuthInfo): Promise<Response> => {
    const mine = [...open.values()].filter((s) => s.identity === auth.clientId);
    if (mine.length >= perIdentity) await oldest(mine)?.transport.close();
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => {
        open.set(id, { id, identity: auth.clientId, transport, usedAt: Date.now() });
      },
    });
    const server = await factory({ era: 'legacy', authInfo: auth, requestInfo: request });
    await server.connect(transport);
    const { onclose } = transport;
    transport.onclose = () => {
      onclose?.();
      if (transport.sessionId !== undefined) open.delete(transport.sessionId);
    };
    if ('server' in server) server.server.onerror = onerror;
    const response = await transport.handleRequest(request, { authInfo: auth });
    // What did not begin a session has nobody to come back to it.
    if (transport.sessionId === undefined) await transport.close();
    return response;
  };

  const sweep = setInterval(() => {
    for (const session of open.values())
      if (session.usedAt < Date.now() - idleMs) void session.transport.close();
  }, 60_000).unref();

  return {
    async answer(request, auth) {
      const id = request.headers.get('mcp-session-id');
      if (id === null) return begin(request, auth);
      const session = open.get(id);
      if (!session) return refusal(404, 'There is no such session; begin a new one.');
      if (session.identity !== auth.clientId) return refusal(403, 'That session belongs to another client.');
      session.usedAt = Date.now();
      return session.transport.handleRequest(request, { authInfo: auth });
    },
    async close() {
      clearInterval(sweep);
      await Promise.all([...open.values()].map((s) => s.transport.close()));
    },
  };
}

function oldest(sessions: readonly Session[]): Session | undefined {
  return sessions.toSorted((a, b) => a.usedAt - b.usedAt)[0];
}
