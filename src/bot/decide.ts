/**
 * The one way a person's verdict reaches a run, whichever button, word or command it came by: who may decide is
 * read at this moment, the vote is audited and signed, and one compare-and-set gives the verdict.
 */
import { type Approval, decider, denyReason, type Verdict, vote } from '../core/approval.ts';
import { type Decision, sameConversation, type User, userKey } from '../core/conversation.ts';
import { isApprovalId, type RunId, runIdOf } from '../core/ids.ts';
import { type Asker, askerOf, type Policy, personOf } from '../core/policy.ts';
import { mayVote, placesFilled, stillNeeded } from '../core/policy-votes.ts';
import type { AuditLog, Clock, Decided, RunStore } from '../core/ports.ts';
import { findApproval, type Run } from '../core/run.ts';
import { decideApproval } from '../core/run-changes.ts';
import type { SignedVote, VoteStatement } from '../core/signed.ts';

export interface Decide {
  readonly store: RunStore;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly policy: () => Policy;
  readonly sign: (statement: VoteStatement) => SignedVote;
  readonly nudge: (id: RunId) => Promise<void>;
}

const reasonLimit = 500;

export async function decideOn(parts: Decide, decision: Decision): Promise<Decided> {
  const { store, audit, clock, policy } = parts;
  const { approvalId } = decision;
  const run = isApprovalId(approvalId) ? await store.load(runIdOf(approvalId)) : undefined;
  const approval = run && findApproval(run, approvalId);
  const who = userKey(decision.user);

  const refuse = async (text: string): Promise<Decided> => {
    await audit.record({
      kind: 'approval.refused',
      ...(run ? { runId: run.id } : {}),
      who,
      data: { approval: approvalId.slice(0, 80), verdict: decision.verdict, why: text },
    });
    return { kind: 'refused', text };
  };

  if (!run || !approval) return refuse('This card does not belong to any open request of mine.');
  if (!isOurCard(run, decision))
    return refuse('This card was moved or copied; use the one in its own thread.');
  const requesters = run.requests.map((r) => userKey(r.statement.user));
  const voter = askerOf(decision.user, decision.groups);
  const critical = approval.subject.risk === 'critical';
  const right = mayVote(policy(), approval.rule.name, voter, requesters, critical);
  if (!right.ok) return refuse(right.reason);

  const now = clock.now();
  if (approval.verdict !== 'pending' || approval.expiresAt <= now)
    return { kind: 'late', text: lateText(approval.verdict, decider(approval)) };

  const reason = decision.reason?.trim().slice(0, reasonLimit);
  const signed = parts.sign({
    kind: 'vote',
    runId: run.id,
    approvalId,
    digest: approval.digest,
    verdict: decision.verdict,
    user: decision.user,
    groups: decision.groups,
    ...(reason ? { reason } : {}),
    at: now,
  });
  await audit.record({
    kind: 'approval.voted',
    runId: run.id,
    callId: approval.callId,
    who,
    data: {
      approval: approvalId,
      verdict: decision.verdict,
      digest: approval.digest,
      ...(reason ? { reason } : {}),
    },
  });

  const person = (v: SignedVote) => personOf(policy(), userKey(v.statement.user));
  let answer: Decided = { kind: 'late', text: lateText('expired') };
  await store.update(run.id, (current) => {
    const standing = findApproval(current, approvalId);
    if (!standing) return current;
    const outcome = vote(standing, signed, person, now);
    if (outcome.kind === 'already-voted') {
      answer = { kind: 'late', text: 'You have decided this already; it needs somebody else.' };
      return current;
    }
    const needed =
      signed.statement.verdict === 'approve' ? groupNeeded(policy(), standing, voter) : undefined;
    if (outcome.kind === 'counted' && needed) {
      answer = { kind: 'late', text: `Your group has approved this already; it needs ${needed}.` };
      return current;
    }
    if (outcome.kind === 'already-decided') {
      answer = { kind: 'late', text: lateText(outcome.verdict, outcome.by) };
      return current;
    }
    answer = { kind: 'counted', text: countedText(outcome.approval.verdict, outcome.approval) };
    return decideApproval(
      current,
      outcome.approval,
      refusalText(decision.user, denyReason(outcome.approval)),
    );
  });
  // It is kept: where nobody can be told now, the sweep finds the run.
  await parts.nudge(run.id).catch(() => {});
  return answer;
}

/** Where each of several groups must approve: who is still needed, when one more of this voter's would not help. */
function groupNeeded(policy: Policy, { rule: shown, votes }: Approval, voter: Asker): string | undefined {
  const rule = policy.approve.find((r) => r.name === shown.name);
  if (!rule?.each) return undefined;
  const asCarded = { ...rule, people: shown.people };
  const voted = votes.map((v) => askerOf(v.statement.user, v.statement.groups));
  const helps = placesFilled(policy, asCarded, [...voted, voter]) > placesFilled(policy, asCarded, voted);
  return helps ? undefined : stillNeeded(policy, asCarded, voted);
}

/** A button counts only on the message that this approval was posted as. */
function isOurCard(run: Run, { approvalId, card }: Decision): boolean {
  if (!card) return true;
  const posted = run.posts.find((p) => p.key === approvalId)?.ref;
  return (
    sameConversation(card.conversation, run.conversation) && (posted === undefined || posted === card.message)
  );
}

function lateText(verdict: Verdict, by?: User): string {
  if (verdict === 'approved' || verdict === 'denied')
    return `Already ${verdict}${by ? ` by ${by.name}` : ''}.`;
  return verdict === 'withdrawn'
    ? 'The run was stopped; nothing will run.'
    : 'Too late: the request has expired.';
}

function countedText(
  verdict: Verdict,
  { rule, votes }: { rule: { people: number }; votes: readonly SignedVote[] },
): string {
  if (verdict === 'approved') return 'Approved.';
  if (verdict === 'denied') return 'Denied.';
  return `Counted: ${votes.length} of ${rule.people} approvals.`;
}

function refusalText(by: User, reason: string | undefined): string {
  return reason ? `Denied by ${by.name}: ${reason}` : `Denied by ${by.name}, without a reason.`;
}
