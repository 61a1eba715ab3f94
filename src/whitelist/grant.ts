/**
 * Whether people's word lets a change run now: a sealed question with its votes, or a window that they opened. Each
 * is checked again from what this server has itself; the first part that does not hold is named.
 */
import { windowOf } from '../core/approval.ts';
import { userKey } from '../core/conversation.ts';
import { digestOf } from '../core/json.ts';
import { type Asker, askerOf, personOf } from '../core/policy.ts';
import { mayVote, placesFilled, stillNeeded } from '../core/policy-votes.ts';
import type { SignedVote } from '../core/signed.ts';
import { changedParts } from './binding.ts';
import { accountsOf } from './identity.ts';
import type { AskedChange, Cleared, GateContext, Judgement, Refused } from './judgement.ts';
import type { Window } from './windows.ts';

export function checkGrant(context: GateContext, call: AskedChange, sealed: string): Judgement {
  const { caller, rule, binding } = call;
  const state = context.sealer.open(sealed);
  if (!state) return refuseGrant('The approval that came with this call was not made here.', {});
  const data = {
    approvalId: state.approvalId,
    digest: state.digest,
    approved: digestOf(state.bound),
    now: digestOf(binding),
  };
  const no = (reason: string) => refuseGrant(reason, data);

  if (state.callId !== caller.callId || state.runId !== caller.runId)
    return no('The approval belongs to another call.');
  if (context.now >= state.expiresAt) return no('The approval has expired; ask again.');
  if ((context.freeze.frozenAt ?? 0) >= state.askedAt)
    return no('All changes were stopped since this was asked; nothing from before then runs. Ask again.');
  const changed = changedParts(state.bound, binding);
  if (changed.length > 0)
    return no(`The approval does not match: ${changed.join(' and ')} changed since it was approved.`);
  if (rule.name !== state.rule)
    return no(
      `The approval does not match: policy.yaml now asks for the rule ${rule.name}, not ${state.rule}.`,
    );

  // Whoever joined the conversation after the question has not asked for this; all others must still be here.
  const asked = accountsOf(caller.requests.filter((r) => r.statement.at <= state.askedAt));
  const missing = state.requesters.find((account) => !asked.includes(account));
  if (missing) return no(`The signed request of ${missing}, who asked for this, is missing.`);

  const votes = caller.votes.filter((v) => v.statement.approvalId === state.approvalId);
  for (const { statement } of caller.votes) {
    const name = userKey(statement.user);
    if (statement.approvalId !== state.approvalId || statement.runId !== state.runId)
      return no(`The vote of ${name} was given for another approval.`);
    if (statement.at >= state.expiresAt)
      return no(`The vote of ${name} came after the approval had expired.`);
    if (statement.at < state.askedAt) return no(`The vote of ${name} is older than the question.`);
  }
  const requesters = [...new Set([...state.requesters, ...asked])];
  const counted = countVotes(context, call, { votes, digest: state.digest, requesters });
  if (!counted.ok) return no(counted.reason);
  const { digest, before } = state;
  const window = windowFor(context, call, { id: state.approvalId, digest, votes });
  return {
    kind: 'run',
    cleared: {
      rule: rule.name,
      digest,
      approvers: counted.approvers,
      ...(window ? { window } : {}),
      ...(before ? { before } : {}),
    },
  };
}

/** Undefined where it does not hold any more; people are then asked as always. */
export function checkWindow(context: GateContext, call: AskedChange, window: Window): Cleared | undefined {
  const { rule, spec, caller, binding } = call;
  if (spec.risk === 'critical' || window.rule !== rule.name || window.until <= context.now) return undefined;
  if (window.command !== digestOf(binding) || windowOf(window.votes) === undefined) return undefined;
  if (window.votes.some((v) => v.statement.approvalId !== window.id)) return undefined;
  // Nothing from before a stop holds after it, and a clock that went back prolongs nothing.
  const { freeze, now } = context;
  const holds = ({ at }: { readonly at: number }) => at > (freeze.frozenAt ?? 0) && at <= now;
  if (!window.votes.every((v) => holds(v.statement))) return undefined;
  const requesters = accountsOf(caller.requests);
  const counted = countVotes(context, call, { votes: window.votes, digest: window.digest, requesters });
  return counted.ok
    ? { rule: rule.name, digest: window.digest, approvers: counted.approvers, by: window.id }
    : undefined;
}

type Counted =
  | { readonly ok: true; readonly approvers: readonly string[] }
  | { readonly ok: false; readonly reason: string };

/** Signatures, subject, rights as they are now, and whether they are enough. */
function countVotes(
  { policy, verify }: GateContext,
  { rule, spec }: AskedChange,
  given: { votes: readonly SignedVote[]; digest: string; requesters: readonly string[] },
): Counted {
  const voters: Asker[] = [];
  const no = (reason: string): Counted => ({ ok: false, reason });
  const critical = spec.risk === 'critical';
  for (const signed of given.votes) {
    const { statement } = signed;
    const name = userKey(statement.user);
    if (!verify?.(signed)) return no(`The signature of the vote of ${name} does not hold.`);
    if (statement.digest !== given.digest) return no(`The vote of ${name} was given for something else.`);
    if (statement.verdict === 'deny') return no(`${name} denied it.`);
    const voter = askerOf(statement.user, statement.groups);
    const may = mayVote(policy, rule.name, voter, given.requesters, critical);
    if (!may.ok) return no(`The vote of ${name} does not count: ${may.reason}`);
    voters.push(voter);
  }
  const wanted = critical ? Math.max(2, rule.people) : rule.people;
  const people = new Set(voters.map((v) => personOf(policy, v.account)));
  if (people.size < wanted || people.size === 0)
    return no(`It needs the approval of ${wanted} people and has that of ${people.size}.`);
  if (placesFilled(policy, rule, voters) < rule.people)
    return no(`It still needs the approval of ${stillNeeded(policy, rule, voters)}.`);
  return { ok: true, approvers: voters.map((v) => v.account) };
}

function windowFor(
  { now }: GateContext,
  { spec, rule, caller, binding }: AskedChange,
  { id, digest, votes }: Pick<Window, 'id' | 'digest' | 'votes'>,
): Window | undefined {
  const minutes = spec.risk === 'critical' ? undefined : windowOf(votes);
  if (minutes === undefined) return undefined;
  return {
    id,
    command: digestOf(binding),
    digest,
    rule: rule.name,
    conversation: caller.conversation,
    votes,
    until: now + minutes * 60_000,
  };
}

function refuseGrant(reason: string, data: NonNullable<Refused['data']>): Refused {
  return { kind: 'refused', of: 'approval', reason, data };
}
