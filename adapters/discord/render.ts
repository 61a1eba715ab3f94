/**
 * View → the body of one ordinary message, in Components v2: all text of a message within 4000 characters, at
 * most 40 components, and a marker by which the message is found again after a crash.
 */
import {
  type APIMessageTopLevelComponent,
  type APITextDisplayComponent,
  ComponentType,
  MessageFlags,
} from 'discord.js';
import { sha256 } from '../../src/core/json.ts';
import type { Part, RunStatus, SegmentView, View } from '../../src/core/view.ts';
import { row, stopButton } from './buttons.ts';
import { callText, type Preview } from './render-call.ts';
import { drawCard } from './render-card.ts';
import { changeText, undoOf } from './render-change.ts';
import { agentMarkdown, agentMarkdownWithin, plainLine } from './text.ts';

/** Below Discord's 4000, for what its count may see otherwise than ours. */
const maxText = 3900;
const maxDisplays = 30;

export interface MessageBody {
  readonly components: readonly APIMessageTopLevelComponent[];
  readonly flags: number;
  readonly allowed_mentions: { readonly parse: [] };
}

/** What Discord shall show of a view. `key` is the drawing's; it becomes the marker. */
export function render(view: View, key: string): MessageBody {
  return {
    components: view.kind === 'card' ? [drawCard(view, markerOf(key), maxText)] : drawSegment(view, key),
    flags: MessageFlags.IsComponentsV2 | MessageFlags.SuppressEmbeds,
    allowed_mentions: { parse: [] },
  };
}

/** The component id that the first component of a message carries: 30 bits of the key's hash, never a small number. */
export function markerOf(key: string): number {
  return (Number.parseInt(sha256(`marker ${key}`).slice(0, 8), 16) >>> 2) | 0x40000000;
}

// ---- a segment: text, trace and notices ----

const previews: readonly Preview[] = [
  { lines: 12, chars: 900 },
  { lines: 5, chars: 300 },
  { lines: 2, chars: 120 },
  { lines: 0, chars: 0 },
];

function drawSegment(view: SegmentView, key: string): APIMessageTopLevelComponent[] {
  const undo = undoOf(view);
  const small = [statusText(view.status), view.footer].filter((t) => t !== undefined);
  const end = [...undo.lines, ...small.map((t) => plainLine(t))].map((t) => `-# ${t}`);
  const [first = '-# …', ...rest] = textsWithin(
    view.parts,
    maxText - end.join('\n').length,
    end.length === 0,
  ).concat(end);
  const buttons: APIMessageTopLevelComponent[] = [
    ...(undo.buttons.length > 0 ? [row(...undo.buttons)] : []),
    ...(view.stoppable ? [row(stopButton(view.runId))] : []),
  ];
  return [{ ...display(first), id: markerOf(key) }, ...rest.map(display), ...buttons];
}

/** The parts as texts within the limit: outputs are shortened first, then early calls left out, then text is cut. */
function textsWithin(parts: readonly Part[], budget: number, mustSay: boolean): string[] {
  const shown = parts.filter((p) => p.kind !== 'person');
  for (const preview of previews) {
    const texts = merge(shown.map((p) => ({ part: p, text: partText(p, preview) })));
    if (length(texts) <= budget) return texts.length === 0 && mustSay ? ['-# …'] : texts;
  }
  return cutDown(shown, budget);
}

/** From the end backwards, since the end is what people wait for; what has no room is counted in a note. */
function cutDown(parts: readonly Part[], budget: number): string[] {
  const none = { lines: 0, chars: 0 };
  const kept: { part: Part; text: string }[] = [];
  // Room for the answer is kept from the calls before it, and room for the note from everything.
  let left = budget - 80;
  let dropped = 0;
  for (const [i, part] of [...parts.entries()].reverse()) {
    const isLast = i === parts.length - 1;
    const room = part.kind === 'text' ? left - (isLast ? Math.min(900, 60 * i) : 0) : left;
    const text =
      part.kind === 'text' ? agentMarkdownWithin(part.markdown, Math.max(room, 0)) : partText(part, none);
    if (dropped > 0 || text.length > room || room < 100) dropped += 1;
    else kept.unshift({ part, text });
    if (dropped === 0) left -= text.length + 1;
  }
  const note =
    dropped > 0 ? [`-# … ${dropped} earlier ${dropped === 1 ? 'part is' : 'parts are'} not shown`] : [];
  return [...note, ...merge(kept)];
}

/** Calls in a row share one text, so that a long trace stays within the number of components. */
function merge(drawn: readonly { part: Part; text: string }[]): string[] {
  const texts: string[] = [];
  let before: Part['kind'] | undefined;
  for (const { part, text } of drawn) {
    if (text === '') continue;
    if (texts.length > 0 && ((before === 'call' && part.kind === 'call') || texts.length >= maxDisplays))
      texts.push(`${texts.pop()}\n${text}`);
    else texts.push(text);
    before = part.kind;
  }
  return texts;
}

function partText(part: Part, preview: Preview): string {
  switch (part.kind) {
    case 'person':
      return '';
    case 'text':
      return agentMarkdown(part.markdown.trim());
    case 'call':
      return [callText(part.call, preview), changeText(part.call.ran, preview)].filter(Boolean).join('\n');
    case 'notice':
      return `${noticeSigns[part.level]} ${plainLine(part.text, 600)}`;
    default:
      return part satisfies never;
  }
}

const noticeSigns = { info: 'ℹ️', warning: '⚠️', error: '❌' } as const;

function statusText(status: RunStatus | undefined): string | undefined {
  switch (status) {
    case 'queued':
      return 'queued…';
    case 'thinking':
      return 'thinking…';
    case 'working':
      return 'running…';
    case 'waiting':
      return 'waiting for approval';
    default:
      return undefined;
  }
}

// ---- components ----

function display(content: string): APITextDisplayComponent {
  return { type: ComponentType.TextDisplay, content };
}

function length(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + text.length + 1, 0);
}
