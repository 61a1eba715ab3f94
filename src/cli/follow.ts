/**
 * Follows one run in the terminal: the trace on stderr as it happens, and at the end what came of it.
 */
import { endText, hostNames, hostsOf } from '../core/command.ts';
import type { RunId } from '../core/ids.ts';
import type { CallView, CardView, Part, RunStatus, SegmentView } from '../core/view.ts';
import { visible } from '../core/visible.ts';
import { cardLines, changeLines } from './card-lines.ts';
import type { Client } from './client.ts';
import { exitCodes } from './exit-codes.ts';

export interface Followed {
  readonly status: RunStatus;
  readonly parts: readonly Part[];
  readonly cards: readonly CardView[];
}

/** Resolves when the run has ended, or waits for people and `waitApproval` is not set. */
export async function follow(
  client: Client,
  thread: string,
  runId: RunId,
  options: { readonly waitApproval: boolean; readonly trace: (line: string) => void },
): Promise<Followed> {
  const stop = new AbortController();
  const segments = new Map<string, SegmentView>();
  const cards = new Map<string, CardView>();
  const told = new Set<string>();
  const tell = (key: string, line: string) => {
    if (told.has(key)) return;
    told.add(key);
    options.trace(line);
  };

  for await (const { key, view } of client.entries(thread, stop.signal)) {
    if (view.runId !== runId) continue;
    if (view.kind === 'card') {
      cards.set(key, view);
      tell(`${key} ${view.verdict}`, cardLines(view));
    } else {
      segments.set(key, view);
      for (const part of view.parts) {
        if (part.kind === 'call' && part.call.status !== 'running' && part.call.status !== 'approved')
          tell(`${part.call.id} ${part.call.status}`, callLine(part.call));
      }
    }
    const status = statusOf(segments);
    const waits = status === 'waiting' && [...cards.values()].some((c) => c.verdict === 'pending');
    const ended = status === 'finished' || status === 'failed' || status === 'cancelled';
    if (status && (ended || (waits && !options.waitApproval))) {
      stop.abort();
      return { status, parts: inOrder(segments).flatMap((s) => s.parts), cards: [...cards.values()] };
    }
  }
  return { status: 'failed', parts: [], cards: [] };
}

/** What the exit code of a followed run is. */
export function exitCodeOf({ status, parts }: Followed): number {
  const calls = parts.flatMap((p) => (p.kind === 'call' ? [p.call] : []));
  if (status === 'waiting') return exitCodes.waiting;
  if (status !== 'finished') return exitCodes.failed;
  return calls.length > 0 && calls.every((c) => c.status === 'refused') ? exitCodes.refused : exitCodes.done;
}

/** The agent's last words. */
export function answerOf({ parts }: Followed): string {
  const text = parts.findLast((p) => p.kind === 'text');
  return text?.kind === 'text' ? visible(text.markdown) : '';
}

export function noticesOf({ parts }: Followed): readonly string[] {
  return parts.flatMap((p) => (p.kind === 'notice' ? [visible(p.text)] : []));
}

function inOrder(segments: ReadonlyMap<string, SegmentView>): SegmentView[] {
  const number = (key: string) => Number(key.slice(key.lastIndexOf('.s') + 2));
  return [...segments].sort(([a], [b]) => number(a) - number(b)).map(([, view]) => view);
}

function statusOf(segments: ReadonlyMap<string, SegmentView>): RunStatus | undefined {
  return inOrder(segments).findLast((s) => s.status)?.status;
}

const symbols: Readonly<Record<CallView['status'], string>> = {
  running: '…',
  waiting: '?',
  approved: '…',
  ok: '✓',
  failed: '✗',
  refused: '✗',
  unknown: '!',
};

function callLine(call: CallView): string {
  const hosts = hostNames([...new Set(call.ran.flatMap((r) => [r.host, ...(r.sameOn ?? [])]))]);
  const where = hosts ? ` on ${hosts}` : '';
  const took = call.ms === undefined ? '' : ` in ${call.ms} ms`;
  const isGroup =
    call.notRun !== undefined || call.ran.some((r) => r.sameOn !== undefined || r.host !== call.ran[0]?.host);
  const how =
    call.ran.length > 1 && !isGroup
      ? call.ran.map((r) => `${r.command} ${endText(r.end)}`).join('; ')
      : call.outcome;
  const notRun = (call.notRun ?? []).map((n) => `\n  not run on ${hostNames(n.hosts)}: ${n.reason}`);
  const line = visible(`${symbols[call.status]} ${call.title}${where}: ${how}${took}${notRun.join('')}`);
  return [line, ...changeLines(call.ran)].join('\n');
}

/** The output of one command; of a group of hosts each result under its hosts, with the difference where it has one. */
export function outputOf({ parts }: Followed): string {
  const ran = parts.flatMap((p) => (p.kind === 'call' ? p.call.ran : []));
  const [only] = ran;
  if (only && ran.length === 1 && !only.sameOn) return only.output;
  return ran
    .map((r) => `── ${hostsOf(r)}: ${endText(r.end)}\n${(r.differs ?? r.output).trimEnd()}`.trimEnd())
    .join('\n\n');
}
