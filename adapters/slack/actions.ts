/**
 * The names under which our buttons and the form for a Deny come back, and how a button is made.
 */
import type { Button, Confirm, ModalView } from '@slack/types';
import type { ApprovalId, CallId } from '../../src/core/ids.ts';

export const actions = {
  approve: 'opsagent_approve',
  approveAll: 'opsagent_approve_all',
  approve15: 'opsagent_approve_15',
  approve60: 'opsagent_approve_60',
  deny: 'opsagent_deny',
  stop: 'opsagent_stop',
} as const;

/** A message may offer several; no two buttons of it may have the same name. */
export const undoAction = (n: number) => `opsagent_undo_${n}`;
export const isUndo = (actionId: string) => /^opsagent_undo_\d{1,2}$/.test(actionId);

/** What a button of a card sends back: which approval, and what the card showed of it. */
export const cardValue = (id: ApprovalId, digest: string) => `${id}:${digest}`;
/** What an Undo button sends back: which call, and on which host. */
export const undoValue = (id: CallId, host: string) => `${id}:${host}`;

/** Such a value in its two halves; the second is empty where there is none. */
export function halvesOf(value: string): readonly [string, string] {
  const at = value.indexOf(':');
  return at < 0 ? [value, ''] : [value.slice(0, at), value.slice(at + 1)];
}

export const denyForm = 'opsagent_deny_form';
export const reasonField = { block: 'reason', action: 'text' } as const;

export function button(actionId: string, label: string, value: string, style?: 'primary' | 'danger'): Button {
  return {
    type: 'button',
    action_id: actionId,
    text: { type: 'plain_text', text: label },
    value,
    ...(style ? { style } : {}),
  };
}

/** Asked before the press counts. */
export function confirm(title: string, text: string, yes: string): Confirm {
  const plain = (words: string) => ({ type: 'plain_text' as const, text: words });
  return { title: plain(title), text: plain(text), confirm: plain(yes), deny: plain('Cancel') };
}

/** The form that asks why; `origin` comes back with it and says which card it was opened from. */
export function denyModal(origin: string): ModalView {
  return {
    type: 'modal',
    callback_id: denyForm,
    private_metadata: origin,
    title: { type: 'plain_text', text: 'Deny' },
    submit: { type: 'plain_text', text: 'Deny' },
    close: { type: 'plain_text', text: 'Cancel' },
    blocks: [
      {
        type: 'input',
        block_id: reasonField.block,
        optional: true,
        label: { type: 'plain_text', text: 'Reason, for the person and the agent to read' },
        element: {
          type: 'plain_text_input',
          action_id: reasonField.action,
          multiline: true,
          max_length: 500,
        },
      },
    ],
  };
}
