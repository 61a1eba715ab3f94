/**
 * A console that listens on a free port, with a board and an inbox that tests can look into.
 */
import type { Console, ConsoleOptions } from '../../../adapters/console/index.ts';
import { createConsole } from '../../../adapters/console/index.ts';
import type { RecordingInbox } from '../../contract/chat-adapter.ts';
import { recordingInbox } from '../../contract/chat-adapter.ts';
import type { RecordingLogger } from '../../fakes/logger.ts';
import { recordingLogger } from '../../fakes/logger.ts';
import { memoryAudit } from '../../fakes/memory-audit.ts';
import type { MemoryBoard } from '../../fakes/memory-board.ts';
import { createMemoryBoard } from '../../fakes/memory-board.ts';

export const token = 'a-token-for-tests-0123456789';

export interface Started {
  readonly console: Console;
  readonly board: MemoryBoard;
  readonly inbox: RecordingInbox;
  readonly logger: RecordingLogger;
  readonly port: number;
  /** `http://127.0.0.1:<port>`, which is also the page's origin. */
  readonly origin: string;
  /** As the command line asks: with the token as bearer. */
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
}

/** People by name with their tokens, as a test may change them while the console runs. */
export function testPeople(tokens: Record<string, string>): Pick<ConsoleOptions, 'people' | 'endedSessions'> {
  const account = (name: string | undefined) =>
    name !== undefined && tokens[name] !== undefined ? { name, key: `key of ${tokens[name]}` } : undefined;
  const ended = new Set<string>();
  return {
    people: {
      byToken: (given) => account(Object.keys(tokens).find((name) => tokens[name] === given)),
      byName: account,
      used: () => {},
    },
    endedSessions: { has: (id) => ended.has(id), add: (id) => ended.add(id) },
  };
}

export function consoleOptions(over: Partial<ConsoleOptions> = {}): ConsoleOptions {
  return {
    host: '127.0.0.1',
    port: 0,
    token,
    origins: [],
    board: createMemoryBoard(),
    directory: {
      commands: () => [
        {
          name: 'disk_usage',
          description: 'Free space of every mounted file system',
          category: 'disk',
          risk: 'read',
          params: [],
        },
        {
          name: 'largest_files',
          description: 'The largest files under a path',
          category: 'disk',
          risk: 'read',
          params: [
            {
              name: 'path',
              description: 'Where to look',
              optional: false,
              type: { kind: 'path', roots: ['/var', '/home'] },
            },
            {
              name: 'count',
              description: 'How many to list',
              optional: true,
              type: { kind: 'integer', min: 1, max: 100 },
              default: '10',
            },
          ],
        },
        {
          name: 'restart_service',
          description: 'Restart a systemd service',
          category: 'service',
          risk: 'change',
          params: [{ name: 'service', description: 'Its unit', optional: false, type: { kind: 'unit' } }],
        },
      ],
      hosts: () => [
        { name: 'local', tier: 'local' },
        { name: 'web-1', tier: 'production' },
      ],
      status: async () => ({ ready: true, redis: 'up' }),
    },
    ...testPeople({}),
    sessionKey: 'a-session-key-for-tests',
    approvals: { open: async () => [], find: async () => undefined },
    audit: memoryAudit(),
    logger: recordingLogger(),
    clock: { now: () => Date.now() },
    ...over,
  };
}

export async function startConsole(
  over: Partial<ConsoleOptions> & { readonly board?: MemoryBoard; readonly inbox?: RecordingInbox } = {},
): Promise<Started> {
  const { inbox = recordingInbox(), ...rest } = over;
  const board = rest.board ?? createMemoryBoard();
  const logger = recordingLogger();
  const console = createConsole(consoleOptions({ logger, ...rest, board }));
  await console.start(inbox);
  const origin = new URL(console.url()).origin;
  const authorization = `Bearer ${token}`;
  return {
    console,
    board,
    inbox,
    logger,
    port: Number(new URL(origin).port),
    origin,
    get: (path, headers = { authorization }) => fetch(origin + path, { headers, redirect: 'manual' }),
    post: (path, body, headers = { authorization }) =>
      fetch(origin + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
  };
}
