/**
 * What the bot itself says: help, status, and the refusal that tells how to be let in.
 */
import { approvalRow, approvalText, closedText } from '../core/approval-text.ts';
import type { Risk } from '../core/command.ts';
import { type User, userKey } from '../core/conversation.ts';
import type { ListedApproval } from '../core/open-approvals.ts';
import { hasEnded, pendingApprovals, type Run } from '../core/run.ts';
import { statusOf } from '../core/view.ts';
import { visible } from '../core/visible.ts';

export function notAllowedText(user: User): string {
  return [
    `You may not ask here: config/policy.yaml has no rule for ${userKey(user)}.`,
    'To be let in, somebody who runs opsagent adds this account to a person and a rule, for example:',
    `people:\n  ${personName(user)}: { ${user.platform}: "${user.id}" }`,
    `ask:\n  - { name: ${personName(user)}-reads, who: [${personName(user)}], risk: [read], hosts: [all] }`,
  ].join('\n');
}

/** `commands` are those that this person may run here, or ask for. */
export function helpText(commands: readonly { readonly name: string; readonly risk: Risk }[]): string {
  const names = (risky: boolean) => commands.filter((c) => (c.risk !== 'read') === risky).map((c) => c.name);
  return [
    'Ask in your own words: "How much disk space is available?", "Is nginx running?", "Restart nginx".',
    'Reads run at once; changes show a card and wait for an approval.',
    '`status` tells what is going on in this thread, `stop` ends it, `pending` lists what waits for you.',
    '`revoke` ends the windows of this thread. Admins: `freeze` stops all changes at once, `unfreeze` lets them be asked for again.',
    names(false).length > 0
      ? `You may run here: ${names(false).join(', ')}.`
      : 'There is no command that you may run here at once.',
    ...(names(true).length > 0 ? [`You may ask here for: ${names(true).join(', ')}.`] : []),
  ].join('\n');
}

/** For admins, below help and status; nothing when the file is in force. */
export function policyNotice(problems: readonly string[]): string {
  if (problems.length === 0) return '';
  return `\nconfig/policy.yaml was edited and not taken; the policy from before it is in force:\n${problems.join('\n')}`;
}

/** The answer to `pending`: what this person may decide or has asked for; admins see all. */
export function pendingText(open: readonly ListedApproval[], now: number): string {
  if (open.length === 0)
    return 'Nothing waits for your approval, and nothing that you asked for waits for one.';
  const one = open.length === 1;
  return [
    `${open.length} open ${one ? 'approval' : 'approvals'} that you may see. Decide on the card in its thread; \`show ID\` shows all of one.`,
    fenced(open.map((listed) => approvalRow(listed, now)).join('\n')),
  ].join('\n');
}

/** The answer to `show ID`: from the store, so that a card can be compared with it. */
export function shownText(listed: ListedApproval | undefined, now: number): string {
  if (!listed)
    return 'This is not an open approval of mine, or not one for you to see. Do not trust a card that names it.';
  const said = listed.open
    ? 'This is an open approval of mine. It reads, exactly:'
    : `This is not an open approval of mine any more: ${visible(closedText(listed), { keepNewlines: false })}. It read:`;
  return `${said}\n${fenced(approvalText(listed, now))}`;
}

/** In a fence that the text cannot close, where a platform draws Markdown. */
function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}\n${text}\n${fence}`;
}

export function statusText(history: readonly Run[], now: number): string {
  const active = history.filter((run) => !hasEnded(run));
  if (active.length === 0) return 'Nothing is running in this thread.';
  return active
    .map((run) => {
      const seconds = Math.round((now - run.createdAt) / 1000);
      const open = pendingApprovals(run);
      const waits =
        open.length > 0 ? `, waiting for approval of ${open.map((a) => a.subject.line).join(' and ')}` : '';
      return `${run.id}: ${statusOf(run)} for ${seconds} s${waits}.`;
    })
    .join('\n');
}

function personName(user: User): string {
  return (
    user.name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-+|-+$/g, '') || 'someone'
  );
}
