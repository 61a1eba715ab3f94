/**
 * Who may speak to the whitelist server over HTTP: requests meant for this server by name, not sent by a page of
 * somewhere else, with the bearer token of a known client. Everything else is turned away before it is read.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import {
  localhostAllowedHostnames,
  localhostAllowedOrigins,
  validateHostHeader,
  validateOriginHeader,
} from '@modelcontextprotocol/server';

export interface HttpClient {
  /** Its identity is `mcp:NAME`. */
  readonly name: string;
  readonly token: string;
}

export interface HttpAccess {
  readonly clients: readonly HttpClient[];
  /** Origins under which the server is reached beside loopback, as `https://ops.example.net`. */
  readonly origins: readonly string[];
}

/** The client whose token it is, or the answer that turns it away: 403 for where from, 401 for who. */
export function admit({ clients, origins }: HttpAccess, request: Request): HttpClient | Response {
  const names = origins.map((origin) => new URL(origin).hostname);
  const host = validateHostHeader(request.headers.get('host'), [...localhostAllowedHostnames(), ...names]);
  if (!host.ok) return refusal(403, 'This server is not reached under that name.');
  const origin = request.headers.get('origin');
  const known = origin !== null && origins.includes(origin);
  if (!known && !validateOriginHeader(origin, localhostAllowedOrigins()).ok)
    return refusal(403, 'Pages from there may not use this server.');
  const client = clientOf(clients, request.headers.get('authorization'));
  return (
    client ??
    refusal(401, 'A valid bearer token is needed.', { 'www-authenticate': 'Bearer realm="opsagent"' })
  );
}

/** Compares with every token, each in the same time, so that how long it takes tells nothing. */
function clientOf(clients: readonly HttpClient[], header: string | null): HttpClient | undefined {
  const given = hash(/^Bearer +([\x21-\x7e]+)$/i.exec(header ?? '')?.[1] ?? '');
  let found: HttpClient | undefined;
  for (const client of clients) if (timingSafeEqual(hash(client.token), given)) found = client;
  return found;
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

export function refusal(status: number, message: string, headers: Record<string, string> = {}): Response {
  const body = { jsonrpc: '2.0', error: { code: -32_000, message }, id: null };
  return Response.json(body, { status, headers });
}
