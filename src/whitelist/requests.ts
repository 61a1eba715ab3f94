/**
 * What clients asked for that people have to approve first: `requests/<id>.json` in the data directory, on disk before
 * the client has its id. The bot over the same directory finds it there and leaves beside it how it stands.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import {
  type ClientRequest,
  type ClientRequestState,
  callOfClientRequest,
  isClientRequestId,
  isFinal,
} from '../core/client-request.ts';
import type { CallId } from '../core/ids.ts';
import { digestOf } from '../core/json.ts';
import { isAlive } from '../system/owner.ts';

export interface ClientRequests {
  /** The same as asked before while that one is open; undefined when this account has too many open already. */
  keep(
    asked: Omit<ClientRequest, 'id'>,
  ): Promise<{ readonly request: ClientRequest; readonly isNew: boolean } | undefined>;
  /** Takes a request back that nobody was to be asked about after all. */
  drop(id: string): Promise<void>;
  /** Only what this account asked for; for everybody else it does not exist. */
  find(id: string, account: string): Promise<Found | undefined>;
  /** Does a bot look at what is kept here? */
  isWatched(now: number): Promise<boolean>;
  /** Removes requests from before `at`, ms. */
  prune(before: number): Promise<void>;
}

export interface Found {
  readonly request: ClientRequest;
  /** undefined: no bot has taken it yet. */
  readonly state?: ClientRequestState;
}

/** So many of one account wait at a time: people read each of them. */
export const mostOpen = 20;
/** A bot says so often that it looks; see the other side in the bot's backends. */
const silentMs = 10_000;

const Request = z.object({
  id: z.string().refine(isClientRequestId),
  account: z.string(),
  command: z.string(),
  params: z.record(z.string(), z.string()),
  hosts: z.string(),
  reason: z.string().optional(),
  askedAt: z.number(),
  expiresAt: z.number(),
});
const State = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('waiting'),
    approvalId: z.string().optional(),
    needs: z.string().optional(),
    expiresAt: z.number().optional(),
  }),
  z.object({ kind: z.literal('running') }),
  z.object({
    kind: z.literal('done'),
    text: z.string(),
    isError: z.boolean(),
    ran: z.record(z.string(), z.json()),
  }),
  z.object({
    kind: z.literal('refused'),
    by: z.enum(['policy', 'person', 'expired', 'stopped']),
    reason: z.string(),
  }),
  z.object({ kind: z.literal('lost'), reason: z.string() }),
]);
const Watcher = z.object({ at: z.number(), pid: z.number(), started: z.string(), machine: z.string() });

/** `hasResult` tells of a run that has ended, which the bot may be slower to say. */
export async function openClientRequests(
  dataDir: string,
  hasResult: (callId: CallId) => Promise<boolean>,
): Promise<ClientRequests> {
  const dir = join(dataDir, 'requests');
  await mkdir(dir, { recursive: true, mode: 0o700 });
  let last: Promise<unknown> = Promise.resolve();

  async function read(id: string): Promise<Found | undefined> {
    const request = Request.safeParse(await jsonIn(join(dir, `${id}.json`)));
    if (!request.success || request.data.id !== id) return undefined;
    const state = State.safeParse(await jsonIn(join(dir, `${id}.state`)));
    return {
      request: request.data as ClientRequest,
      ...(state.success ? { state: state.data as ClientRequestState } : {}),
    };
  }

  async function all(): Promise<readonly Found[]> {
    const ids = (await readdir(dir)).flatMap((name) => (name.endsWith('.json') ? [name.slice(0, -5)] : []));
    return (await Promise.all(ids.filter(isClientRequestId).map(read))).filter(
      (found) => found !== undefined,
    );
  }

  const keep: ClientRequests['keep'] = async (asked) => {
    const open: Found[] = [];
    for (const found of await all()) {
      const { id, account } = found.request;
      if (account !== asked.account || !isOpen(found, asked.askedAt)) continue;
      if (!(await hasResult(callOfClientRequest(id)))) open.push(found);
    }
    const same = open.find(({ request }) => contentOf(request) === contentOf(asked));
    if (same) return { request: same.request, isNew: false };
    if (open.length >= mostOpen) return undefined;
    const request = { id: `q${randomBytes(10).toString('hex')}`, ...asked };
    await write(dir, `${request.id}.json`, JSON.stringify(request));
    return { request, isNew: true };
  };

  async function drop(id: string): Promise<void> {
    for (const name of [`${id}.json`, `${id}.state`]) await unlink(join(dir, name)).catch(() => {});
  }

  return {
    keep(asked) {
      // One at a time: two that come at once must not both be the last.
      const kept = last.then(() => keep(asked));
      last = kept.catch(() => {});
      return kept;
    },

    drop,

    async find(id, account) {
      const found = isClientRequestId(id) ? await read(id) : undefined;
      return found?.request.account === account ? found : undefined;
    },

    async isWatched(now) {
      const watcher = Watcher.safeParse(await jsonIn(join(dir, 'watcher')));
      if (!watcher.success || Math.abs(now - watcher.data.at) > silentMs) return false;
      // Of a process elsewhere over the same directory only its word can be had.
      return isAlive(watcher.data) || watcher.data.machine !== hostname();
    },

    async prune(before) {
      for (const { request } of await all()) if (request.askedAt < before) await drop(request.id);
    },
  };
}

/** May people still decide on it, or does it run? */
export function isOpen({ request, state }: Found, now: number): boolean {
  if (!state) return now < request.expiresAt;
  if (state.kind === 'waiting') return now < (state.expiresAt ?? request.expiresAt);
  return !isFinal(state);
}

function contentOf({ command, params, hosts }: Omit<ClientRequest, 'id'>): string {
  return digestOf({ command, params, hosts });
}

async function jsonIn(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch {
    return undefined;
  }
}

async function write(dir: string, name: string, text: string): Promise<void> {
  const draft = join(dir, `.${name}.${randomBytes(6).toString('hex')}`);
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, join(dir, name));
  const folder = await open(dir, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
