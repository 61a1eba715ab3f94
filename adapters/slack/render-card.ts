/**
 * An approval card: exactly what will run and where, who asks and why, how it looks there now, and while it is open
 * the buttons, each with the digest of what the card shows.
 */
import type { ActionsBlock, KnownBlock, RichTextDate } from '@slack/types';
import type { HostState } from '../../src/core/approval.ts';
import type { CardView } from '../../src/core/view.ts';
import { visible } from '../../src/core/visible.ts';
import { actions, button, cardValue, confirm } from './actions.ts';
import { line, preformatted, type RichPart, richText, words } from './rich-text.ts';
import { clip, cutAtLine, excerpt } from './text.ts';

/** With the lengths below it stays under what Slack lets the blocks of one message hold together. */
const mostOfLine = 6000;
const mostTargets = 10;
const mostOfNames = 700;
const mostStates = 3;

export function cardBlocks(card: CardView): KnownBlock[] {
  const { subject } = card;
  const pending = card.verdict === 'pending';
  const command = cutAtLine(visible(subject.line), mostOfLine);
  const whole = command.left === 0;
  const parts: RichPart[] = [
    line(...words(`${clip(heading(card), 300)}\n`, { bold: true })),
    line(...words(`${clip(`${subject.command} · ${subject.description}`, 400)}\n`)),
    preformatted(command.text),
    ...(whole ? [] : [line(...words(`${tooLong}\n`, { bold: true }))]),
    ...where(card),
    ...fact('Risk', subject.risk),
    ...fact('Asked for by', clip(card.requestedBy.name, 100)),
    ...(card.agentReason ? fact("The agent's reason, in its words", `“${clip(card.agentReason, 600)}”`) : []),
    ...(pending ? open(card) : decided(card)),
    ...fact('Digest', `${card.digestPrefix}; to compare it, say: ${showWords(card)}`),
  ];
  return pending ? [richText(parts), ...buttons(card, whole)] : [richText(parts)];
}

const tooLong = 'The command is too long to be shown in full here, so it cannot be approved here.';

function heading({ verdict, subject, decidedBy }: CardView): string {
  const by = decidedBy ? ` by ${clip(decidedBy.name, 100)}` : '';
  switch (verdict) {
    case 'pending':
      return `Approval needed: ${subject.command} on ${placeOf(subject.targets)}`;
    case 'approved':
      return `✓ Approved${by}`;
    case 'denied':
      return `✗ Denied${by}`;
    case 'expired':
      return 'Expired: nobody decided in time';
    case 'withdrawn':
      return 'Withdrawn: the run was stopped';
    default:
      return verdict satisfies never;
  }
}

function placeOf(targets: CardView['subject']['targets']): string {
  const [only, ...more] = targets;
  return only && more.length === 0 ? clip(only.host, 100) : `${targets.length} hosts`;
}

const showWords = ({ approvalId }: CardView) => `show approval ${approvalId}`;

/** Each host as it will be reached, in the order in which it runs; of very many the names, then how many more. */
function where(card: CardView): RichPart[] {
  const { targets } = card.subject;
  const [only, ...more] = targets;
  if (only && more.length === 0)
    return [
      ...fact('Host', `${clip(only.host, 100)} (${clip(only.address, 100)}), as ${clip(only.login, 60)}`),
      ...fact('Host key', clip(only.hostKey, 200)),
    ];
  const full = targets
    .slice(0, mostTargets)
    .map(
      (t) =>
        `• ${clip(t.host, 60)} (${clip(t.address, 40)}), as ${clip(t.login, 30)}, key ${keyTail(clip(t.hostKey, 200))}`,
    );
  const others = targets.slice(mostTargets);
  // No more of them have room than this, however short they are.
  const names = within(
    others.slice(0, 200).map((t) => clip(t.host, 60)),
    mostOfNames,
  );
  const left = others.length - names.length;
  return [
    ...fact('Runs on', `${targets.length} hosts, one after another, in this order`),
    line(...words(`${full.join('\n')}\n`)),
    ...(names.length > 0 ? [line(...words(`${names.join(', ')}\n`))] : []),
    ...(others.length > 0
      ? [
          line(
            ...words(
              `${left > 0 ? `… and ${left} more` : '…'}: all with addresses and keys: ${showWords(card)}\n`,
            ),
          ),
        ]
      : []),
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

/** The end of a fingerprint: what people compare. All of it is in the word that shows the approval. */
function keyTail(key: string): string {
  return key.length > 20 ? `…${key.slice(-17)}` : key;
}

function open(card: CardView): RichPart[] {
  const { rule } = card;
  const others = rule.requesterMay ? '' : ', not by who asked';
  const given = card.approvals.length > 0 ? ` (so far: ${namesOf(card)})` : '';
  return [
    ...state(card),
    ...fact('Needs', `${clip(card.missing ?? 'nobody', 400)}${others}${given}`),
    at('Expires', card.expiresAt, '{time} ({ago})'),
    ...(card.mayOpenWindow ? [line(...words(`${windowNote}\n`, { italic: true }))] : []),
  ];
}

const windowNote =
  '“+ 15 min” and “+ 60 min” also allow exactly this command on the same hosts in this thread for so long, without asking again. The word revoke ends it.';

function namesOf({ approvals }: CardView): string {
  const names = approvals.slice(0, 8).map((u) => clip(u.name, 60));
  return (
    names.join(', ') + (approvals.length > names.length ? ` and ${approvals.length - names.length} more` : '')
  );
}

/** Evidence, and marked as that: what the hosts printed a moment before people were asked. */
function state({ subject }: CardView): RichPart[] {
  const states = subject.state ?? [];
  const left = states.length - mostStates;
  const each = ({ host, line: probe, text }: HostState) => [
    line(
      ...words(`State now, as ${clip(host, 60)} says `, { bold: true }),
      ...words(clip(probe, 160), { code: true }),
      ...words('\n'),
    ),
    preformatted(excerpt(text)),
  ];
  return [
    ...states.slice(0, mostStates).flatMap(each),
    ...(left > 0 ? [line(...words(`… and the state of ${left} more hosts\n`))] : []),
  ];
}

function decided(card: CardView): RichPart[] {
  const window = `for ${card.windowMinutes} min the same command on the same hosts is allowed in this thread; the word revoke ends it`;
  return [
    ...(card.decidedAt === undefined
      ? []
      : [at('Decided', card.decidedAt, '{date_short_pretty} {time_secs}')]),
    ...(card.approvals.length > 1 ? fact('Approved by', namesOf(card)) : []),
    ...(card.denyReason ? fact('Reason', `“${clip(card.denyReason, 600)}”`) : []),
    ...(card.windowMinutes ? fact('Window', window) : []),
    ...(card.outcome ? fact('Outcome', clip(card.outcome, 600)) : []),
  ];
}

function buttons(card: CardView, whole: boolean): ActionsBlock[] {
  const { approvalId, digest, all, mayOpenWindow } = card;
  const value = cardValue(approvalId, digest);
  const deny = button(actions.deny, 'Deny', value, 'danger');
  // Nobody can approve what the card could not show in full.
  if (!whole) return [{ type: 'actions', elements: [deny] }];
  const approve = button(actions.approve, 'Approve', value, 'primary');
  const allOfThem = all && {
    ...button(actions.approveAll, `Approve all ${all.count}`, cardValue(approvalId, all.digest)),
    confirm: confirm(
      `Approve all ${all.count}?`,
      `This approves all ${all.count} open requests of this run, as their cards in this thread show them.`,
      'Approve all',
    ),
  };
  const windows = ([15, 60] as const).map((minutes) => ({
    ...button(actions[`approve${minutes}`], `Approve + ${minutes} min`, value),
    confirm: confirm(
      `Approve, and for ${minutes} minutes more?`,
      `This approves it, and for ${minutes} minutes allows exactly this command on the same hosts in this thread without asking again.`,
      'Approve',
    ),
  }));
  return [
    { type: 'actions', elements: [approve, deny, ...(allOfThem ? [allOfThem] : [])] },
    ...(mayOpenWindow ? [{ type: 'actions' as const, elements: windows }] : []),
  ];
}

/** A time as each reader's Slack draws it. */
function at(name: string, when: number, format: string): RichPart {
  const date: RichTextDate = {
    type: 'date',
    timestamp: Math.floor(when / 1000),
    format,
    fallback: isoText(when),
  };
  return line(...words(`${name}: `, { bold: true }), date, ...words('\n'));
}

function isoText(when: number): string {
  const date = new Date(when);
  return Number.isNaN(date.getTime()) ? 'never' : date.toISOString();
}

function fact(name: string, value: string): RichPart[] {
  return [line(...words(`${name}: `, { bold: true }), ...words(`${value}\n`))];
}
