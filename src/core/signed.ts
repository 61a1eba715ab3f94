/**
 * Statements that the bot signs with its decision key: who asked, and who decided what.
 * Ed25519 over the statement's canonical JSON; worker, model and Redis can carry one but never make one.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import type { Conversation, User } from './conversation.ts';
import type { ApprovalId, RunId } from './ids.ts';
import { canonical, type Json } from './json.ts';

/** Who asked for a run, as the bot saw it when the event came in. Times are ms since the epoch. */
export interface RequestStatement {
  readonly kind: 'request';
  readonly runId: RunId;
  readonly eventId: string;
  readonly user: User;
  readonly groups: readonly string[];
  readonly conversation: Conversation;
  readonly at: number;
}

/** One person's verdict on one approval, bound to what was shown by its digest. */
export interface VoteStatement {
  readonly kind: 'vote';
  readonly runId: RunId;
  readonly approvalId: ApprovalId;
  readonly digest: string;
  readonly verdict: 'approve' | 'deny';
  readonly user: User;
  readonly groups: readonly string[];
  readonly reason?: string;
  readonly at: number;
}

export interface Signed<Statement> {
  readonly statement: Statement;
  /** base64 */
  readonly signature: string;
}

export type SignedRequest = Signed<RequestStatement>;
export type SignedVote = Signed<VoteStatement>;

const bytesOf = (statement: RequestStatement | VoteStatement) =>
  Buffer.from(`opsagent/1 ${canonical(statement as unknown as Json)}`);

/** Signs with an Ed25519 private key in PEM. */
export function signer(privatePem: string): <S extends RequestStatement | VoteStatement>(s: S) => Signed<S> {
  const key = createPrivateKey(privatePem);
  return (statement) => ({ statement, signature: sign(null, bytesOf(statement), key).toString('base64') });
}

/** Checks against an Ed25519 public key in PEM. False for anything malformed. */
export function verifier(publicPem: string): (s: SignedRequest | SignedVote) => boolean {
  const key: KeyObject = createPublicKey(publicPem);
  return ({ statement, signature }) => {
    try {
      return verify(null, bytesOf(statement), key, Buffer.from(signature, 'base64'));
    } catch {
      return false;
    }
  };
}
