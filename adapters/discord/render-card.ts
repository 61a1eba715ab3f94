/**
 * An approval card in a Discord message: exactly what will run and where, who asks and why, how it looks there now,
 * and while it is open the buttons, each with the digest of what the card shows.
 */
import {
  type APIComponentInContainer,
  type APIContainerComponent,
  ButtonStyle,
  ComponentType,
} from 'discord.js';
import type { CardView } from '../../src/core/view.ts';
import { visible } from '../../src/core/visible.ts';
import { button, cardButtonId, row } from './buttons.ts';
import { block, code, cutAtLine, excerpt, plainLine } from './text.ts';

/** How much of what stands beside the command is shown. What is left out is counted, and `/ops show` has it. */
interface Detail {
  /** Hosts with address, login and key; names of others, in characters. */
  readonly targets: number;
  readonly names: number;
  /** Hosts whose state is shown, and so much of each. */
  readonly states: number;
  readonly stateChars: number;
  /** Of reasons, names and outcomes. */
  readonly words: number;
}

/** Whatever comes first at which the command is shown whole. */
const least: Detail = { targets: 1, names: 0, states: 0, stateChars: 0, words: 0.25 };
const details: readonly Detail[] = [
  { targets: 8, names: 500, states: 3, stateChars: 300, words: 1 },
  { targets: 4, names: 200, states: 2, stateChars: 150, words: 0.7 },
  { targets: 2, names: 60, states: 1, stateChars: 80, words: 0.4 },
  least,
];

const colours = {
  pending: 0xe0a800,
  approved: 0x2e8b57,
  denied: 0xb22222,
  expired: 0x808080,
  withdrawn: 0x808080,
};

const tooLong =
  '⚠️ The command is too long to be shown here whole, so it cannot be approved here\\. Use the console or the command line\\.';

/** The card as one container whose text has at most `maxText` characters; `marker` becomes its id. */
export function drawCard(card: CardView, marker: number, maxText: number): APIContainerComponent {
  const pending = card.verdict === 'pending';
  const whole = block(card.subject.line) || '` `';
  const fitting = details.find((d) => lengthOf(card, d) + whole.length <= maxText);
  const detail = fitting ?? least;
  // Nobody approves what they cannot read to its end.
  const room = maxText - lengthOf(card, detail) - tooLong.length - 20;
  const cut = block(cutAtLine(visible(card.subject.line), Math.max(Math.floor(room / 2), 100)));
  const line = fitting ? whole : `${cut}\n${pending ? tooLong : '-# … cut here'}`;
  const components: APIComponentInContainer[] = [headOf(card), line, factsOf(card, detail)].map(
    (content) => ({
      type: ComponentType.TextDisplay as const,
      content,
    }),
  );
  if (pending) components.push(...buttons(card, fitting !== undefined));
  return {
    type: ComponentType.Container,
    id: marker,
    accent_color: colours[card.verdict],
    components,
  };
}

function lengthOf(card: CardView, detail: Detail): number {
  return headOf(card).length + factsOf(card, detail).length;
}

function headOf(card: CardView): string {
  const { command, targets } = card.subject;
  const [only, ...more] = targets;
  const where = only && more.length === 0 ? code(only.host, 60) : `${targets.length} hosts`;
  return `### ${title(card)}\n${code(command, 60)} on ${where}`;
}

function title(card: CardView): string {
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
      return 'Withdrawn, the run was stopped';
    default:
      return card.verdict satisfies never;
  }
}

function factsOf(card: CardView, detail: Detail): string {
  const { subject } = card;
  const some = (text: string, most: number) => plainLine(text, Math.ceil(most * detail.words));
  return [
    ...where(card, detail),
    `**Risk** ${subject.risk} · ${some(subject.description, 120)}`,
    `**Asked by** ${some(card.requestedBy.name, 60)}`,
    ...(card.agentReason ? [`**Reason, in the agent's words** ${some(card.agentReason, 250)}`] : []),
    ...(card.verdict === 'pending' ? open(card, detail, some) : decided(card, some)),
    `-# digest ${code(card.digestPrefix)} · compare it with ${code(`/ops show ${card.approvalId}`)}`,
  ].join('\n');
}

type Some = (text: string, most: number) => string;

/** Each host as it will be reached, in the order in which it runs; of very many the names, then how many more. */
function where({ subject }: CardView, detail: Detail): string[] {
  const { targets } = subject;
  const reached = (t: CardView['subject']['targets'][number]) =>
    `${code(t.host, 60)} at ${code(t.address, 80)} as ${code(t.login, 40)}, key ${code(t.hostKey, 70)}`;
  const [only, ...more] = targets;
  if (only && more.length === 0) return [`**Host** ${reached(only)}`];
  const others = targets.slice(detail.targets);
  // No more of them have room than this, however short they are.
  const names = within(
    others.slice(0, 100).map((t) => code(t.host, 40)),
    detail.names,
  );
  const left = others.length - names.length;
  const rest = [...names, ...(left > 0 ? [`… and ${left} more, with \`/ops show\``] : [])].join(', ');
  return [
    `**Runs on ${targets.length} hosts**, one after another, in this order`,
    ...targets.slice(0, detail.targets).map((t) => `- ${reached(t)}`),
    ...(rest ? [rest] : []),
  ];
}

/** So many of the names as stand together within the limit. */
function within(names: readonly string[], limit: number): readonly string[] {
  let room = limit;
  const first = names.findIndex((name) => {
    room -= name.length + 2;
    return room < 0;
  });
  return first < 0 ? names : names.slice(0, first);
}

function open(card: CardView, detail: Detail, some: Some): string[] {
  const { rule } = card;
  const others = rule.requesterMay ? '' : ', not by the person who asked';
  return [
    ...state(card, detail),
    `**Needs** ${some(card.missing ?? 'nobody', 300)}, rule ${code(rule.name, 40)}${others}`,
    ...approvedBy(card, some),
    `**Expires** ${timeText(card.expiresAt, 'R')}`,
    ...(card.mayOpenWindow ? [windowNote] : []),
  ];
}

const windowNote =
  '-# + 15 min and + 60 min also allow exactly this command on the same hosts in this thread for so long, without asking again\\. The word `revoke` ends it\\.';

function approvedBy({ approvals }: CardView, some: Some): string[] {
  const names = approvals.slice(0, 6).map((u) => some(u.name, 30));
  const more = approvals.length > names.length ? ` and ${approvals.length - names.length} more` : '';
  return names.length > 0 ? [`**Approved by** ${names.join(', ')}${more}`] : [];
}

/** Evidence, and marked as that: what the hosts printed a moment before people were asked. */
function state({ subject }: CardView, { states, stateChars }: Detail): string[] {
  const all = subject.state ?? [];
  const shown = all.slice(0, states);
  const left = all.length - shown.length;
  return [
    ...shown.flatMap(({ host, line, text }) => [
      `**State now, as** ${code(host, 60)} **says** ${code(line, 100)}`,
      block(excerpt(text, 6, stateChars)) || '` `',
    ]),
    ...(left > 0 ? [`-# state now of ${left} ${left === 1 ? 'host' : 'more hosts'}: see \`/ops show\``] : []),
  ];
}

function decided(card: CardView, some: Some): string[] {
  const { windowMinutes } = card;
  return [
    ...(card.decidedAt === undefined ? [] : [`**Decided** ${timeText(card.decidedAt, 'f')}`]),
    ...approvedBy(card, some),
    ...(card.denyReason ? [`**Reason given** ${some(card.denyReason, 200)}`] : []),
    ...(windowMinutes
      ? [
          `**Window** for ${windowMinutes} min the same command on the same hosts is allowed in this thread; the word \`revoke\` ends it`,
        ]
      : []),
    ...(card.outcome ? [`**Outcome** ${some(card.outcome, 200)}`] : []),
  ];
}

/** A time as each reader's Discord draws it. */
function timeText(at: number, format: 'R' | 'f'): string {
  return `<t:${Math.floor(at / 1000)}:${format}>`;
}

function buttons(card: CardView, whole: boolean) {
  const { approvalId, digest, all } = card;
  const deny = button('Deny', ButtonStyle.Danger, cardButtonId('deny', approvalId, digest));
  if (!whole) return [row(deny)];
  const approve = button('Approve', ButtonStyle.Success, cardButtonId('approve', approvalId, digest));
  const allOfThem = all
    ? [button(`Approve all ${all.count}`, ButtonStyle.Secondary, cardButtonId('all', approvalId, all.digest))]
    : [];
  const window = (minutes: 15 | 60) =>
    button(
      `Approve + ${minutes} min`,
      ButtonStyle.Secondary,
      cardButtonId(`approve-${minutes}`, approvalId, digest),
    );
  return [row(approve, deny, ...allOfThem), ...(card.mayOpenWindow ? [row(window(15), window(60))] : [])];
}
