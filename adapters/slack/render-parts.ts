/**
 * A run's small lines: the trace of its tool calls and what it is doing now.
 */
import type { RanCommand } from '../../src/core/command.ts';
import { endText, hostNames, hostsOf, succeeded } from '../../src/core/command.ts';
import type { CallStatus, CallView, RunStatus } from '../../src/core/view.ts';
import { changeParts } from './render-change.ts';
import { line, preformatted, type RichPart, words } from './rich-text.ts';
import { clip, cutAtLine, leftOut } from './text.ts';

const sign: Record<CallStatus, string> = {
  running: '▸',
  waiting: '⏸',
  approved: '▸',
  ok: '✓',
  failed: '✗',
  refused: '⊘',
  unknown: '?',
};

const previewLines = 6;
const previewText = 600;

/** One line a call (and one a command when it ran several), with the start of what a single command said. */
export function callParts(call: CallView): RichPart[] {
  return [...trace(call), ...changeParts(call.ran)];
}

function trace(call: CallView): RichPart[] {
  const [only, ...more] = call.ran;
  const alone = only && more.length === 0 ? only : undefined;
  const facts = [
    ...(alone ? [hostsOf(alone)] : []),
    ...(call.ms === undefined ? [] : [`${Math.round(call.ms)} ms`]),
    short(call.outcome),
  ];
  const head = line(
    ...words(`${sign[call.status]} `),
    ...words(short(call.title), { code: true }),
    ...words(` · ${facts.join(' · ')}`),
  );
  const lines = alone ? [] : call.ran.slice(0, mostLines).map(ranLine);
  const left = call.ran.length - mostLines;
  if (!alone && left > 0) lines.push(`   … and ${left} more`);
  for (const { hosts, reason } of call.notRun ?? [])
    lines.push(`   ${sign.refused} ${hostNames(hosts)}: ${short(reason)}`);
  const list = lines.length > 0 ? [line(...words(lines.join('\n')))] : [];
  if (alone) return [head, ...preview(alone.output), ...list];
  return [head, ...list, ...call.ran.flatMap((ran) => preview(ran.differs ?? '')).slice(0, mostDiffs)];
}

const mostLines = 25;
/** Of a group of hosts: how many of those that differ are shown with what is different. */
const mostDiffs = 3;

function ranLine(ran: RanCommand): string {
  const mark = succeeded(ran.end) ? sign.ok : sign.failed;
  return `   ${mark} ${ran.command} · ${hostsOf(ran)} · ${Math.round(ran.ms)} ms · ${endText(ran.end)}`;
}

function preview(whole: string): RichPart[] {
  const output = whole.replace(/\s+$/, '');
  if (output === '') return [];
  const lines = output.split('\n');
  const { text, left } = cutAtLine(lines.slice(0, previewLines).join('\n'), previewText);
  const more = left + Math.max(0, lines.length - previewLines);
  return [preformatted(more > 0 ? `${text}\n${leftOut(more)}` : text)];
}

function short(text: string): string {
  return clip(text, 300);
}

const statusText: Partial<Record<RunStatus, string>> = {
  queued: '⏳ queued',
  thinking: '⏳ thinking…',
  working: '⏳ working…',
  waiting: '⏸ waiting for approval',
};

export function statusLine(status: RunStatus | undefined): string | undefined {
  return status && statusText[status];
}
