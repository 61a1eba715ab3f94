/**
 * One question to people: may exactly this run? The whitelist server asks it and checks the answer again;
 * the verdict leaves `pending` once.
 */
import type { User } from './conversation.ts';
import type { ApprovalId, CallId, RunId } from './ids.ts';
import type { SignedVote } from './signed.ts';

/** What a card shows, made by the whitelist server from the same object that it will run. */
export interface ApprovalSubject {
  readonly command: string;
  readonly description: string;
  readonly line: string;
  readonly host: string;
  readonly address: string;
  readonly login: string;
  /** SHA256 fingerprint of the host key that is pinned, or how it is known. */
  readonly hostKey: string;
  readonly risk: 'change' | 'critical';
}

/** Who may answer, by the name of the rule in policy.yaml. */
export interface ApprovalRuleView {
  readonly name: string;
  readonly approvers: readonly string[];
  readonly people: number;
  readonly requesterMay: boolean;
}

/** What the whitelist server answers instead of running. Nothing has run. */
export interface ApprovalRequest {
  readonly id: ApprovalId;
  readonly callId: CallId;
  readonly runId: RunId;
  readonly subject: ApprovalSubject;
  readonly rule: ApprovalRuleView;
  readonly digest: string;
  /** Opaque to all but the whitelist server: the sealed state it opens again before it runs. */
  readonly sealed: string;
  readonly askedAt: number;
  readonly expiresAt: number;
}

export type Verdict = 'pending' | 'approved' | 'denied' | 'expired' | 'withdrawn';

export interface Approval extends ApprovalRequest {
  /** The agent's own words on why, shown as such and part of no digest. */
  readonly agentReason?: string;
  readonly votes: readonly SignedVote[];
  readonly verdict: Verdict;
  readonly decidedAt?: number;
}

/** What the worker hands the whitelist server when it calls again. */
export interface Grant {
  readonly sealed: string;
  readonly votes: readonly SignedVote[];
}

export type VoteOutcome =
  | { readonly kind: 'counted'; readonly approval: Approval }
  | { readonly kind: 'already-voted' }
  | { readonly kind: 'already-decided'; readonly verdict: Verdict; readonly by?: User };

export function openApproval(request: ApprovalRequest, agentReason?: string): Approval {
  return { ...request, ...(agentReason ? { agentReason } : {}), votes: [], verdict: 'pending' };
}

/** Adds a vote: one deny decides, approvals decide when `people` distinct people gave one. */
export function vote(
  approval: Approval,
  signed: SignedVote,
  personOf: (v: SignedVote) => string,
  now: number,
): VoteOutcome {
  if (approval.verdict !== 'pending' || now >= approval.expiresAt) {
    const by = decider(approval);
    return {
      kind: 'already-decided',
      verdict: approval.verdict === 'pending' ? 'expired' : approval.verdict,
      ...(by ? { by } : {}),
    };
  }
  if (
    approval.votes.some(
      (v) => personOf(v) === personOf(signed) && v.statement.verdict === signed.statement.verdict,
    )
  )
    return { kind: 'already-voted' };

  const votes = [...approval.votes, signed];
  if (signed.statement.verdict === 'deny')
    return { kind: 'counted', approval: { ...approval, votes, verdict: 'denied', decidedAt: now } };
  const people = new Set(votes.map(personOf));
  const approved = people.size >= approval.rule.people;
  return {
    kind: 'counted',
    approval: { ...approval, votes, ...(approved ? { verdict: 'approved', decidedAt: now } : {}) },
  };
}

/** Closes a pending approval for good: its time is up, or its run was stopped. */
export function close(approval: Approval, verdict: 'expired' | 'withdrawn', now: number): Approval {
  return approval.verdict === 'pending' ? { ...approval, verdict, decidedAt: now } : approval;
}

/** The person whose vote decided. */
export function decider(approval: Approval): User | undefined {
  if (approval.verdict !== 'approved' && approval.verdict !== 'denied') return undefined;
  return approval.votes.at(-1)?.statement.user;
}

export function denyReason(approval: Approval): string | undefined {
  return approval.votes.find((v) => v.statement.verdict === 'deny')?.statement.reason;
}
