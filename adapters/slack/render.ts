/**
 * A View as a Slack message: rich text throughout, buttons where something can be pressed.
 * Limits are Slack's: 50 blocks a message; the text is kept well under what a message may hold.
 */
import type { ActionsBlock, KnownBlock } from '@slack/types';
import type { SegmentView, View } from '../../src/core/view.ts';
import { actions, button } from './actions.ts';
import { cardBlocks } from './render-card.ts';
import { undoOf } from './render-change.ts';
import { callParts, statusLine } from './render-parts.ts';
import { line, markdown, type RichPart, richText, words } from './rich-text.ts';
import { cutAtLine, escaped, leftOut } from './text.ts';

/** What a message holds: `text` is the notification's, already escaped. */
export interface Message {
  readonly text: string;
  readonly blocks: KnownBlock[];
}

const mostText = 11_000;
const mostOfOnePart = 9_000;
const mostParts = 40;

export function render(view: View): Message {
  return view.kind === 'card'
    ? { text: summary(`${cardTitle[view.verdict]}: ${view.subject.line}`), blocks: cardBlocks(view) }
    : segment(view);
}

const cardTitle = {
  pending: 'Approval needed',
  approved: 'Approved',
  denied: 'Denied',
  expired: 'Expired',
  withdrawn: 'Withdrawn',
} as const;

function segment(view: SegmentView): Message {
  const undo = undoOf(view);
  const drawn = [...drawParts(view), ...undo.parts];
  const status = statusLine(view.status);
  if (status) drawn.push(line(...words(status, { italic: true })));
  if (view.footer) drawn.push(line(...words(view.footer, { italic: true })));
  if (drawn.length === 0) drawn.push(line(...words('…')));

  const blocks: KnownBlock[] = drawn.map((part) => richText([part]));
  blocks.push(...undo.blocks);
  if (view.stoppable) blocks.push(stopButton(view));
  const said = view.parts.findLast((p) => p.kind === 'text' || p.kind === 'notice');
  const heard = said?.kind === 'text' ? said.markdown : said?.kind === 'notice' ? said.text : status;
  return { text: summary(heard || 'opsagent'), blocks };
}

/** From the last part backwards, because the answer stands last and must not give way to what led to it. */
function drawParts(view: SegmentView): RichPart[] {
  const shown = view.parts.filter((p) => p.kind !== 'person');
  let room = mostText;
  const parts: RichPart[] = [];
  let left = shown.length;
  for (const part of shown.toReversed()) {
    const drawn = partOf(part, Math.min(room, mostOfOnePart));
    const size = sizeOf(drawn);
    if (size > room || parts.length + drawn.length > mostParts) break;
    parts.unshift(...drawn);
    room -= size;
    left--;
  }
  if (left > 0) parts.unshift(line(...words(`… ${left} earlier ${left === 1 ? 'part' : 'parts'} left out`)));
  return parts;
}

function partOf(part: Exclude<SegmentView['parts'][number], { kind: 'person' }>, limit: number): RichPart[] {
  switch (part.kind) {
    case 'text': {
      const { text, left } = cutAtLine(part.markdown, limit);
      const parts = joined(markdown(text));
      return left ? [...parts, line(...words(leftOut(left), { italic: true }))] : parts;
    }
    case 'call':
      return callParts(part.call);
    case 'notice':
      return [line(...words(`${noticeSign[part.level]} ${cutAtLine(part.text, 2000).text}`))];
    default:
      return part satisfies never;
  }
}

const noticeSign = { info: 'ℹ', warning: '⚠', error: '✖' } as const;

/** A text with very many fences is shown as one: blocks are few. */
function joined(parts: RichPart[]): RichPart[] {
  if (parts.length <= mostParts / 2) return parts;
  return [line(...parts.flatMap((p) => [...p.elements, ...words('\n')]))];
}

function sizeOf(parts: readonly RichPart[]): number {
  return parts
    .flatMap((p) => p.elements)
    .reduce((sum, e) => sum + ('text' in e && typeof e.text === 'string' ? e.text.length : 20), 0);
}

function stopButton(view: SegmentView): ActionsBlock {
  return { type: 'actions', elements: [button(actions.stop, 'Stop', view.runId)] };
}

function summary(text: string): string {
  return escaped(cutAtLine(text, 280).text);
}
