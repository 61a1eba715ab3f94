/**
 * The names under which our buttons and the form for a Deny come back, and how a button is made.
 */
import type { Button, ModalView } from '@slack/types';

export const actions = {
  approve: 'opsagent_approve',
  deny: 'opsagent_deny',
  stop: 'opsagent_stop',
} as const;

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
