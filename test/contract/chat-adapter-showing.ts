/**
 * The cases of the chat adapter suite about what an adapter shows: once per key, in order, cut, harmless.
 */
import { expect } from 'vitest';
import { OpsError } from '../../src/core/errors.ts';
import type { AdapterHarness, SeenMessage } from './chat-adapter.ts';
import { approvalId, callPart, card, changed, segment, target, text } from './views.ts';

export const showingCases = {
  'an edit replaces what was posted': async (h) => {
    await h.start();
    const ref = await h.adapter.post(h.thread, 'k1', segment([text('first words')]), false);
    await h.adapter.edit(h.thread, 'k1', ref, segment([text('second words')]));

    expect(await shown(h, 'first words')).toHaveLength(0);
    expect(await shown(h, 'second words')).toHaveLength(1);
  },

  'post and edit work before start': async (h) => {
    const ref = await h.adapter.post(h.thread, 'k1', segment([text('early')]), false);
    await h.adapter.edit(h.thread, 'k1', ref, segment([text('early, edited')]));

    expect(await shown(h, 'early, edited')).toHaveLength(1);
  },

  'one key shows once, however often it is posted': async (h) => {
    const first = await h.adapter.post(h.thread, 'k1', segment([text('answer one')]), false);
    const second = await h.adapter.post(h.thread, 'k1', segment([text('answer two')]), false);

    expect(second).toBe(first);
    expect(await shown(h, 'answer')).toHaveLength(1);
    expect(await shown(h, 'answer two')).toHaveLength(1);
  },

  'one key shows once after the worker that posted it has died': async (h) => {
    const first = await h.adapter.post(h.thread, 'k1', segment([text('answer one')]), false);
    const second = await h.another().post(h.thread, 'k1', segment([text('answer two')]), true);

    expect(second).toBe(first);
    expect(await shown(h, 'answer')).toHaveLength(1);
    expect(await shown(h, 'answer two')).toHaveLength(1);
  },

  'a key that never reached the thread is posted after all': async (h) => {
    await h.another().post(h.thread, 'k1', segment([text('never posted before')]), true);

    expect(await shown(h, 'never posted before')).toHaveLength(1);
  },

  'text over the limit is cut at a line, with a visible note': async (h) => {
    const lines = Array.from(
      { length: 3000 },
      (_, i) => `row ${String(i).padStart(4, '0')} of the long text.`,
    );
    await h.adapter.post(h.thread, 'k1', segment([text(lines.join('\n'))]), false);

    const seen = (await shown(h, 'row ')).map((m) => m.text).join('\n');
    expect(seen).toContain('row 0000 of the long text.');
    expect(seen).not.toContain('row 2999');
    expect(seen).toMatch(/left out|cut|shortened/i);
    const rows = seen.split('\n').filter((line) => line.includes('row '));
    for (const row of rows) expect(row).toMatch(/row \d{4} of the long text\./);
  },

  'code stays code': async (h) => {
    const code = 'if [ "$a" -lt 3 ] && test *x* != _y_; then echo "<b>" ~z~ & fi';
    await h.adapter.post(h.thread, 'k1', segment([text(`Run:\n\n\`\`\`sh\n${code}\n\`\`\``)]), false);

    expect(await shown(h, code)).toHaveLength(1);
  },

  'mentions of people, groups and channels ping nobody': async (h) => {
    const [one, two] = h.people;
    const trap = `@everyone @here <!channel> <!here> <!everyone> <@${one}> <@!${two}> <@&1> <!subteam^S1> <#C1>`;
    const ran = {
      command: 'uname',
      host: 'local',
      line: `uname ${trap}`,
      end: { kind: 'exited', code: 0 } as const,
      ms: 3,
      output: `${trap}\n`,
      truncated: false,
    };
    await h.adapter.post(
      h.thread,
      'k1',
      segment(
        [
          text(`look: ${trap}`),
          text(`\`\`\`\n${trap}\n\`\`\`\n\`${trap}\``),
          { kind: 'notice', level: 'error', text: trap },
          callPart(trap, ran),
          callPart(
            trap,
            changed({ host: trap, allowedBy: trap, probe: { line: trap, before: trap, after: 'x' } }),
          ),
        ],
        { footer: trap },
      ),
      false,
    );
    const ref = await h.adapter.post(
      h.thread,
      approvalId,
      card({
        agentReason: trap,
        missing: trap,
        subject: {
          line: trap,
          description: trap,
          targets: [target({ host: trap, address: trap, login: trap })],
          state: [{ host: trap, line: trap, text: trap }],
        },
      }),
      false,
    );
    await h.adapter.edit(
      h.thread,
      approvalId,
      ref,
      card({ verdict: 'denied', denyReason: trap, outcome: trap, subject: { line: trap } }),
    );

    expect(await h.pinged()).toEqual([]);
    expect(await shown(h, 'everyone')).not.toHaveLength(0);
  },

  'control, bidi and invisible characters are shown escaped': async (h) => {
    const trap = 'a\u001b[31mb\u202ec\u200bd\ufeffe\u{e0041}f';
    await h.adapter.post(
      h.thread,
      'k1',
      segment([text(trap), { kind: 'notice', level: 'info', text: trap }]),
      false,
    );
    await h.adapter.post(h.thread, approvalId, card({ subject: { line: `rm ${trap}` } }), false);

    const seen = (await h.seen(h.thread)).map((m) => m.text).join('\n');
    expect(seen).toContain('rm a');
    // A zero-width space directly after a backtick is how an adapter may keep a fence shut.
    expect(seen.replaceAll('`\u200b', '`')).not.toMatch(
      /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]|[\u{e0000}-\u{e007f}]/u,
    );
  },

  'a card shows what will run, where and who asks': async (h) => {
    await h.adapter.post(h.thread, approvalId, card({ agentReason: 'the disk is full' }), false);

    const [message] = await shown(h, 'systemctl restart nginx');
    for (const part of ['web-1', '192.0.2.7', 'deploy', 'Ada', 'the disk is full', '0123456789ab'])
      expect(message?.text).toContain(part);
    expect(message?.buttons).toEqual(['Approve', 'Deny']);
  },

  'a verdict removes the buttons and says who decided': async (h) => {
    const decidedBy = { platform: h.adapter.platform, id: h.people[1], name: 'Grace' } as const;
    const ref = await h.adapter.post(h.thread, approvalId, card(), false);
    await h.adapter.edit(
      h.thread,
      approvalId,
      ref,
      card({ verdict: 'denied', decidedBy, denyReason: 'not during the day', outcome: 'not run' }),
    );

    const [message] = await shown(h, 'systemctl restart nginx');
    expect(message?.buttons).toEqual([]);
    for (const part of ['Denied', 'Grace', 'not during the day', 'not run'])
      expect(message?.text).toContain(part);
  },

  'a rate limit is waited for, and order is kept': async (h) => {
    h.fail('rate-limited');
    const keys = ['k1', 'k2', 'k3'];
    await Promise.all(keys.map((k) => h.adapter.post(h.thread, k, segment([text(`part ${k}`)]), false)));

    const order = (await shown(h, 'part ')).map((m) => /part (k\d)/.exec(m.text)?.[1]);
    expect(order).toEqual(keys);
  },

  'a platform that is down is chat-unavailable, and works again when it is up': async (h) => {
    const ref = await h.adapter.post(h.thread, 'k1', segment([text('before')]), false);
    h.fail('down');
    await chatUnavailable(h.adapter.post(h.thread, 'k2', segment([text('meanwhile')]), false));
    await chatUnavailable(h.adapter.edit(h.thread, 'k1', ref, segment([text('meanwhile')])));

    h.fail('up');
    await h.adapter.edit(h.thread, 'k1', ref, segment([text('afterwards')]));
    expect(await shown(h, 'afterwards')).toHaveLength(1);
  },
} satisfies Record<string, (h: AdapterHarness) => Promise<void>>;

/** The messages that everybody sees with this text in them. */
export async function shown(
  h: AdapterHarness,
  part: string,
  where = h.thread,
): Promise<readonly SeenMessage[]> {
  return (await h.seen(where)).filter((m) => m.privateTo === undefined && m.text.includes(part));
}

async function chatUnavailable(attempt: Promise<unknown>): Promise<void> {
  const thrown = await attempt.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(OpsError);
  expect((thrown as OpsError).problem.code).toBe('chat-unavailable');
}
