/**
 * What our buttons carry: `ops:`, what a press asks for, the id it is about, and for a card the digest of what it
 * showed. Discord takes at most 100 characters; the longest here is an Undo on a host of 63.
 */
import { type APIButtonComponentWithCustomId, ButtonStyle, ComponentType } from 'discord.js';
import type { Decision } from '../../src/core/conversation.ts';
import {
  type ApprovalId,
  type CallId,
  isApprovalId,
  isCallId,
  isRunId,
  type RunId,
} from '../../src/core/ids.ts';

/** What a person decided. The digest is what the button carried, whatever that was: the inbox judges it. */
export type Choice = Pick<
  Decision,
  'approvalId' | 'verdict' | 'digest' | 'scope' | 'windowMinutes' | 'reason'
>;

export type Button =
  | { readonly action: 'decide'; readonly choice: Choice }
  /** Deny: a form asks for the reason first. */
  | { readonly action: 'ask-why'; readonly choice: Choice }
  | { readonly action: 'stop'; readonly runId: RunId }
  | { readonly action: 'undo'; readonly callId: CallId; readonly host: string };

type CardAction = 'approve' | 'deny' | 'all' | 'approve-15' | 'approve-60';

const choices: Readonly<Record<CardAction, Pick<Choice, 'verdict' | 'scope' | 'windowMinutes'>>> = {
  approve: { verdict: 'approve' },
  deny: { verdict: 'deny' },
  all: { verdict: 'approve', scope: 'all' },
  'approve-15': { verdict: 'approve', windowMinutes: 15 },
  'approve-60': { verdict: 'approve', windowMinutes: 60 },
};

export const cardButtonId = (action: CardAction, id: ApprovalId, digest: string) =>
  `ops:${action}:${id}:${digest}`;
export const undoButtonId = (id: CallId, host: string) => `ops:undo:${id}:${host}`;

/** A custom id read back; undefined for one that is not of ours. */
export function readButton(customId: string): Button | undefined {
  const [ours, action = '', id = '', ...more] = customId.split(':');
  const rest = more.join(':');
  if (ours !== 'ops') return undefined;
  if (action === 'stop') return isRunId(id) && rest === '' ? { action, runId: id } : undefined;
  if (action === 'undo') return isCallId(id) && rest !== '' ? { action, callId: id, host: rest } : undefined;
  if (!Object.hasOwn(choices, action) || !isApprovalId(id)) return undefined;
  const choice: Choice = { approvalId: id, digest: rest, ...choices[action as CardAction] };
  return { action: choice.verdict === 'deny' ? 'ask-why' : 'decide', choice };
}

export function button(
  label: string,
  style: APIButtonComponentWithCustomId['style'],
  id: string,
): APIButtonComponentWithCustomId {
  return { type: ComponentType.Button, style, label, custom_id: id };
}

export function stopButton(id: RunId): APIButtonComponentWithCustomId {
  return button('Stop', ButtonStyle.Secondary, `ops:stop:${id}`);
}

export function row(...components: APIButtonComponentWithCustomId[]) {
  return { type: ComponentType.ActionRow as const, components };
}
