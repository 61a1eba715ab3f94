/**
 * Orders that the bot signed: stop all changes, let them go on, end a thread's windows. They only take away, or give
 * back what an order took; who may give one is read from the policy as it is now.
 */
import { z } from 'zod';
import { conversationKey, userKey } from '../core/conversation.ts';
import type { AuditKind } from '../core/event.ts';
import type { JsonObject } from '../core/json.ts';
import { orderKey } from '../core/mcp-meta.ts';
import { askerOf, isAdmin, mayTalk, type Policy } from '../core/policy.ts';
import type { AuditLog, Clock } from '../core/ports.ts';
import type { SignedOrder } from '../core/signed.ts';
import type { Freeze } from './freeze.ts';
import { Groups, Place, User, type Verify } from './identity.ts';
import type { Windows } from './windows.ts';

export interface OrdersDeps {
  readonly policy: () => Policy | Promise<Policy>;
  readonly verify: () => Verify;
  readonly freeze: Freeze;
  readonly windows: Windows;
  readonly audit: AuditLog;
  readonly clock: Clock;
}

export interface Obeyed {
  readonly ok: boolean;
  /** For people. */
  readonly text: string;
}

export interface Orders {
  /** Undefined when this call carries no order. */
  obey(meta: unknown): Promise<Obeyed> | undefined;
}

const stopped =
  'All changes are stopped: none begins, and those that run are being ended. Reads go on. An admin lifts it with "unfreeze".';
const thawed = 'Changes may be asked for again. What was asked for before stays stopped: ask for it anew.';

const notRemoved = 'Some files of windows could not be removed from the data directory.';

/** An order is given now or not at all: one that comes later is a repetition of somebody else. */
const freshMs = 5 * 60_000;

const OrderForm = z.strictObject({
  statement: z.strictObject({
    kind: z.literal('order'),
    order: z.enum(['freeze', 'unfreeze', 'revoke']),
    user: User,
    groups: Groups,
    conversation: Place,
    reason: z.string().max(1000).optional(),
    at: z.number(),
  }),
  signature: z.string().max(200),
});

export function createOrders(deps: OrdersDeps): Orders {
  const { audit, clock, freeze, windows } = deps;

  async function obey(signed: SignedOrder): Promise<Obeyed> {
    const { statement } = signed;
    const { order, user, groups, conversation, reason, at } = statement;
    const who = userKey(user);
    const refuse = async (text: string): Promise<Obeyed> => {
      await audit.record({ kind: 'call.refused', who, data: { order, reason: text } });
      return { ok: false, text };
    };
    const policy = await deps.policy();
    const asker = askerOf(user, groups);
    if (!deps.verify()?.(signed)) return refuse('The signature of this order does not hold.');
    if (Math.abs(clock.now() - at) > freshMs) return refuse('This order is too old, or from the future.');
    const may = order === 'revoke' ? mayTalk(policy, asker, conversation) : isAdmin(policy, asker);
    if (!may) return refuse(`Only those whom policy.yaml names under admins may ${order}.`);

    // An order that takes away is obeyed also where it cannot be written down; the answer then says so.
    const obeyed = async (text: string, kind: AuditKind, data: JsonObject): Promise<Obeyed> => {
      const event = { kind, who, data: { in: conversationKey(conversation), ...data } };
      const written = await audit.record(event).then(
        () => true,
        () => false,
      );
      return { ok: true, text: written ? text : `${text} The audit log cannot be written.` };
    };
    if (order === 'revoke') {
      const { ended, left } = await windows.revoke(conversation);
      const text = ended === 0 ? 'No window is open here.' : `Ended: ${ended} open here.`;
      if (!left) return obeyed(text, 'window.revoked', { ended });
      const { text: told } = await obeyed(`Ended: ${ended}. ${notRemoved}`, 'window.revoked', {
        ended,
        left,
      });
      return { ok: false, text: `${told} They may still hold; "freeze" ends them all.` };
    }
    const state = await freeze.obey({
      frozen: order === 'freeze',
      by: user.name,
      at,
      now: clock.now(),
      ...(reason ? { reason } : {}),
    });
    if (!state) return refuse('A newer order was given already.');
    if (order === 'unfreeze') return obeyed(thawed, 'changes.thawed', {});
    const { ended, left } = await windows.revoke(undefined);
    return obeyed(
      left ? `${stopped} ${notRemoved} They hold no longer all the same.` : stopped,
      'changes.frozen',
      {
        ...(reason ? { reason } : {}),
        windows: ended,
        ...(left ? { left } : {}),
      },
    );
  }

  return {
    obey(meta) {
      const given = (meta as Readonly<Record<string, unknown>> | undefined)?.[orderKey];
      if (given === undefined) return undefined;
      const form = OrderForm.safeParse(given);
      return form.success
        ? obey(form.data as SignedOrder)
        : Promise.resolve({ ok: false, text: 'This order is malformed.' });
    },
  };
}
