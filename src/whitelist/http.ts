/**
 * The whitelist server over Streamable HTTP: who may reach it at all (Host, Origin, bearer token), and which MCP
 * server answers. Each token is one identity, and a session belongs to the token that opened it.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type AuthInfo,
  createMcpHandler,
  isLegacyRequest,
  type McpServerFactory,
} from '@modelcontextprotocol/server';
import type { Logger } from '../core/ports.ts';
import { admit, type HttpAccess } from './http-access.ts';
import { send, toRequest } from './http-node.ts';
import { createSessions } from './http-sessions.ts';

export interface HttpOptions extends HttpAccess {
  readonly factory: McpServerFactory;
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
  readonly logger: Logger;
}

export interface HttpServer {
  readonly port: number;
  /** Ends every exchange and session; calls under way are told as lost connections. */
  close(): Promise<void>;
}

const path = '/mcp';

/** Rejects when the address cannot be listened on. */
export async function serveHttp(options: HttpOptions): Promise<HttpServer> {
  const { factory, logger } = options;
  const onerror = (error: Error) => logger.warn({ err: error }, 'MCP protocol error');
  const modern = createMcpHandler(factory, { legacy: 'reject', onerror });
  const sessions = createSessions({ factory, onerror });

  const answer = async (request: Request): Promise<Response> => {
    const admitted = admit(options, request);
    if (admitted instanceof Response) return admitted;
    if (new URL(request.url).pathname !== path) return new Response('Not found.\n', { status: 404 });
    const authInfo: AuthInfo = { token: '', clientId: `mcp:${admitted.name}`, scopes: [] };
    if (await isLegacyRequest(request)) return sessions.answer(request, authInfo);
    return modern.fetch(request, { authInfo });
  };

  const server = createServer((req, res) => {
    const origin = `http://${options.host.includes(':') ? `[${options.host}]` : options.host}`;
    Promise.resolve()
      .then(() => answer(toRequest(req, res, origin)))
      .then((response) => send(response, res))
      .catch((error: unknown) => {
        logger.warn({ err: error }, 'an HTTP request failed');
        if (!res.headersSent) res.writeHead(400);
        res.end();
      });
  });
  // A long command may take an hour; what must not take long is saying what is wanted.
  server.requestTimeout = 30_000;
  server.headersTimeout = 10_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });

  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      await Promise.all([modern.close(), sessions.close()]);
      server.closeAllConnections();
      await closed;
    },
  };
}
