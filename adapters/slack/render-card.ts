/**
 * An approval card: exactly what will run and where, who asks and why, and the two buttons while it is open.
 */
import type { KnownBlock } from '@slack/types';
import type { CardView } from '../../src/core/view.ts';
import { visible } from '../../src/core/visible.ts';
import { actions, button } from './actions.ts';
import { line, preformatted, type RichPart, richText, words } from './rich-text.ts';
import { cutAtLine } from './text.ts';

const mostOfLine = 8000;

export function cardBlocks(card: CardView): KnownBlock[] {
  const { subject } = card;
  const command = cutAtLine(visible(subject.line), mostOfLine);
  const parts: RichPart[] = [
    line(...words(`${heading(card)}\n`, { bold: true })),
    line(...words(`${subject.command} · ${clip(subject.description)}\n`)),
    preformatted(command.text),
    ...(command.left > 0 ? [line(...words(tooLong, { bold: true }))] : []),
    ...fact('Host', `${subject.host} (${subject.address}), as ${subject.login}`),
    ...fact('Host key', subject.hostKey),
    ...fact('Risk', subject.risk),
    ...fact('Asked for by', card.requestedBy.name),
    ...(card.agentReason ? fact("The agent's reason, in its words", `“${clip(card.agentReason)}”`) : []),
    ...(card.verdict === 'pending' ? open(card) : decided(card)),
    ...fact('Digest', card.digestPrefix),
  ];
  const blocks: KnownBlock[] = [richText(parts)];
  if (card.verdict === 'pending') {
    const deny = button(actions.deny, 'Deny', card.approvalId, 'danger');
    // Nobody can approve what the card could not show in full.
    const approve = command.left > 0 ? [] : [button(actions.approve, 'Approve', card.approvalId, 'primary')];
    blocks.push({ type: 'actions', elements: [...approve, deny] });
  }
  return blocks;
}

const tooLong = 'The command is too long to be shown in full here, so it cannot be approved here.';

function heading({ verdict, subject, decidedBy }: CardView): string {
  const by = decidedBy ? ` by ${decidedBy.name}` : '';
  switch (verdict) {
    case 'pending':
      return `Approval needed: ${subject.command} on ${subject.host}`;
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

function open(card: CardView): RichPart[] {
  const { rule } = card;
  const others = rule.requesterMay ? '' : ', not by who asked';
  const given = card.approvals.length > 0 ? ` (so far: ${card.approvals.map((u) => u.name).join(', ')})` : '';
  return [
    ...fact('Needs', `${rule.people} of ${rule.approvers.join(', ') || 'nobody'}${others}${given}`),
    line(
      ...words('Expires: ', { bold: true }),
      {
        type: 'date',
        timestamp: Math.floor(card.expiresAt / 1000),
        format: '{time} ({ago})',
        fallback: new Date(card.expiresAt).toISOString(),
      },
      ...words('\n'),
    ),
  ];
}

function decided(card: CardView): RichPart[] {
  return [
    ...(card.denyReason ? fact('Reason', `“${clip(card.denyReason)}”`) : []),
    ...(card.outcome ? fact('Outcome', clip(card.outcome)) : []),
  ];
}

function fact(name: string, value: string): RichPart[] {
  return [line(...words(`${name}: `, { bold: true }), ...words(`${value}\n`))];
}

function clip(text: string): string {
  return text.length > 1000 ? `${text.slice(0, 1000)}…` : text;
}
