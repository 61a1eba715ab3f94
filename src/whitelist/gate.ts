/**
 * The gate: may exactly this run now, must people be asked first, or not at all. It decides from what it is given
 * and is asked for every command, whoever the client is; a grant is checked from the ground up each time.
 */
import { type ApprovalRequest, approvalDigest, type HostState } from '../core/approval.ts';
import { clientConversation } from '../core/client-request.ts';
import type { Conversation } from '../core/conversation.ts';
import { approvalIdFor } from '../core/ids.ts';
import { digestOf, type JsonObject } from '../core/json.ts';
import type { AskedCommand, Policy } from '../core/policy.ts';
import { decide, inScope, type PolicyDecision } from '../core/policy-decision.ts';
import { bindingOf } from './binding.ts';
import type { FreezeState } from './freeze.ts';
import { checkGrant, checkWindow } from './grant.ts';
import { accountsOf, type Caller } from './identity.ts';
import type { AskedChange, GateCall, GateContext, Judgement, Refused } from './judgement.ts';

export async function judge(context: GateContext, call: GateCall): Promise<Judgement> {
  const { caller, spec, on } = call;
  for (const { host, command } of on) {
    if (!inScope(spec, host))
      return refuse(`${spec.name} may not run on ${host.name}: the catalogue leaves that host out.`);
    const floor = spec.floor ?? command.floor;
    if (floor !== undefined) return refuse(`${spec.name} never runs, whatever is approved: ${floor}`);
  }
  if (spec.risk !== 'read' && context.freeze.frozen) return refuse(frozenText(context.freeze));

  const decision = decideAll(context, call);
  if (decision.kind === 'refuse') {
    const { reason, rule, whoCould, nearest } = decision;
    const refused = refuse(reason, { rule, whoCould, ...(nearest ? { nearest } : {}) });
    return caller.kind === 'unsigned' && spec.risk !== 'read' ? { ...refused, of: 'client' } : refused;
  }
  if (decision.kind === 'allow') return { kind: 'run' };
  if (caller.kind === 'unsigned') return { kind: 'unsigned', rule: decision.rule };

  const asked = { ...call, caller, rule: decision.rule, binding: bindingOf(commandsOf(call), call.keys) };
  if (call.sealed !== undefined) return checkGrant(context, asked, call.sealed);
  const window = await context.windows.find(digestOf(asked.binding), caller.conversation, context.now);
  const cleared = window && checkWindow(context, asked, window);
  return cleared
    ? { kind: 'run', cleared }
    : { kind: 'ask', question: (state) => question(context, asked, state) };
}

/** On every host, by the same approval rule: people are asked one question and answer it once. */
function decideAll(context: GateContext, { caller, spec, on }: GateCall): PolicyDecision {
  const conversation = placeOf(context.policy, caller, spec);
  let all: PolicyDecision | undefined;
  for (const { host } of on) {
    const asked = { command: spec, host, conversation };
    const decision = decide(context.policy, caller.askers, asked, context.catalogue);
    if (decision.kind === 'refuse') return decision;
    if (all?.kind === 'ask' && decision.kind === 'ask' && all.rule.name !== decision.rule.name)
      return {
        kind: 'refuse',
        rule: decision.rule.name,
        reason:
          `The hosts fall under different approval rules (${all.rule.name}, and ${decision.rule.name} for ` +
          `${host.name}): ask for those of each rule by themselves.`,
        whoCould: [],
      };
    all ??= decision;
  }
  return all ?? { kind: 'refuse', rule: 'default-deny', reason: 'No host was named.', whoCould: [] };
}

/** Where it is asked for: what a client asks for is put before people in a place of its own. */
export function placeOf(policy: Policy, caller: Caller, { risk, approval }: AskedCommand) {
  if (caller.kind === 'signed') return caller.conversation;
  const [client] = caller.askers;
  return client && (risk !== 'read' || approval !== undefined)
    ? clientConversation(policy, client.account)
    : undefined;
}

const commandsOf = ({ on }: GateCall) => on.map(({ command }) => command);

function question(
  context: GateContext,
  { caller, spec, on, keys, rule, binding }: AskedChange,
  state: readonly HostState[] | undefined,
): ApprovalRequest {
  const requesters = accountsOf(caller.requests);
  const asked: Omit<ApprovalRequest, 'digest' | 'sealed'> = {
    id: approvalIdFor(caller.callId),
    callId: caller.callId,
    runId: caller.runId,
    subject: {
      command: spec.name,
      description: spec.description,
      line: on[0].command.line,
      targets: on.map(({ host }) => ({
        host: host.name,
        address: host.port === 22 ? host.address : `${host.address}:${host.port}`,
        login: host.user,
        hostKey: keys.get(host.name)?.join(', ') ?? '',
      })),
      risk: spec.risk === 'critical' ? 'critical' : 'change',
      ...(state ? { state } : {}),
    },
    rule: {
      name: rule.name,
      approvers: rule.who,
      people: rule.people,
      ...(rule.each ? { each: rule.each } : {}),
      requesterMay: rule.requesterMay && spec.risk !== 'critical',
    },
    binding: fullBinding(binding, requesters, caller.conversation),
    askedAt: context.now,
    expiresAt: context.now + rule.waitSeconds * 1000,
    ...(rule.reminderSeconds === undefined ? {} : { remindAt: context.now + rule.reminderSeconds * 1000 }),
  };
  const digest = approvalDigest(asked);
  const sealed = context.sealer.seal({
    version: 2,
    approvalId: asked.id,
    callId: asked.callId,
    runId: asked.runId,
    digest,
    bound: binding,
    rule: rule.name,
    requesters,
    conversation: caller.conversation,
    askedAt: asked.askedAt,
    expiresAt: asked.expiresAt,
    ...(state ? { before: state } : {}),
  });
  return { ...asked, digest, sealed };
}

/** With who asked and where: the same command asked for by somebody else is another question. */
function fullBinding(
  bound: JsonObject,
  requesters: readonly string[],
  { platform, channel, thread }: Conversation,
): string {
  return digestOf({ bound, requesters, conversation: { platform, channel, thread } });
}

function frozenText({ by, reason }: FreezeState): string {
  const why = reason ? `: ${reason}` : '';
  return `All changes are stopped by ${by ?? 'somebody'}${why}. Reads go on; opsagent unfreeze or an admin lifts it.`;
}

function refuse(reason: string, data?: JsonObject): Refused {
  return { kind: 'refused', of: 'call', reason, ...(data ? { data } : {}) };
}
