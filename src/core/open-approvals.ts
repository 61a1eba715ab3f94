/**
 * The open approvals as one person may see them: those they may decide, those they asked for, all of them for admins.
 * What is shown of each is the very view that its card is drawn from.
 */
import type { Conversation, User } from './conversation.ts';
import { userKey } from './conversation.ts';
import type { ApprovalId } from './ids.ts';
import { askerOf, isAdmin, type Policy, personOf } from './policy.ts';
import { mayVote } from './policy-votes.ts';
import { findApproval, pendingApprovals, type Run } from './run.ts';
import { type CardView, draw } from './view.ts';

/** One approval as it is listed, on every surface. */
export interface ListedApproval {
  readonly card: CardView;
  /** Where its card stands. */
  readonly conversation: Conversation;
  /** Pending, and its time is not up. */
  readonly open: boolean;
  /** May the person who looks vote on it now? If not, `why`. */
  readonly mayDecide: boolean;
  readonly why?: string;
}

/** Somebody who looks, with the platform's groups of this moment. */
export interface Looker {
  readonly user: User;
  readonly groups: readonly string[];
}

/** Those of these runs' open approvals that this person may see, the one that ends first on top. */
export function openApprovals(
  runs: readonly Run[],
  policy: Policy,
  looker: Looker,
  now: number,
): readonly ListedApproval[] {
  return runs
    .flatMap((run) => pendingApprovals(run).map((a) => listedApproval(run, a.id, policy, looker, now)))
    .filter((listed) => listed !== undefined)
    .filter((listed) => listed.open)
    .sort((a, b) => a.card.expiresAt - b.card.expiresAt);
}

/** One approval, open or not; undefined when the run has none of this id or this person may not see it. */
export function listedApproval(
  run: Run,
  id: ApprovalId,
  policy: Policy,
  { user, groups }: Looker,
  now: number,
): ListedApproval | undefined {
  const approval = findApproval(run, id);
  const card = draw(run).find((drawing) => drawing.key === id)?.view;
  if (!approval || card?.kind !== 'card') return undefined;

  const asker = askerOf(user, groups);
  const person = personOf(policy, asker.account);
  const accounts = run.requests.map((r) => userKey(r.statement.user));
  const asked = accounts.some((account) => personOf(policy, account) === person);
  const critical = approval.subject.risk === 'critical';
  const right = mayVote(policy, approval.rule.name, asker, accounts, critical);
  if (!right.ok && !asked && !isAdmin(policy, asker)) return undefined;

  const open = approval.verdict === 'pending' && approval.expiresAt > now && !run.stop;
  const voted = approval.votes.some((v) => personOf(policy, userKey(v.statement.user)) === person);
  const why = right.ok ? (voted ? 'You have decided this already.' : undefined) : right.reason;
  return {
    card,
    conversation: run.conversation,
    open,
    mayDecide: open && why === undefined,
    ...(why === undefined ? {} : { why }),
  };
}
