/**
 * Talks to the running instance through the console's API, as the owner or as the person whose token is
 * named.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runningInstance } from '../backends/data-dir.ts';
import { loadPlace } from '../config/place.ts';
import { readEnvironment } from '../config.ts';
import { OpsError } from '../core/errors.ts';
import type { BoardEntry, Received } from '../core/ports.ts';

export interface Client {
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body: object): Promise<T>;
  /** The entries of a thread as they are put, those that are there first, until `signal` fires. */
  entries(thread: string, signal: AbortSignal): AsyncIterable<BoardEntry>;
}

export interface Asked {
  readonly thread: string;
  readonly result: Received;
}

export const newEventId = () => `cli-${randomUUID()}`;

const notRunning = (where: string) =>
  new OpsError(
    'store-unavailable',
    `No opsagent answers at ${where}.`,
    'Start it with `opsagent start` (or `npm start`) in another terminal.',
  );

const notSignedIn = () =>
  new OpsError(
    'config-invalid',
    'The running instance does not know this token, or not any more.',
    'A person gets one by `opsagent people add NAME`; the owner uses the one in the data directory.',
  );

/** `tokenFile` holds a named person's token. Throws OpsError when nothing runs or the token is not to be had. */
export function connectClient(options: { readonly tokenFile?: string } = {}): Client {
  const config = loadPlace(readEnvironment(), process.cwd());
  const base = runningInstance(config.dataDir)?.url ?? `http://127.0.0.1:${config.console?.port ?? 7860}/`;
  const token = options.tokenFile
    ? tokenIn(options.tokenFile)
    : (config.token ?? config.console?.token ?? readToken(config.dataDir, base));

  async function request(path: string, init: RequestInit = {}): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(new URL(path, base), {
        ...init,
        headers: { authorization: `Bearer ${token}`, ...init.headers },
      });
    } catch {
      throw notRunning(base);
    }
    if (response.ok) return response;
    const body = (await response.json().catch(() => ({}))) as { error?: { message?: string } };
    if (response.status === 401) throw notSignedIn();
    const why = body.error?.message ?? `The console answered ${response.status}.`;
    throw new OpsError([400, 404].includes(response.status) ? 'config-invalid' : 'store-unavailable', why);
  }

  return {
    get: async <T>(path: string) => (await (await request(path)).json()) as T,
    post: async <T>(path: string, body: object) =>
      (await (
        await request(path, {
          method: 'POST',
          body: JSON.stringify(body),
          headers: { 'content-type': 'application/json' },
        })
      ).json()) as T,
    entries: (thread, signal) => follow(request, thread, signal),
  };
}

function tokenIn(file: string): string {
  let token = '';
  try {
    token = readFileSync(file, 'utf8').trim();
  } catch {
    throw new OpsError('config-invalid', `${file} cannot be read.`, 'Name a file that holds a token.');
  }
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new OpsError(
      'config-invalid',
      `${file} does not hold a token.`,
      'Put the token there and nothing else.',
    );
  return token;
}

function readToken(dataDir: string, base: string): string {
  try {
    return readFileSync(join(dataDir, 'console.token'), 'utf8').trim();
  } catch {
    throw notRunning(base);
  }
}

/** Reads the event stream, and again when the instance was restarted meanwhile; nothing is yielded twice. */
async function* follow(
  request: (path: string, init?: RequestInit) => Promise<Response>,
  thread: string,
  signal: AbortSignal,
): AsyncGenerator<BoardEntry> {
  const seen = new Map<string, number>();
  for (let failures = 0; !signal.aborted; ) {
    try {
      const response = await request(`/api/events?thread=${thread}`, { signal });
      failures = 0;
      for await (const entry of eventsOf(response)) {
        if (entry.thread !== thread || entry.seq <= (seen.get(entry.key) ?? 0)) continue;
        seen.set(entry.key, entry.seq);
        yield entry;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof OpsError && error.problem.code === 'config-invalid') throw error;
      failures += 1;
      if (failures > 30) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

async function* eventsOf(response: Response): AsyncGenerator<BoardEntry> {
  const decoder = new TextDecoder();
  let buffer = '';
  for await (const chunk of response.body ?? []) {
    buffer += decoder.decode(chunk as Uint8Array, { stream: true });
    for (let at = buffer.indexOf('\n\n'); at >= 0; at = buffer.indexOf('\n\n')) {
      const data = buffer
        .slice(0, at)
        .split('\n')
        .flatMap((line) => (line.startsWith('data:') ? [line.slice(5).trim()] : []))
        .join('');
      buffer = buffer.slice(at + 2);
      if (data.startsWith('{')) yield JSON.parse(data) as BoardEntry;
    }
  }
}
