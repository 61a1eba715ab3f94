/**
 * A card and a change in the terminal: what is asked, what became of it, and how it looked on the host before and
 * after. What came from outside stands on one line, or behind a bar that says it is the host's.
 */
import type { RanCommand } from '../core/command.ts';
import type { CardView } from '../core/view.ts';
import { visible } from '../core/visible.ts';

const mostTargets = 20;
const mostLines = 6;

export function cardLines(card: CardView): string {
  const { subject, verdict } = card;
  if (verdict !== 'pending') return decidedLine(card);
  const left = subject.targets.length - mostTargets;
  return [
    `? needs approval (${oneLine(card.missing ?? 'nobody more')}): ${oneLine(subject.line)}`,
    ...subject.targets
      .slice(0, mostTargets)
      .map((t) => oneLine(`  on ${t.host} as ${t.login}@${t.address}, host key ${t.hostKey}`)),
    ...(left > 0 ? [`  … and ${left} more: opsagent approvals show ${card.approvalId}`] : []),
    `  risk ${subject.risk}, until ${new Date(card.expiresAt).toLocaleTimeString()}, digest ${card.digestPrefix}`,
    ...(subject.state ?? []).flatMap(({ host, line, text }) => [
      oneLine(`  state now, as ${host} says, ${line}:`),
      ...barred(text),
    ]),
    `  Decide on the card in its thread, in the console, or with: opsagent approvals approve ${card.approvalId}`,
  ].join('\n');
}

function decidedLine({ verdict, decidedBy, subject, denyReason, windowMinutes, outcome }: CardView): string {
  const by = decidedBy ? ` by ${decidedBy.name}` : '';
  const facts = [
    ...(denyReason ? [`“${denyReason}”`] : []),
    ...(windowMinutes ? [`the same is allowed in this thread for ${windowMinutes} min, until revoke`] : []),
    ...(outcome ? [outcome] : []),
  ];
  const sign = verdict === 'approved' ? '✓' : '✗';
  return oneLine(`${sign} ${verdict}${by}: ${subject.line}${facts.map((f) => `; ${f}`).join('')}`);
}

/** Below the line of a call: before and after, and what would reverse it. Empty for what changed nothing. */
export function changeLines(ran: readonly RanCommand[]): readonly string[] {
  return ran.flatMap(({ host, probe, undo, allowedBy }) => [
    ...(allowedBy ? [oneLine(`  nobody was asked again: allowed by ${allowedBy}`)] : []),
    ...(probe ? stateLines(host, probe) : []),
    ...(undo
      ? [
          oneLine(
            `  to undo: ${undo.command} ${Object.entries(undo.params)
              .map(([k, v]) => `${k}=${v}`)
              .join(' ')} on ${host}`,
          ),
        ]
      : []),
  ]);
}

function stateLines(
  host: string,
  { line, before, after }: NonNullable<RanCommand['probe']>,
): readonly string[] {
  const said = (when: string) => oneLine(`  ${when}, ${host} says, ${line}:`);
  if (before === after) return [said('unchanged'), ...barred(after)];
  const earlier = before === undefined ? ['  before: not looked at'] : [said('before'), ...barred(before)];
  return [...earlier, said('after'), ...barred(after)];
}

function barred(text: string): readonly string[] {
  const lines = visible(text).trimEnd().split('\n');
  const left = lines.length - mostLines;
  return [
    ...lines.slice(0, mostLines).map((l) => `  | ${l}`),
    ...(left > 0 ? [`  … ${left} more ${left === 1 ? 'line' : 'lines'}`] : []),
  ];
}

function oneLine(text: string): string {
  return visible(text, { keepNewlines: false });
}
