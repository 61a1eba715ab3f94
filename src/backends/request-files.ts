/**
 * The bot's side of what MCP clients asked for: requests that the whitelist server left in the data directory, and how
 * each stands, written beside it. A file is believed only where nobody but this login can have made it: whoever is
 * this login can also read the decision key, so that a seal on the file would prove nothing more.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, mkdir, open, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type ClientRequest, type ClientRequestState, isClientRequestId } from '../core/client-request.ts';
import type { Logger } from '../core/ports.ts';
import { thisProcess } from '../system/owner.ts';

export interface RequestFiles {
  /** Those that have not ended, the oldest first. What is not to be believed is logged once and left alone. */
  open(): Promise<readonly ClientRequest[]>;
  /** On disk when it resolves. */
  tell(id: string, state: ClientRequestState): Promise<void>;
  /** Says that somebody looks here, for the whitelist server to tell its clients. */
  watching(now: number): Promise<void>;
  /** Nobody looks any more. */
  leave(): Promise<void>;
}

const mostBytes = 256 * 1024;
const longestWaitMs = 24 * 3600_000;

const Request = z.strictObject({
  id: z.string().refine(isClientRequestId),
  account: z.string().regex(/^mcp(?::[a-z0-9][a-z0-9._-]{0,63})?$/),
  command: z.string().min(1).max(200),
  params: z.record(z.string().max(200), z.string().max(100_000)),
  hosts: z.string().min(1).max(4096),
  reason: z.string().max(4000).optional(),
  askedAt: z.number().int().nonnegative(),
  expiresAt: z.number().int().nonnegative(),
});
const Ended = z.object({ kind: z.enum(['done', 'refused', 'lost']) });

/** Makes `requests/` (0700) where it is missing. */
export async function openRequestFiles(dataDir: string, logger: Logger): Promise<RequestFiles> {
  const dir = join(dataDir, 'requests');
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const ended = new Set<string>();
  const strange = new Set<string>();

  const refuse = (file: string, why: string): undefined => {
    if (!strange.has(file)) logger.error({ file, why }, 'kept request not believed');
    strange.add(file);
  };

  async function read(id: string): Promise<ClientRequest | undefined> {
    const name = `${id}.json`;
    const text = await ownText(join(dir, name));
    if (typeof text !== 'string') return text && refuse(name, text.why);
    const parsed = Request.safeParse(parsedJson(text));
    if (!parsed.success) return refuse(name, 'it is not a request');
    const request = parsed.data as ClientRequest;
    if (request.id !== id) return refuse(name, 'it is a copy of another');
    if (request.expiresAt - request.askedAt > longestWaitMs) return refuse(name, 'it waits too long');
    return request;
  }

  async function hasEnded(id: string): Promise<boolean> {
    if (ended.has(id)) return true;
    const text = await readFile(join(dir, `${id}.state`), 'utf8').catch(() => '');
    if (Ended.safeParse(parsedJson(text)).success) ended.add(id);
    return ended.has(id);
  }

  return {
    async open() {
      const why = await notOurs(dir);
      if (why) return refuse('requests', why) ?? [];
      const ids = (await readdir(dir)).flatMap((name) => (name.endsWith('.json') ? [name.slice(0, -5)] : []));
      const found: ClientRequest[] = [];
      for (const id of ids.filter(isClientRequestId)) {
        const request = (await hasEnded(id)) ? undefined : await read(id);
        if (request) found.push(request);
      }
      return found.sort((a, b) => a.askedAt - b.askedAt);
    },
    tell: (id, state) => write(dir, `${id}.state`, JSON.stringify(state)),
    watching: (now) => write(dir, 'watcher', JSON.stringify({ at: now, ...thisProcess() })),
    leave: () => unlink(join(dir, 'watcher')).catch(() => {}),
  };
}

/** The text of a plain file of this login that nobody else may write or read; undefined when it is gone. */
async function ownText(file: string): Promise<string | { readonly why: string } | undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(file, flags).catch((error: NodeJS.ErrnoException) => error);
  if (handle instanceof Error)
    return handle.code === 'ENOENT'
      ? undefined
      : { why: `it cannot be opened (${handle.code ?? 'unknown'})` };
  try {
    const stats = await handle.stat();
    const { uid, mode, nlink, size } = stats;
    if (!stats.isFile()) return { why: 'it is not a plain file' };
    if (uid !== process.geteuid?.()) return { why: 'it belongs to another login' };
    if ((mode & 0o077) !== 0) return { why: 'others than its owner may read or write it' };
    if (nlink !== 1) return { why: 'it has another name elsewhere' };
    if (size > mostBytes) return { why: 'it is too large' };
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

async function notOurs(dir: string): Promise<string | undefined> {
  const stats = await lstat(dir);
  if (!stats.isDirectory()) return 'it is not a directory';
  if (stats.uid !== process.geteuid?.()) return 'it belongs to another login';
  return (stats.mode & 0o077) === 0 ? undefined : 'others than its owner may look into it';
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
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
}
