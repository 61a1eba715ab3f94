/**
 * The gate: may exactly this run now, must people be asked first, or not at all. Pure; it is asked for every
 * command, whoever the client is, and checks a grant from the ground up each time.
 */
import type { ApprovalRequest } from '../core/approval.ts';
import type { CommandSpec, Host, RenderedCommand } from '../core/command.ts';
import type { Conversation } from '../core/conversation.ts';
import { userKey } from '../core/conversation.ts';
import { approvalIdFor } from '../core/ids.ts';
import { digestOf, type Json, type JsonObject } from '../core/json.ts';
import { type ApproveRule, type Asker, askerOf, type Policy, personOf } from '../core/policy.ts';
import { decide, inScope } from '../core/policy-decision.ts';
import { mayVote, placesFilled, stillNeeded } from '../core/policy-votes.ts';
import { accountsOf, type Caller, type SignedCaller, type Verify } from './identity.ts';
import { changedParts, hostKeyText } from './render.ts';
import type { SealedState, Sealer } from './seal.ts';

export interface GateContext {
  /** As it is now, not as it was when people were asked. */
  readonly policy: Policy;
  /** Where the nearest allowed command is looked for when this one is refused. */
  readonly catalogue?: readonly CommandSpec[];
  readonly verify: Verify;
  readonly sealer: Sealer;
  readonly now: number;
}

export interface GateCall {
  readonly caller: Caller;
  readonly spec: CommandSpec;
  readonly host: Host;
  readonly command: RenderedCommand;
  /** The sealed state, when the caller comes back with people's answer. */
  readonly sealed?: string;
}

/** Who allowed it, for the audit. */
export interface Cleared {
  readonly rule: string;
  readonly digest: string;
  readonly approvers: readonly string[];
}

export type Judgement =
  | { readonly kind: 'run'; readonly cleared?: Cleared }
  | { readonly kind: 'ask'; readonly request: ApprovalRequest }
  /** Sensitive, and nobody known asks: there is no one to put the question to. */
  | { readonly kind: 'unsigned' }
  | {
      readonly kind: 'refused';
      readonly of: 'call' | 'approval';
      readonly reason: string;
      readonly data?: JsonObject;
    };

export function judge(context: GateContext, call: GateCall): Judgement {
  const { caller, spec, host } = call;
  if (caller.kind === 'unsigned' && spec.risk !== 'read') return { kind: 'unsigned' };
  if (!inScope(spec, host))
    return refuse(`${spec.name} may not run on ${host.name}: the catalogue leaves that host out.`);

  const floor = spec.floor ?? call.command.floor;
  if (floor !== undefined) return refuse(`${spec.name} never runs, whatever is approved: ${floor}`);

  const conversation = caller.kind === 'signed' ? caller.conversation : undefined;
  const asked = { command: spec, host, conversation };
  const decision = decide(context.policy, caller.askers, asked, context.catalogue);
  if (decision.kind === 'refuse') {
    const { reason, rule, whoCould, nearest } = decision;
    return refuse(reason, { rule, whoCould, ...(nearest ? { nearest } : {}) });
  }
  if (decision.kind === 'allow') return { kind: 'run' };
  if (caller.kind === 'unsigned') return { kind: 'unsigned' };
  return call.sealed === undefined
    ? { kind: 'ask', request: question(context, call, caller, decision.rule) }
    : checkGrant(context, call, caller, decision.rule, call.sealed);
}

function question(
  context: GateContext,
  call: GateCall,
  caller: SignedCaller,
  rule: ApproveRule,
): ApprovalRequest {
  const { spec, host, command } = call;
  const unsealed: Omit<SealedState, 'digest'> = {
    version: 1,
    approvalId: approvalIdFor(caller.callId),
    callId: caller.callId,
    runId: caller.runId,
    bound: command.bound,
    rule: rule.name,
    requesters: accountsOf(caller.requests),
    conversation: caller.conversation,
    askedAt: context.now,
    expiresAt: context.now + rule.waitSeconds * 1000,
  };
  const digest = approvalDigest(unsealed, command.bound);
  return {
    id: unsealed.approvalId,
    callId: caller.callId,
    runId: caller.runId,
    subject: {
      command: spec.name,
      description: spec.description,
      line: command.line,
      host: host.name,
      address: host.port === 22 ? host.address : `${host.address}:${host.port}`,
      login: host.user,
      hostKey: hostKeyText(host.hostKey),
      risk: spec.risk === 'critical' ? 'critical' : 'change',
    },
    rule: { name: rule.name, approvers: rule.who, people: rule.people, requesterMay: rule.requesterMay },
    digest,
    sealed: context.sealer.seal({ ...unsealed, digest }),
    askedAt: unsealed.askedAt,
    expiresAt: unsealed.expiresAt,
  };
}

/** What people approve: what will run and where, for whom, in which conversation, until when. */
function approvalDigest(state: Omit<SealedState, 'digest' | 'bound'>, bound: JsonObject): string {
  return digestOf({
    version: 1,
    bound,
    approvalId: state.approvalId,
    callId: state.callId,
    runId: state.runId,
    requesters: state.requesters,
    conversation: conversationJson(state.conversation),
    expiresAt: state.expiresAt,
  });
}

function conversationJson(c: Conversation): Json {
  return { platform: c.platform, channel: c.channel, thread: c.thread };
}

function checkGrant(
  context: GateContext,
  call: GateCall,
  caller: SignedCaller,
  rule: ApproveRule,
  sealed: string,
): Judgement {
  const state = context.sealer.open(sealed);
  if (!state) return refuseGrant('The approval that came with this call was not made here.');
  const digest = approvalDigest(state, call.command.bound);
  const data = { approvalId: state.approvalId, approved: state.digest, now: digest };
  const no = (reason: string) => refuseGrant(reason, data);

  if (state.callId !== caller.callId || state.runId !== caller.runId)
    return no('The approval belongs to another call.');
  if (context.now >= state.expiresAt) return no('The approval has expired; ask again.');
  const changed = changedParts(state.bound, call.command.bound);
  if (changed.length > 0)
    return no(`The approval does not match: ${changed.join(' and ')} changed since it was approved.`);
  if (digest !== state.digest) return no('The approval does not match what would run.');
  if (rule.name !== state.rule)
    return no(
      `The approval does not match: policy.yaml now asks for the rule ${rule.name}, not ${state.rule}.`,
    );

  // Whoever joined the conversation after the question has not asked for this; all others must still be here.
  const asked = accountsOf(caller.requests.filter((r) => r.statement.at <= state.askedAt));
  const missing = state.requesters.find((account) => !asked.includes(account));
  if (missing) return no(`The signed request of ${missing}, who asked for this, is missing.`);
  return checkVotes(context, call, caller, rule, state, [...new Set([...state.requesters, ...asked])], no);
}

function checkVotes(
  context: GateContext,
  call: GateCall,
  caller: SignedCaller,
  rule: ApproveRule,
  state: SealedState,
  requesters: readonly string[],
  no: (reason: string) => Judgement,
): Judgement {
  const voters: Asker[] = [];
  for (const signed of caller.votes) {
    const { statement } = signed;
    const name = userKey(statement.user);
    if (!context.verify?.(signed)) return no(`The signature of the vote of ${name} does not hold.`);
    if (statement.approvalId !== state.approvalId || statement.runId !== state.runId)
      return no(`The vote of ${name} was given for another approval.`);
    if (statement.digest !== state.digest) return no(`The vote of ${name} was given for something else.`);
    if (statement.at >= state.expiresAt)
      return no(`The vote of ${name} came after the approval had expired.`);
    if (statement.verdict === 'deny') return no(`${name} denied it.`);
    const voter = askerOf(statement.user, statement.groups);
    const may = mayVote(context.policy, rule.name, voter, requesters, call.spec.risk === 'critical');
    if (!may.ok) return no(`The vote of ${name} does not count: ${may.reason}`);
    voters.push(voter);
  }
  const people = new Set(voters.map((v) => personOf(context.policy, v.account)));
  if (people.size < rule.people || people.size === 0)
    return no(`It needs the approval of ${rule.people} people and has that of ${people.size}.`);
  if (placesFilled(context.policy, rule, voters) < rule.people)
    return no(`It still needs the approval of ${stillNeeded(context.policy, rule, voters)}.`);
  return {
    kind: 'run',
    cleared: { rule: rule.name, digest: state.digest, approvers: voters.map((v) => v.account) },
  };
}

function refuse(reason: string, data?: JsonObject): Judgement {
  return { kind: 'refused', of: 'call', reason, ...(data ? { data } : {}) };
}

function refuseGrant(reason: string, data?: JsonObject): Judgement {
  return { kind: 'refused', of: 'approval', reason, ...(data ? { data } : {}) };
}
