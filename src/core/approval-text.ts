/**
 * An approval in words, the same in chat and on the command line: what its card shows, line by line, with everything
 * that came from outside on one line and made visible.
 */
import type { HostState } from './approval.ts';
import type { Conversation } from './conversation.ts';
import { userKey } from './conversation.ts';
import type { ListedApproval } from './open-approvals.ts';
import { visible } from './visible.ts';

/** All that the card shows. */
export function approvalText(listed: ListedApproval, now: number): string {
  const { card } = listed;
  const { subject } = card;
  const by = (user: typeof card.requestedBy) => `${oneLine(user.name)} (${userKey(user)})`;
  const rows: readonly (readonly [string, string])[] = [
    ['approval', card.approvalId],
    ['will run', oneLine(subject.line)],
    ['what', oneLine(`${subject.command}: ${subject.description}`)],
    ...subject.targets.map(
      (t, i) =>
        [
          i === 0 ? 'on' : '',
          oneLine(`${t.host} as ${t.login}@${t.address}, host key ${t.hostKey}`),
        ] as const,
    ),
    ['risk', subject.risk],
    ...(subject.state ?? []).flatMap(stateRows),
    ['asked by', `${by(card.requestedBy)} in ${placeText(listed.conversation)}`],
    ...(card.agentReason ? [['agent says', oneLine(`“${card.agentReason}”`)] as const] : []),
    ['digest', card.digestPrefix],
    ...(listed.open
      ? ([
          ['expires', `${timeText(card.expiresAt)}, ${leftText(card.expiresAt - now)}`],
          ['approved by', card.approvals.map(by).join(', ') || 'nobody yet'],
          ['needs', oneLine(`${card.missing ?? 'nobody more'} (rule ${card.rule.name})`)],
          ['you', listed.mayDecide ? 'may decide this' : oneLine(listed.why ?? 'may not decide this')],
        ] as const)
      : ([['closed', oneLine(closedText(listed))]] as const)),
  ];
  return rows.map(([name, value]) => `${name.padEnd(12)}${value}`).join('\n');
}

/** Evidence from a host: of several lines each is marked as part of it, so that none can pass for a row of ours. */
function stateRows({ host, line, text }: HostState): readonly (readonly [string, string])[] {
  const lines = visible(text.trimEnd()).split('\n');
  return [
    ['now there', oneLine(`${host}, ${line}:`)],
    ...lines.map((shown): readonly [string, string] => ['', `| ${shown}`]),
  ];
}

/** Two lines, for a list. */
export function approvalRow({ card, conversation, mayDecide }: ListedApproval, now: number): string {
  const { subject } = card;
  return [
    oneLine(`${card.approvalId}  ${subject.line}`),
    oneLine(
      `  on ${subject.targets.map((t) => t.host).join(', ')}, ${subject.risk}, asked by ${card.requestedBy.name} in ${placeText(conversation)}, ` +
        `${leftText(card.expiresAt - now)}, digest ${card.digestPrefix}, needs ${card.missing ?? 'nobody more'}${mayDecide ? '' : ', not yours to decide'}`,
    ),
  ].join('\n');
}

/** What became of one that is no longer open. */
export function closedText({ card }: ListedApproval): string {
  if (card.verdict === 'pending') return 'its time is up, or its run was stopped';
  const by = card.decidedBy ? ` by ${card.decidedBy.name}` : '';
  const reason = card.denyReason ? ` (${card.denyReason})` : '';
  return `${card.verdict}${by}${reason}${card.outcome ? `; ${card.outcome}` : ''}`;
}

function placeText({ platform, channel, thread }: Conversation): string {
  return platform === 'console' ? `console, /t/${thread}` : `${platform}:${channel}, thread ${thread}`;
}

function leftText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  return seconds < 120 ? `${seconds} s left` : `${Math.floor(seconds / 60)} min left`;
}

function timeText(at: number): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? 'never' : `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

function oneLine(text: string): string {
  return visible(text, { keepNewlines: false });
}
