/**
 * The console's API as the command line uses it, and a thread as its page shows it.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BoardEntry, Decided, Received } from '../../src/core/ports.ts';
import type { CallView, CardView, SegmentView } from '../../src/core/view.ts';

export interface ConsoleClient {
  ask(text: string, thread?: string): Promise<{ thread: string; result: Received }>;
  /** A press on this card, as it is shown. */
  decide(card: CardView, verdict: 'approve' | 'deny', reason?: string): Promise<Decided>;
  stop(run: string): Promise<Received>;
  read(thread: string): Promise<Thread>;
}

/** A thread as the console shows it. */
export interface Thread {
  readonly entries: readonly BoardEntry[];
  readonly status: SegmentView['status'];
  readonly calls: readonly CallView[];
  readonly cards: readonly CardView[];
  /** The agent's words and the notices, a paragraph each. */
  readonly text: string;
}

/** `url` is asked at each request, because a restart changes it. */
export function consoleClient(data: string, url: () => string | undefined): ConsoleClient {
  async function request(path: string, body?: object): Promise<unknown> {
    const token = readFileSync(join(data, 'console.token'), 'utf8').trim();
    const response = await fetch(new URL(path, url()), {
      ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}),
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    });
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
    return response.json();
  }
  const id = () => `system-${randomUUID()}`;

  return {
    ask: async (text, thread) =>
      (await request('/api/ask', { text, id: id(), ...(thread ? { thread } : {}) })) as {
        thread: string;
        result: Received;
      },
    decide: async ({ approvalId, digest }, verdict, reason) =>
      (await request('/api/decide', {
        approval: approvalId,
        digest,
        verdict,
        id: id(),
        ...(reason ? { reason } : {}),
      })) as Decided,
    stop: async (run) => (await request('/api/stop', { run })) as Received,
    read: async (thread) =>
      threadOf(((await request(`/api/threads/${thread}`)) as { entries: readonly BoardEntry[] }).entries),
  };
}

function threadOf(entries: readonly BoardEntry[]): Thread {
  const views = [...entries].sort((a, b) => a.order - b.order).map((entry) => entry.view);
  const segments = views.flatMap((view) => (view.kind === 'segment' ? [view] : []));
  const parts = segments.flatMap((segment) => segment.parts);
  return {
    entries,
    status: segments.findLast((segment) => segment.status)?.status,
    calls: parts.flatMap((part) => (part.kind === 'call' ? [part.call] : [])),
    cards: views.flatMap((view) => (view.kind === 'card' ? [view] : [])),
    text: parts
      .flatMap((part) => (part.kind === 'text' ? [part.markdown] : part.kind === 'notice' ? [part.text] : []))
      .join('\n\n'),
  };
}
