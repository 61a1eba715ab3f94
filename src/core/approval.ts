/**
 * One question to people: may exactly this run? The whitelist server asks it and checks the answer again;
 * the verdict leaves `pending` once.
 */
import type { User, WindowMinutes } from './conversation.ts';
import type { ApprovalId, CallId, RunId } from './ids.ts';
import { digestOf, type JsonObject } from './json.ts';
import type { SignedVote } from './signed.ts';

/** One host that a change would run on, as the inventory has it now. */
export interface ApprovalTarget {
  readonly host: string;
  readonly address: string;
  readonly login: string;
  /** SHA256 fingerprints of the keys that this host may show. */
  readonly hostKey: string;
}

/** What a probe showed on one host before people were asked: evidence, cleaned and cut. */
export interface HostState {
  readonly host: string;
  /** The probe's line, as people read it. */
  readonly line: string;
  readonly text: string;
}

/** What a card shows, made by the whitelist server from the same object that it will run. */
export interface ApprovalSubject {
  readonly command: string;
  readonly description: string;
  readonly line: string;
  /** In the order in which it runs, one after another; never empty. */
  readonly targets: readonly ApprovalTarget[];
  readonly risk: 'change' | 'critical';
  readonly state?: readonly HostState[];
}

/** Who may answer, by the name of the rule in policy.yaml. */
export interface ApprovalRuleView {
  readonly name: string;
  readonly approvers: readonly string[];
  readonly people: number;
  /** So many of each, where several groups must approve. */
  readonly each?: readonly { readonly who: readonly string[]; readonly people: number }[];
  readonly requesterMay: boolean;
}

/** What the whitelist server answers instead of running. Nothing has run. */
export interface ApprovalRequest {
  readonly id: ApprovalId;
  readonly callId: CallId;
  readonly runId: RunId;
  readonly subject: ApprovalSubject;
  readonly rule: ApprovalRuleView;
  /** Digest of all that decides what happens where, and of who asked in which thread. */
  readonly binding: string;
  /** Of everything above and the times: see `approvalDigest`. */
  readonly digest: string;
  /** Opaque to all but the whitelist server: the sealed state it opens again before it runs. */
  readonly sealed: string;
  readonly askedAt: number;
  readonly expiresAt: number;
  /** When those who may decide are reminded, if nobody has by then. */
  readonly remindAt?: number;
}

export type Verdict = 'pending' | 'approved' | 'denied' | 'expired' | 'withdrawn';

export interface Approval extends ApprovalRequest {
  /** The agent's own words on why, shown as such and part of no digest. */
  readonly agentReason?: string;
  readonly votes: readonly SignedVote[];
  /** Whose approval is still missing, in words, as the last vote left it. */
  readonly missing?: string;
  /** Those who may decide have been reminded in the thread. */
  readonly reminded?: true;
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

/**
 * What people approve, as a digest over what their card shows: a card drawn from anything else has another one. The
 * binding stands for what a card cannot show whole; the agent's words are no part of it.
 */
export function approvalDigest(request: Omit<ApprovalRequest, 'digest' | 'sealed'>): string {
  const { id, callId, runId, subject, rule, binding, askedAt, expiresAt } = request;
  const shown = { subject, rule } as unknown as JsonObject;
  return digestOf({ version: 2, id, callId, runId, binding, askedAt, expiresAt, ...shown });
}

/** So much of the digest goes with each button: enough that nobody makes another card that fits it. */
const shownDigestLength = 32;

/** What the button of a card that shows this carries, computed from what is shown and not from what is claimed. */
export function shownDigest(approval: ApprovalRequest): string {
  return approvalDigest(approval).slice(0, shownDigestLength);
}

/** For a button that decides several at once: one digest over all that their cards show. */
export function digestOfAll(approvals: readonly ApprovalRequest[]): string {
  return digestOf(approvals.map(approvalDigest).sort()).slice(0, shownDigestLength);
}

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

/** When the thread is to say that this still waits; undefined when it has, or never does. */
export function reminderDue({ verdict, remindAt, reminded, expiresAt }: Approval): number | undefined {
  if (verdict !== 'pending' || reminded || remindAt === undefined) return undefined;
  return remindAt < expiresAt ? remindAt : undefined;
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

/** The window that these votes open: only where everyone who approved wants one, and then the shortest. */
export function windowOf(votes: readonly SignedVote[]): WindowMinutes | undefined {
  const wanted = votes.map((v) => v.statement.windowMinutes);
  if (wanted.length === 0 || wanted.includes(undefined)) return undefined;
  return wanted.includes(15) ? 15 : 60;
}

/** Who still has to approve, in words: as the last vote left it, at first as the rule says. */
export function missingText({ rule, missing }: Approval): string {
  if (missing !== undefined) return missing;
  const of = (who: readonly string[], people: number) => `${people} of ${who.join(', ')}`;
  const each = (rule.each ?? []).map((e) => of(e.who, e.people));
  return each.length > 0 ? each.join(' and ') : of(rule.approvers, rule.people);
}
