/**
 * The console as its page uses it: requests over a kept connection, and one event stream that is open all the time.
 */
import { randomUUID } from 'node:crypto';
import { Agent, get, request } from 'node:http';
import type { BoardEntry } from '../src/core/ports.ts';
import type { RunStatus } from '../src/core/view.ts';
import type { Opsagent } from './opsagent.ts';
import type { Scope } from './scope.ts';

export interface ConsoleClient {
  /** Posts JSON to the API and hands back the answer. */
  post(path: '/api/run' | '/api/ask', body: object): Promise<{ readonly thread: string }>;
  /** The first entry from now on, or of those heard already, that fits. */
  heard(fits: (entry: BoardEntry) => boolean): Promise<BoardEntry>;
  /** Forgets what was heard, so that searching stays short. */
  forget(): void;
}

const giveUpMs = 15_000;

export const newEventId = () => `bench-${randomUUID()}`;

/** What the run's last segment says of it, if this entry is one. */
export function statusOf({ view }: BoardEntry): RunStatus | undefined {
  return view.kind === 'segment' ? view.status : undefined;
}

/** Signs in with the token and opens the stream; resolves once the stream says hello. */
export async function openConsole(scope: Scope, { port, token }: Opsagent): Promise<ConsoleClient> {
  const agent = new Agent({ keepAlive: true });
  scope.add(() => agent.destroy());
  const to = { host: '127.0.0.1', port, headers: { authorization: `Bearer ${token}` } };
  let entries: BoardEntry[] = [];
  const waiting = new Set<(entry: BoardEntry) => void>();

  await new Promise<void>((resolve, reject) => {
    const stream = get({ ...to, path: '/api/events', agent: false }, (response) => {
      if (response.statusCode !== 200) return reject(new Error(`/api/events: ${response.statusCode}`));
      let buffer = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        resolve();
        buffer += chunk;
        const events = buffer.split('\n\n');
        buffer = events.pop() ?? '';
        for (const entry of events.flatMap(entryOf)) {
          entries.push(entry);
          for (const tell of waiting) tell(entry);
        }
      });
    });
    stream.on('error', reject);
    scope.add(() => stream.destroy());
  });

  return {
    post: (path, body) =>
      new Promise((resolve, reject) => {
        const text = JSON.stringify(body);
        const headers = {
          ...to.headers,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(text),
        };
        const posting = request({ ...to, path, agent, method: 'POST', headers }, (response) => {
          let answer = '';
          response.setEncoding('utf8').on('data', (chunk: string) => {
            answer += chunk;
          });
          response.once('end', () =>
            response.statusCode === 200
              ? resolve(JSON.parse(answer) as { thread: string })
              : reject(new Error(`${path}: ${response.statusCode} ${answer}`)),
          );
        });
        posting.once('error', reject);
        posting.end(text);
      }),
    heard: (fits) =>
      new Promise((resolve, reject) => {
        const already = entries.find(fits);
        if (already) return resolve(already);
        const late = setTimeout(() => {
          waiting.delete(tell);
          reject(new Error('what was awaited did not appear in the console'));
        }, giveUpMs);
        const tell = (entry: BoardEntry) => {
          if (!fits(entry)) return;
          clearTimeout(late);
          waiting.delete(tell);
          resolve(entry);
        };
        waiting.add(tell);
      }),
    forget: () => {
      entries = [];
    },
  };
}

/** The entry that an event carries; hellos and beats carry none. */
function entryOf(event: string): BoardEntry[] {
  const data = event.split('\n').find((line) => line.startsWith('data: '));
  const value = JSON.parse(data?.slice('data: '.length) ?? '{}') as Partial<BoardEntry>;
  return value.key === undefined ? [] : [value as BoardEntry];
}
