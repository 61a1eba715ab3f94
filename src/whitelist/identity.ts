/**
 * Who asks: the people whose signed requests came with the call, else the fixed account `mcp`.
 * A signature that does not hold is never ignored; it makes the whole call invalid.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { type Conversation, sameConversation, userKey } from '../core/conversation.ts';
import { type CallId, isCallId, type RunId, runIdOf } from '../core/ids.ts';
import { budgetKey, callIdKey, collectKey, requestsKey, votesKey } from '../core/mcp-meta.ts';
import { type Asker, askerOf } from '../core/policy.ts';
import { type SignedRequest, type SignedVote, verifier } from '../core/signed.ts';

/** Who a caller is that brings no signed request. */
export interface Client {
  /** `mcp`, or over HTTP `mcp:NAME` of its token. */
  readonly account: string;
  /** Whose outputs it may read: one connection's, or one token's. */
  readonly owner: string;
}

/** A signed request opens calls of its run for this long. */
const requestMaxAgeMs = 7 * 24 * 3600_000;
const clockSkewMs = 5 * 60_000;

export interface SignedCaller {
  readonly kind: 'signed';
  readonly callId: CallId;
  readonly runId: RunId;
  readonly requests: readonly SignedRequest[];
  readonly askers: readonly Asker[];
  readonly conversation: Conversation;
  /** As they came; the gate checks them. */
  readonly votes: readonly SignedVote[];
  /** Asks only how the call ended. */
  readonly collect: boolean;
  readonly owner: string;
  readonly budget?: number;
}

interface UnsignedCaller {
  readonly kind: 'unsigned';
  readonly askers: readonly Asker[];
  readonly owner: string;
  readonly budget?: number;
}

export type Caller = SignedCaller | UnsignedCaller;

export type Identified = Caller | { readonly kind: 'invalid'; readonly reason: string };

/** Checks a signed statement; undefined while the bot has made no key yet. */
export type Verify = ReturnType<typeof verifier> | undefined;

/** Reads the bot's public key anew each time: the bot may make it after this server has started. */
export function decisionKeyOf(dataDir: string): () => Verify {
  return () => {
    try {
      return verifier(readFileSync(join(dataDir, 'keys', 'decision.pub'), 'utf8'));
    } catch {
      return undefined;
    }
  };
}

/** Whoever votes or gives an order is a person; an MCP client only ever asks. */
export const User = z.strictObject({
  platform: z.enum(['slack', 'discord', 'console']),
  id: z.string().min(1).max(200),
  name: z.string().max(500),
});
export const Place = z.strictObject({
  platform: z.enum(['slack', 'discord', 'console']),
  channel: z.string().max(200),
  thread: z.string().max(200),
});
export const Groups = z.array(z.string().max(200)).max(500);
const RequestForm = z.strictObject({
  statement: z.strictObject({
    kind: z.literal('request'),
    runId: z.string().max(64),
    eventId: z.string().max(500),
    user: User.extend({ platform: z.enum([...User.shape.platform.options, 'mcp']) }),
    groups: Groups,
    conversation: Place,
    at: z.number(),
  }),
  signature: z.string().max(200),
});
const VoteForm = z.strictObject({
  statement: z.strictObject({
    kind: z.literal('vote'),
    runId: z.string().max(64),
    approvalId: z.string().max(64),
    digest: z.string().max(64),
    verdict: z.enum(['approve', 'deny']),
    user: User,
    groups: Groups,
    reason: z.string().max(4000).optional(),
    windowMinutes: z.union([z.literal(15), z.literal(60)]).optional(),
    at: z.number(),
  }),
  signature: z.string().max(200),
});
const Meta = z.object({
  [callIdKey]: z.string().optional(),
  [requestsKey]: z.array(RequestForm).max(50).optional(),
  [votesKey]: z.array(VoteForm).max(50).optional(),
  [collectKey]: z.boolean().optional(),
  [budgetKey]: z.number().min(0).optional(),
});

/** Reads and checks the `_meta` of one call. */
export function identify(meta: unknown, verify: Verify, now: number, client: Client): Identified {
  const parsed = Meta.safeParse(meta ?? {});
  if (!parsed.success) return invalid('The signed request that came with this call is malformed.');
  const callId = parsed.data[callIdKey];
  const requests = (parsed.data[requestsKey] ?? []) as unknown as SignedRequest[];
  const votes = (parsed.data[votesKey] ?? []) as unknown as SignedVote[];

  const budget = parsed.data[budgetKey];
  const limits = budget === undefined ? {} : { budget };

  const [first] = requests;
  if (!first) {
    if (votes.length > 0) return invalid('Votes came without the request they belong to.');
    const { account, owner } = client;
    return { kind: 'unsigned', askers: [{ account, groups: [] }], owner, ...limits };
  }
  if (callId === undefined || !isCallId(callId)) return invalid('A signed call needs a well-formed call id.');
  if (!verify) return invalid('No decision key is known here, so nobody who asks can be told from anybody.');
  if (!requests.every((r) => verify(r)))
    return invalid('The signature of the request does not hold; it was not made by this bot.');
  const runId = runIdOf(callId);
  const { conversation } = first.statement;
  for (const { statement } of requests) {
    if (statement.runId !== runId) return invalid('The signed request belongs to another run.');
    if (!sameConversation(statement.conversation, conversation))
      return invalid('The signed requests come from different conversations.');
    if (statement.at > now + clockSkewMs || statement.at < now - requestMaxAgeMs)
      return invalid('The signed request is too old, or from the future.');
  }
  return {
    kind: 'signed',
    callId,
    runId,
    requests,
    askers: requests.map((r) => askerOf(r.statement.user, r.statement.groups)),
    conversation,
    votes,
    collect: parsed.data[collectKey] === true,
    owner: ownerOf(first),
    ...limits,
  };
}

/** Outputs belong to the conversation, those of what a client asked for to the client. */
function ownerOf({ statement: { user, conversation } }: SignedRequest): string {
  if (user.platform === 'mcp') return clientOwner(userKey(user));
  return `conversation ${JSON.stringify([conversation.platform, conversation.channel, conversation.thread])}`;
}

/** Of everything that this account had approved, whichever connection asked. */
export function clientOwner(account: string): string {
  return `token ${account}`;
}

/** The accounts of those who ask, without repeats, sorted. */
export function accountsOf(requests: readonly SignedRequest[]): readonly string[] {
  return [...new Set(requests.map((r) => userKey(r.statement.user)))].sort();
}

function invalid(reason: string): Identified {
  return { kind: 'invalid', reason };
}
