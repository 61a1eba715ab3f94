/**
 * What a person answers on cards and asks for on results, as the server takes it, and its answers in words.
 */
import { call, newEventId } from './api.js';

/** `thread()` is the one that is open; `shout` reads out at once what did not count. */
export function createAnswering({ thread, shout }) {
  return {
    /** `{ok, text}`. What was shown goes with it, so that it is for that and nothing else. */
    async decide(view, { verdict, reason, windowMinutes, all }) {
      const answer = await call('/api/decide', {
        approval: view.approvalId,
        verdict,
        digest: all ?? view.digest,
        ...(all ? { scope: 'all' } : {}),
        ...(windowMinutes ? { windowMinutes } : {}),
        ...(reason ? { reason } : {}),
        thread: thread(),
        id: newEventId(),
      });
      if (!answer.ok) return { ok: false, text: answer.message };
      const { kind, text } = answer.value;
      if (kind !== 'counted') shout(text);
      return { ok: kind === 'counted', text };
    },

    /** `{ok, taken, text}`: not ok means that the server may not have heard it, and the same id is to be sent again. */
    async undo(asked) {
      const answer = await call('/api/undo', { ...asked, thread: thread() });
      if (!answer.ok) return { ok: false, taken: false, text: answer.message };
      const { kind, text } = answer.value;
      const taken = kind === 'accepted' || kind === 'joined';
      if (!taken && text) shout(text);
      return {
        ok: true,
        taken,
        text: text ?? (taken ? 'Asked for; it follows below.' : 'Nothing was asked for.'),
      };
    },
  };
}
