/**
 * Branded identifiers, and how they are made from the facts that name them.
 */
import { digestOf } from './json.ts';

declare const brand: unique symbol;
type Id<Name extends string> = string & { readonly [brand]: Name };

/** One request and all that follows from it. `r` + 20 hex digits. */
export type RunId = Id<'run'>;
/** One tool call of a run: `<run>-<n>`, stable over restarts, so that the gate can tell a repeat. */
export type CallId = Id<'call'>;
/** One approval: `<call>-a`. A call is asked for once. */
export type ApprovalId = Id<'approval'>;

/** The run that a platform event names: the same event always names the same run. */
export function runIdFor(platform: string, eventId: string): RunId {
  return `r${digestOf([platform, eventId]).slice(0, 20)}` as RunId;
}

/** The n-th tool call of a run, counted from 0 over all its turns. */
export function callIdFor(run: RunId, n: number): CallId {
  return `${run}-${n}` as CallId;
}

export function approvalIdFor(call: CallId): ApprovalId {
  return `${call}-a` as ApprovalId;
}

const runIdText = /^r[0-9a-f]{20}$/;
const callIdText = /^r[0-9a-f]{20}-\d{1,4}$/;

export function isRunId(text: string): text is RunId {
  return runIdText.test(text);
}

export function isCallId(text: string): text is CallId {
  return callIdText.test(text);
}

export function isApprovalId(text: string): text is ApprovalId {
  return text.endsWith('-a') && isCallId(text.slice(0, -2));
}

/** The run an approval or a call belongs to. */
export function runIdOf(id: CallId | ApprovalId): RunId {
  return id.slice(0, 21) as RunId;
}
