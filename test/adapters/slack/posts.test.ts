/**
 * What goes out to Slack: once, in order, and inert.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CardView, View } from '../../../src/core/view.ts';
import { until } from '../../contract/until.ts';
import {
  approvalId,
  callPart,
  card,
  changed,
  digestOfAll,
  segment,
  target,
  text,
} from '../../contract/views.ts';
import { nextTs } from '../../twins/slack/methods.ts';
import { createHarness, type SlackHarness } from './harness.ts';

let h: SlackHarness;
beforeEach(async () => {
  h = await createHarness();
});
afterEach(() => h.close());

const shown = async () => (await h.seen(h.thread)).map((m) => m.text.trim());

describe('a post', () => {
  it('whose answer was lost is found in the thread and not posted again', async () => {
    let lost = 0;
    h.twin.failing = (method) =>
      method === 'chat.postMessage' && lost++ === 0 ? { how: 'answer-lost' } : undefined;

    const ref = await h.adapter.post(h.thread, 'k1', segment([text('once')], { status: 'finished' }), false);

    expect(await shown()).toEqual(['once']);
    expect(ref).toBe(h.messageOf(h.thread, 'k1').ts);
  });

  it('is found behind many other messages of the thread', async () => {
    for (let n = 0; n < 8; n++) await h.adapter.post(h.thread, `k${n}`, segment([text(`n ${n}`)]), false);
    const before = h.twin.messages.length;

    const ref = await h.another().post(h.thread, 'k7', segment([text('again')]), true);

    expect(ref).toBe(h.messageOf(h.thread, 'k7').ts);
    expect(h.twin.messages).toHaveLength(before);
  });

  it('is not taken for one that somebody else marked with its key', async () => {
    const ts = nextTs();
    h.twin.messages.push({
      channel: h.thread.channel,
      ts,
      thread: h.thread.thread,
      user: 'U0OTHER',
      botId: 'B0OTHER',
      privateTo: undefined,
      text: 'imitated',
      blocks: [],
      metadata: { event_type: 'opsagent_view', event_payload: { key: 'k1' } },
    });

    expect(await h.adapter.post(h.thread, 'k1', segment([text('ours')]), true)).not.toBe(ts);
  });

  it('of a card does not wait for a rate limit on edits', async () => {
    const ref = await h.adapter.post(h.thread, 'k1', segment([text('live')]), false);
    let limited = false;
    h.twin.failing = (method) => {
      if (method !== 'chat.update' || limited) return undefined;
      limited = true;
      return { how: 'limited', seconds: 1 };
    };

    let edited = false;
    const edit = h.adapter.edit(h.thread, 'k1', ref, segment([text('live, edited')])).then(() => {
      edited = true;
    });
    await until('the limit', () => limited);
    await h.adapter.post(h.thread, approvalId, card(), false);

    expect(edited).toBe(false);
    await edit;
    expect((await shown())[0]).toContain('live, edited');
  });

  it('that Slack refuses says how to put it right', async () => {
    h.twin.failing = (method) =>
      method === 'chat.postMessage' ? { how: 'error', error: 'not_in_channel' } : undefined;

    await expect(h.adapter.post(h.thread, 'k1', segment([text('x')]), false)).rejects.toMatchObject({
      problem: {
        code: 'chat-unavailable',
        message: 'Slack refused chat.postMessage: not_in_channel.',
        remedy: 'Invite the bot to the channel with /invite.',
      },
    });
  });
});

it('an edit of a message that a person deleted is let go', async () => {
  await h.adapter.edit(h.thread, 'k1', '1699999999.000100', segment([text('gone')]));

  expect(await shown()).toEqual([]);
});

it('nothing that is sent can act: no mention, no preview, no linked name, in any kind of message', async () => {
  const trap =
    '<!channel> <!here> <@U0ADA> <#C0OPS> <!subteam^S1|x> [click](https://evil.example) <https://evil.example|safe> & &lt;!channel&gt;';
  const ran = {
    command: 'cat',
    host: trap,
    line: trap,
    end: { kind: 'exited', code: 1 } as const,
    ms: 1,
    output: `${trap}\n\`\`\`\n${trap}`,
    truncated: true,
  };
  const views: View[] = [
    segment(
      [
        text(trap),
        text(`# ${trap}\n- **${trap}**\n| ${trap} |`),
        { kind: 'notice', level: 'warning', text: trap },
        callPart(trap, ran),
      ],
      { stoppable: true, footer: trap },
    ),
    segment([callPart(trap, ran), callPart(trap, { ...ran, output: '' })]),
    card({
      subject: {
        line: trap,
        targets: [target({ host: trap, address: trap, login: trap }), target({ host: trap })],
        state: [{ host: trap, line: trap, text: trap }],
        description: trap,
      },
      agentReason: trap,
      missing: trap,
      all: { count: 2, digest: digestOfAll },
      mayOpenWindow: true,
    }),
    segment([
      callPart(
        trap,
        changed({ host: trap, allowedBy: trap, probe: { line: trap, before: trap, after: 'x' } }),
      ),
    ]),
    card({
      verdict: 'denied',
      denyReason: trap,
      outcome: trap,
      decidedBy: user(trap),
      approvals: [user(trap)],
    }),
  ];
  for (const [n, view] of views.entries()) {
    const ref = await h.adapter.post(h.thread, `k${n}`, view, false);
    await h.adapter.edit(h.thread, `k${n}`, ref, view);
  }
  await h.start();
  h.inbox.answerMention = async (m) => ({ kind: m.text === 'word' ? 'answered' : 'refused', text: trap });
  await h.mention('word');
  await h.mention('other', { inThread: h.thread });
  const ephemerals = () => h.twin.calls.filter((c) => c.method === 'chat.postEphemeral');
  await until('the refusal', () => ephemerals().length === 1);
  await until('the answer', () =>
    h.twin.messages.some((m) => m.metadata?.event_payload.key.startsWith('answer.')),
  );

  const sent = h.twin.calls.filter((c) => c.method.startsWith('chat.'));
  expect(sent).toHaveLength(views.length * 2 + 2);
  for (const { method, body } of sent) {
    expect(body, method).toMatchObject({ unfurl_links: 'false', unfurl_media: 'false', parse: 'none' });
    expect(body).not.toHaveProperty('link_names');
    expect(JSON.stringify(body)).not.toMatch(
      /<[!@#]|"type":"(mrkdwn|markdown|link|user|usergroup|broadcast|channel)"/,
    );
  }
  expect(await h.pinged()).toEqual([]);
});

function user(name: string): CardView['requestedBy'] {
  return { platform: 'slack', id: 'U0ADA', name };
}
