/**
 * A run's small lines: the trace of its tool calls and what it is doing now.
 */
import type { RanCommand } from '../../src/core/command.ts';
import { endText, succeeded } from '../../src/core/command.ts';
import type { CallStatus, CallView, RunStatus } from '../../src/core/view.ts';
import { line, preformatted, type RichPart, words } from './rich-text.ts';
import { cutAtLine, leftOut } from './text.ts';

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
  const [only, ...more] = call.ran;
  const alone = only && more.length === 0 ? only : undefined;
  const facts = [
    ...(alone ? [alone.host] : []),
    ...(call.ms === undefined ? [] : [`${Math.round(call.ms)} ms`]),
    short(call.outcome),
  ];
  const head = line(
    ...words(`${sign[call.status]} `),
    ...words(short(call.title), { code: true }),
    ...words(` · ${facts.join(' · ')}`),
  );
  if (alone) return [head, ...preview(alone)];
  return [head, ...(call.ran.length > 0 ? [line(...words(call.ran.map(ranLine).join('\n')))] : [])];
}

function ranLine(ran: RanCommand): string {
  const mark = succeeded(ran.end) ? sign.ok : sign.failed;
  return `   ${mark} ${ran.command} · ${ran.host} · ${Math.round(ran.ms)} ms · ${endText(ran.end)}`;
}

function preview(ran: RanCommand): RichPart[] {
  const output = ran.output.replace(/\s+$/, '');
  if (output === '') return [];
  const lines = output.split('\n');
  const { text, left } = cutAtLine(lines.slice(0, previewLines).join('\n'), previewText);
  const more = left + Math.max(0, lines.length - previewLines);
  return [preformatted(more > 0 ? `${text}\n${leftOut(more)}` : text)];
}

function short(text: string): string {
  const oneLine = text.replace(/\s*\n\s*/g, ' ');
  return oneLine.length > 300 ? `${oneLine.slice(0, 300)}…` : oneLine;
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
