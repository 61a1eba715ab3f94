/**
 * The one way a person's verdict reaches a run, whichever button, word or command it came by: who may decide is
 * read at this moment, the vote is audited and signed, and one compare-and-set gives the verdict.
 */
import {
  type Approval,
  approvalDigest,
  decider,
  denyReason,
  digestOfAll,
  shownDigest,
  type Verdict,
  vote,
} from '../core/approval.ts';
import { type Decision, sameConversation, type User, userKey } from '../core/conversation.ts';
import { isApprovalId, type RunId, runIdOf } from '../core/ids.ts';
import { type Asker, askerOf, type Policy, personOf } from '../core/policy.ts';
import { mayVote, placesFilled, stillNeeded } from '../core/policy-votes.ts';
import type { AuditLog, Clock, Decided, RunStore } from '../core/ports.ts';
import { findApproval, hasEnded, pendingApprovals, type Run } from '../core/run.ts';
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
/** Of a digest that a person typed or a button carries: what a card prints is enough to tell two apart. */
const shortestDigest = 12;
const altered = 'This request is not as it was asked: its record was altered. Nothing was decided.';

/** Everything that was shown is decided or nothing is: what has changed since is looked at again first. */
export async function decideOn(parts: Decide, decision: Decision): Promise<Decided> {
  const { approvalId } = decision;
  const run = isApprovalId(approvalId) ? await parts.store.load(runIdOf(approvalId)) : undefined;
  const approval = run && findApproval(run, approvalId);
  const refuse = refusing(parts, decision, run);

  if (!run || !approval) return refuse('This card does not belong to any open request of mine.');
  const place = placeOf(run, decision);
  if (place === 'elsewhere') return refuse('This card was moved or copied; use the one in its own thread.');
  if (place === 'not-yet') return refuse('This card is only just being posted: try again in a moment.');
  if (decision.scope !== 'all') return decideOne(parts, decision, run, approval);

  const open = pendingApprovals(run);
  if (open.length > 0 && !isShown(digestOfAll(open), decision.digest))
    return refuse('The open requests of this run are not those that this card showed; look at them again.');
  const answers: Decided[] = [];
  for (const each of open) {
    const one = { ...decision, approvalId: each.id, digest: shownDigest(each) };
    answers.push(await decideOne(parts, one, run, each));
  }
  return allTogether(open, answers);
}

async function decideOne(parts: Decide, decision: Decision, run: Run, approval: Approval): Promise<Decided> {
  const { store, audit, clock, policy } = parts;
  const { approvalId } = decision;
  const who = userKey(decision.user);
  const refuse = refusing(parts, decision, run);

  // Whoever writes the store can write what a card shows: a vote is for what was shown, or it is none.
  if (approvalDigest(approval) !== approval.digest) return refuse(altered);
  if (!isShown(approval.digest, decision.digest))
    return refuse('This card does not show what would run; look at the request again.');
  const requesters = run.requests.map((r) => userKey(r.statement.user));
  const voter = askerOf(decision.user, decision.groups);
  const critical = approval.subject.risk === 'critical';
  const right = mayVote(policy(), approval.rule.name, voter, requesters, critical);
  if (!right.ok) return refuse(right.reason);
  if (decision.windowMinutes !== undefined && critical)
    return refuse('A critical change is approved each time anew: it has no window.');

  const now = clock.now();
  if (approval.verdict !== 'pending' || approval.expiresAt <= now || isOver(run)) {
    const text = lateText(verdictNow(run, approval), decider(approval));
    await refuse(text);
    return { kind: 'late', text };
  }

  const reason = decision.reason?.trim().slice(0, reasonLimit);
  const wanted = decision.verdict === 'approve' ? decision.windowMinutes : undefined;
  const signed = parts.sign({
    kind: 'vote',
    runId: run.id,
    approvalId,
    digest: approval.digest,
    verdict: decision.verdict,
    user: decision.user,
    groups: decision.groups,
    ...(reason ? { reason } : {}),
    ...(wanted === undefined ? {} : { windowMinutes: wanted }),
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
      ...(wanted === undefined ? {} : { windowMinutes: wanted }),
      ...(reason ? { reason } : {}),
    },
  });

  const person = (v: SignedVote) => personOf(policy(), userKey(v.statement.user));
  let answer: Decided = { kind: 'refused', text: 'This run is not kept any more. Nothing was decided.' };
  await store.update(run.id, (current) => {
    const standing = findApproval(current, approvalId);
    // What was altered between the look above and this is caught here.
    if (standing?.digest !== approval.digest || approvalDigest(standing) !== approval.digest) {
      answer = { kind: 'refused', text: altered };
      return current;
    }
    if (standing.verdict === 'pending' && isOver(current)) {
      answer = { kind: 'late', text: lateText('withdrawn') };
      return current;
    }
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
    const counted = withMissing(policy(), outcome.approval);
    answer = { kind: 'counted', text: countedText(counted) };
    return decideApproval(current, counted, refusalText(decision.user, denyReason(counted)));
  });
  if (answer.kind !== 'counted')
    await audit.record({
      kind: 'approval.refused',
      runId: run.id,
      who,
      data: refusalData(decision, answer.text),
    });
  // It is kept: where nobody can be told now, the sweep finds the run.
  await parts.nudge(run.id).catch(() => {});
  return answer;
}

/** Audits a refused click and makes its answer. */
function refusing({ audit }: Decide, decision: Decision, run: Run | undefined) {
  return async (text: string): Promise<Decided> => {
    await audit.record({
      kind: 'approval.refused',
      ...(run ? { runId: run.id } : {}),
      who: userKey(decision.user),
      data: refusalData(decision, text),
    });
    return { kind: 'refused', text };
  };
}

function refusalData({ approvalId, verdict, digest }: Decision, why: string) {
  return { approval: approvalId.slice(0, 80), verdict, shown: digest.slice(0, 64), why };
}

function isShown(digest: string, shown: string): boolean {
  return shown.length >= shortestDigest && digest.startsWith(shown);
}

function allTogether(open: readonly Approval[], answers: readonly Decided[]): Decided {
  if (answers.length === 0) return { kind: 'late', text: 'Nothing of this run is open any more.' };
  const lines = answers.map(({ text }, i) => `${open[i]?.subject.line ?? ''}: ${text}`);
  const counted = answers.some((a) => a.kind === 'counted');
  const kind = counted ? 'counted' : answers.some((a) => a.kind === 'refused') ? 'refused' : 'late';
  return { kind, text: lines.join('\n') };
}

/** Where each of several groups must approve: who is still needed, when one more of this voter's would not help. */
function groupNeeded(policy: Policy, { rule: shown, votes }: Approval, voter: Asker): string | undefined {
  const rule = policy.approve.find((r) => r.name === shown.name);
  if (!rule?.each) return undefined;
  const asCarded = { ...rule, people: shown.people };
  const voted = votes.map(askerIn);
  const helps = placesFilled(policy, asCarded, [...voted, voter]) > placesFilled(policy, asCarded, voted);
  return helps ? undefined : stillNeeded(policy, asCarded, voted);
}

/** What the card says of those who are still needed. */
function withMissing(policy: Policy, approval: Approval): Approval {
  const rule = policy.approve.find((r) => r.name === approval.rule.name);
  if (approval.verdict !== 'pending' || !rule) return approval;
  const asCarded = { ...rule, people: approval.rule.people };
  return { ...approval, missing: stillNeeded(policy, asCarded, approval.votes.map(askerIn)) };
}

const askerIn = ({ statement }: SignedVote): Asker => askerOf(statement.user, statement.groups);

/**
 * A button counts only on the message that this approval was posted as. Between the post and the note of where it
 * went, any message of the thread may be it; before the post is announced, none is.
 */
function placeOf(run: Run, { approvalId, card }: Decision): 'ours' | 'elsewhere' | 'not-yet' {
  if (!card) return 'ours';
  if (!sameConversation(card.conversation, run.conversation)) return 'elsewhere';
  const posted = run.posts.find((p) => p.key === approvalId);
  if (!posted) return 'not-yet';
  return posted.ref === undefined || posted.ref === card.message ? 'ours' : 'elsewhere';
}

/** Its questions are withdrawn, also where nobody has come to close them yet. */
const isOver = (run: Run) => run.stop !== undefined || hasEnded(run);

function verdictNow(run: Run, { verdict }: Approval): Verdict {
  return verdict === 'pending' && isOver(run) ? 'withdrawn' : verdict;
}

function lateText(verdict: Verdict, by?: User): string {
  if (verdict === 'approved' || verdict === 'denied')
    return `Already ${verdict}${by ? ` by ${by.name}` : ''}.`;
  return verdict === 'withdrawn'
    ? 'The run was stopped; nothing will run.'
    : 'Too late: the request has expired.';
}

function countedText({ verdict, rule, votes, missing }: Approval): string {
  if (verdict === 'approved') return 'Approved.';
  if (verdict === 'denied') return 'Denied.';
  return `Counted: ${votes.length} of ${rule.people} approvals${missing ? `; it still needs ${missing}` : ''}.`;
}

function refusalText(by: User, reason: string | undefined): string {
  return reason ? `Denied by ${by.name}: ${reason}` : `Denied by ${by.name}, without a reason.`;
}
