/**
 * View → the body of one ordinary message, in Components v2: all text of a message within 4000 characters, at
 * most 40 components, and a marker by which the message is found again after a crash.
 */
import {
  type APIButtonComponentWithCustomId,
  type APIMessageTopLevelComponent,
  type APITextDisplayComponent,
  ButtonStyle,
  ComponentType,
  MessageFlags,
} from 'discord.js';
import type { RanCommand } from '../../src/core/command.ts';
import { endText } from '../../src/core/command.ts';
import { sha256 } from '../../src/core/json.ts';
import type {
  CallStatus,
  CallView,
  CardView,
  Part,
  RunStatus,
  SegmentView,
  View,
} from '../../src/core/view.ts';
import { visible } from '../../src/core/visible.ts';
import { agentMarkdown, agentMarkdownWithin, block, code, cutAtLine, plainLine } from './text.ts';

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
    components: view.kind === 'card' ? drawCard(view, key) : drawSegment(view, key),
    flags: MessageFlags.IsComponentsV2 | MessageFlags.SuppressEmbeds,
    allowed_mentions: { parse: [] },
  };
}

/** The component id that the first component of a message carries: 30 bits of the key's hash, never a small number. */
export function markerOf(key: string): number {
  return (Number.parseInt(sha256(`marker ${key}`).slice(0, 8), 16) >>> 2) | 0x40000000;
}

// ---- a segment: text, trace and notices ----

interface Preview {
  readonly lines: number;
  readonly chars: number;
}

const previews: readonly Preview[] = [
  { lines: 12, chars: 900 },
  { lines: 5, chars: 300 },
  { lines: 2, chars: 120 },
  { lines: 0, chars: 0 },
];

function drawSegment(view: SegmentView, key: string): APIMessageTopLevelComponent[] {
  const small = [statusText(view.status), view.footer].filter((t) => t !== undefined);
  const end = small.map((t) => `-# ${plainLine(t)}`);
  const [first = '-# …', ...rest] = textsWithin(
    view.parts,
    maxText - end.join('\n').length,
    end.length === 0,
  ).concat(end);
  const buttons: APIMessageTopLevelComponent[] = view.stoppable
    ? [row(button('Stop', ButtonStyle.Secondary, `ops:stop:${view.runId}`))]
    : [];
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
      return callText(part.call, preview);
    case 'notice':
      return `${noticeSigns[part.level]} ${plainLine(part.text, 600)}`;
    default:
      return part satisfies never;
  }
}

const noticeSigns = { info: 'ℹ️', warning: '⚠️', error: '❌' } as const;

const callSigns: Readonly<Record<CallStatus, string>> = {
  running: '⏳',
  waiting: '⏸️',
  approved: '▶️',
  ok: '✅',
  failed: '❌',
  refused: '⛔',
  unknown: '❓',
};

function callText(call: CallView, preview: Preview): string {
  const one = call.ran.length === 1 ? call.ran[0] : undefined;
  const facts = [
    ...(one ? [code(one.host, 60)] : []),
    ...(call.ms === undefined ? [] : [`${Math.round(call.ms)} ms`]),
    plainLine(call.outcome, 300),
  ];
  const head = `${callSigns[call.status]} ${code(call.title, 160)} · ${facts.join(' · ')}`;
  if (one) return [head, outputText(one, preview)].filter(Boolean).join('\n');
  const lines = call.ran.map(
    (r) =>
      `-# ${code(r.command, 80)} · ${code(r.host, 60)} · ${Math.round(r.ms)} ms · ${plainLine(endText(r.end), 120)}`,
  );
  return [head, ...lines.slice(0, 12)].join('\n');
}

function outputText(ran: RanCommand, preview: Preview): string {
  const output = ran.output.trimEnd();
  if (preview.lines === 0 || output === '') return '';
  const lines = output.split('\n');
  const head = cutAtLine(lines.slice(0, preview.lines).join('\n'), preview.chars);
  const cut = head.length < output.length || ran.truncated;
  return [block(head), ...(cut ? ['-# … output goes on, cut here'] : [])].filter(Boolean).join('\n');
}

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

// ---- an approval card ----

const cardColours = {
  pending: 0xe0a800,
  approved: 0x2e8b57,
  denied: 0xb22222,
  expired: 0x808080,
  withdrawn: 0x808080,
};

const tooLong =
  '⚠️ The command is too long to be shown here whole, so it cannot be approved here\\. Use the console or the command line\\.';

function drawCard(card: CardView, key: string): APIMessageTopLevelComponent[] {
  const { subject } = card;
  const pending = card.verdict === 'pending';
  const head = `### ${cardTitle(card)}\n${code(subject.command, 60)} on ${code(subject.host, 60)}`;
  const facts = cardFacts(card).join('\n');
  // Nobody approves what they cannot read to its end.
  const room = maxText - head.length - facts.length - tooLong.length;
  const whole = block(subject.line).length <= room;
  const cut = block(cutAtLine(visible(subject.line), Math.max(room / 3, 200)));
  const line = whole ? block(subject.line) : `${cut}\n${pending ? tooLong : '-# … cut here'}`;
  const buttons = [
    ...(whole ? [button('Approve', ButtonStyle.Success, `ops:approve:${card.approvalId}`)] : []),
    button('Deny', ButtonStyle.Danger, `ops:deny:${card.approvalId}`),
  ];
  return [
    {
      type: ComponentType.Container,
      id: markerOf(key),
      accent_color: cardColours[card.verdict],
      components: [display(head), display(line), display(facts), ...(pending ? [row(...buttons)] : [])],
    },
  ];
}

function cardTitle(card: CardView): string {
  const by = card.decidedBy ? ` by ${plainLine(card.decidedBy.name, 60)}` : '';
  switch (card.verdict) {
    case 'pending':
      return 'Approval needed';
    case 'approved':
      return `Approved${by}`;
    case 'denied':
      return `Denied${by}`;
    case 'expired':
      return 'Expired, nobody decided in time';
    case 'withdrawn':
      return 'Withdrawn';
    default:
      return card.verdict satisfies never;
  }
}

function cardFacts(card: CardView): string[] {
  const { subject, rule } = card;
  const pending = card.verdict === 'pending';
  const people = rule.people === 1 ? '1 approval' : `approvals by ${rule.people} people`;
  const from =
    rule.approvers
      .slice(0, 8)
      .map((a) => code(a, 40))
      .join(', ') || 'nobody';
  const more = rule.approvers.length > 8 ? ` and ${rule.approvers.length - 8} more` : '';
  const names = card.approvals.slice(0, 6).map((u) => plainLine(u.name, 30));
  const needs = `**Needs** ${people} from ${from}${more}, rule ${code(rule.name, 40)}${rule.requesterMay ? '' : ', not by the person who asked'}`;
  return [
    `**Host** ${code(subject.host, 60)} at ${code(subject.address, 80)} as ${code(subject.login, 40)}, key ${code(subject.hostKey, 70)}`,
    `**Risk** ${subject.risk} · ${plainLine(subject.description, 120)}`,
    `**Asked by** ${plainLine(card.requestedBy.name, 60)}`,
    ...(card.agentReason ? [`**Reason, in the agent's words** ${plainLine(card.agentReason, 250)}`] : []),
    ...(pending ? [needs] : []),
    ...(names.length > 0 ? [`**Approved by** ${names.join(', ')}`] : []),
    ...(card.denyReason ? [`**Reason given** ${plainLine(card.denyReason, 200)}`] : []),
    ...(card.outcome ? [`**Outcome** ${plainLine(card.outcome, 200)}`] : []),
    ...(pending ? [`**Expires** <t:${Math.floor(card.expiresAt / 1000)}:R>`] : []),
    `-# ${code(card.approvalId)} · digest ${code(card.digestPrefix)}`,
  ];
}

// ---- components ----

function display(content: string): APITextDisplayComponent {
  return { type: ComponentType.TextDisplay, content };
}

function row(...components: APIButtonComponentWithCustomId[]) {
  return { type: ComponentType.ActionRow as const, components };
}

function button(
  label: string,
  style: APIButtonComponentWithCustomId['style'],
  id: string,
): APIButtonComponentWithCustomId {
  return { type: ComponentType.Button, style, label, custom_id: id };
}

function length(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + text.length + 1, 0);
}
