/**
 * Signed requests and votes as the bot makes them, with a key pair of the test's own.
 */
import { generateKeyPairSync } from 'node:crypto';
import type { Conversation, User } from '../../src/core/conversation.ts';
import { type RunId, runIdFor } from '../../src/core/ids.ts';
import { newRun, type Run } from '../../src/core/run.ts';
import { type SignedRequest, signer } from '../../src/core/signed.ts';

const pair = generateKeyPairSync('ed25519');
export const testKeys = {
  privatePem: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  publicPem: pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
};
export const testSign = signer(testKeys.privatePem);

export const owner: User = { platform: 'console', id: 'owner', name: 'owner' };
export const thread: Conversation = { platform: 'console', channel: 'console', thread: 't1' };

export function signedRequest(
  eventId: string,
  over: {
    runId?: RunId;
    user?: User;
    conversation?: Conversation;
    at?: number;
    groups?: readonly string[];
  } = {},
): SignedRequest {
  const conversation = over.conversation ?? thread;
  return testSign({
    kind: 'request',
    runId: over.runId ?? runIdFor(conversation.platform, eventId),
    eventId,
    user: over.user ?? owner,
    groups: over.groups ?? [],
    conversation,
    at: over.at ?? 1_000,
  });
}

export function testRun(
  eventId: string,
  text = 'how much disk?',
  over: Parameters<typeof signedRequest>[1] = {},
): Run {
  const request = signedRequest(eventId, over);
  return newRun({ id: request.statement.runId, request, text, ownThread: true });
}
