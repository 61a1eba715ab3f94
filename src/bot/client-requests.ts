/**
 * What an MCP client asked for, made into a run like anybody's request: looked up in the policy, audited, signed, and
 * from then on decided by people on its card. The client is only ever who asks.
 */
import {
  type ClientRequest,
  type ClientRequestState,
  clientConversation,
  clientRequestState,
  clientUser,
  runOfClientRequest,
} from '../core/client-request.ts';
import { conversationKey, type User, userKey } from '../core/conversation.ts';
import type { RunId } from '../core/ids.ts';
import { askerOf, mayTalk, type Policy } from '../core/policy.ts';
import type { AuditLog, Clock, RunQueue, RunStore } from '../core/ports.ts';
import { newRun } from '../core/run.ts';
import type { RequestStatement, SignedRequest } from '../core/signed.ts';

export interface ClientRequestParts {
  readonly store: RunStore;
  readonly queue: RunQueue;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly policy: () => Policy;
  readonly sign: (statement: RequestStatement) => SignedRequest;
}

/**
 * Takes a kept request in, once however often it is called, and tells how it stands. Throws OpsError where store or
 * audit log cannot be written: then it is looked at again.
 */
export async function takeClientRequest(
  parts: ClientRequestParts,
  request: ClientRequest,
): Promise<ClientRequestState> {
  const { store, clock } = parts;
  const runId = runOfClientRequest(request.id);
  const run = await store.load(runId);
  if (run) return clientRequestState(run);
  if (request.expiresAt <= clock.now())
    return { kind: 'refused', by: 'expired', reason: 'Nobody decided in time; it was not run.' };
  const user = clientUser(request.account);
  const refusal = await refused(parts, request, user);
  return refusal ?? take(parts, request, runId, user);
}

/** The whitelist server has asked its policy; here it is ours, at this moment. */
async function refused(
  { audit, policy }: ClientRequestParts,
  { id, account }: ClientRequest,
  user: User,
): Promise<ClientRequestState | undefined> {
  const conversation = clientConversation(policy(), account);
  if (mayTalk(policy(), askerOf(user, []), conversation)) return undefined;
  const data = { in: conversationKey(conversation), request: id };
  await audit.record({ kind: 'request.refused', who: userKey(user), data });
  return { kind: 'refused', by: 'policy', reason: `policy.yaml lets ${account} ask for nothing.` };
}

async function take(
  { store, queue, audit, policy, sign }: ClientRequestParts,
  request: ClientRequest,
  runId: RunId,
  user: User,
): Promise<ClientRequestState> {
  const { id, account, command, params, hosts, reason, askedAt: at } = request;
  const conversation = clientConversation(policy(), account);
  const data = { in: conversationKey(conversation), command, request: id };
  await audit.record({ kind: 'request.accepted', runId, who: userKey(user), data });
  const values = Object.entries(params).map(([name, value]) => `${name}=${value}`);
  const run = newRun({
    id: runId,
    request: sign({ kind: 'request', runId, eventId: id, user, groups: [], conversation, at }),
    text: [command, ...values, 'on', hosts].join(' '),
    ownThread: false,
    direct: { command, params, host: hosts, ...(reason ? { reason } : {}) },
  });
  await store.create(run);
  await queue.advance(runId);
  await queue.nudge(runId);
  return clientRequestState(run);
}
