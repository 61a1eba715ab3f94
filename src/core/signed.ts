/**
 * Statements that the bot signs with its decision key: who asked, and who decided what.
 * Ed25519 over the statement's canonical JSON; worker, model and Redis can carry one but never make one.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import type { Conversation, User, WindowMinutes } from './conversation.ts';
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
  /** Approves the same command on the same hosts in the same thread for so long; never for a critical one. */
  readonly windowMinutes?: WindowMinutes;
  readonly at: number;
}

/** An admin's or a person's order to the whitelist server that only takes something away or gives it back. */
export interface OrderStatement {
  readonly kind: 'order';
  /** `freeze` stops all changes, `unfreeze` lets new ones be asked for, `revoke` ends a thread's windows. */
  readonly order: 'freeze' | 'unfreeze' | 'revoke';
  readonly user: User;
  readonly groups: readonly string[];
  readonly conversation: Conversation;
  readonly reason?: string;
  readonly at: number;
}

export interface Signed<Said> {
  readonly statement: Said;
  /** base64 */
  readonly signature: string;
}

export type SignedRequest = Signed<RequestStatement>;
export type SignedVote = Signed<VoteStatement>;
export type SignedOrder = Signed<OrderStatement>;

type Statement = RequestStatement | VoteStatement | OrderStatement;

const bytesOf = (statement: Statement) =>
  Buffer.from(`opsagent/1 ${canonical(statement as unknown as Json)}`);

/** Signs with an Ed25519 private key in PEM. */
export function signer(privatePem: string): <S extends Statement>(s: S) => Signed<S> {
  const key = createPrivateKey(privatePem);
  return (statement) => ({ statement, signature: sign(null, bytesOf(statement), key).toString('base64') });
}

/** Checks against an Ed25519 public key in PEM. False for anything malformed. */
export function verifier(publicPem: string): (s: Signed<Statement>) => boolean {
  const key: KeyObject = createPublicKey(publicPem);
  return ({ statement, signature }) => {
    try {
      return verify(null, bytesOf(statement), key, Buffer.from(signature, 'base64'));
    } catch {
      return false;
    }
  };
}
