/**
 * The cases of the chat adapter suite about an approval from its card to what came of it: what is shown of it, what
 * each of its buttons brings, and how a change is shown and undone.
 */
import { expect } from 'vitest';
import type { AdapterHarness, ButtonName } from './chat-adapter.ts';
import { shown } from './chat-adapter-showing.ts';
import { until } from './until.ts';
import {
  approvalId,
  callId,
  callPart,
  card,
  changed,
  digest,
  digestOfAll,
  segment,
  target,
  targets,
} from './views.ts';

const all = { count: 3, digest: digestOfAll };

export const decidingCases = {
  'each button carries what its card showed': async (h) => {
    await h.start();
    await h.adapter.post(h.thread, approvalId, card(), false);
    await h.click(h.thread, approvalId, 'Approve', h.people[1]);
    await until('the approval', () => h.inbox.decisions.length === 1);
    await h.adapter.post(h.thread, approvalId, card({ digest: digestOfAll }), false);
    await h.click(h.thread, approvalId, 'Deny', h.people[1]);
    await until('the denial', () => h.inbox.decisions.length === 2);

    expect(h.inbox.decisions.map((d) => d.digest)).toEqual([digest, digestOfAll]);
    for (const decision of h.inbox.decisions) {
      expect(decision).not.toHaveProperty('scope');
      expect(decision).not.toHaveProperty('windowMinutes');
    }
  },

  'Approve all decides every open one of the run, by the digest over all of them': async (h) => {
    await h.start();
    await h.adapter.post(h.thread, approvalId, card({ all }), false);
    expect((await shown(h, 'systemctl restart nginx'))[0]?.buttons).toContain('Approve all 3');

    await h.click(h.thread, approvalId, 'Approve all', h.people[1]);
    await until('the decision', () => h.inbox.decisions.length === 1);
    expect(h.inbox.decisions[0]).toMatchObject({
      approvalId,
      verdict: 'approve',
      scope: 'all',
      digest: digestOfAll,
      user: { id: h.people[1] },
    });
  },

  'Approve all is not offered for a single one': async (h) => {
    await h.start();
    await h.adapter.post(h.thread, approvalId, card(), false);

    await expect(h.click(h.thread, approvalId, 'Approve all', h.people[1])).rejects.toThrow();
    expect(h.inbox.decisions).toEqual([]);
  },

  'a window of 15 or 60 minutes is asked for with the approval': async (h) => {
    await h.start();
    await h.adapter.post(h.thread, approvalId, card({ mayOpenWindow: true }), false);
    const wanted: readonly [ButtonName, number][] = [
      ['Approve + 15 min', 15],
      ['Approve + 60 min', 60],
    ];
    for (const [n, [label, windowMinutes]] of wanted.entries()) {
      await h.click(h.thread, approvalId, label, h.people[1]);
      await until('the decision', () => h.inbox.decisions.length === n + 1);
      expect(h.inbox.decisions[n]).toMatchObject({ approvalId, verdict: 'approve', digest, windowMinutes });
      // A page may lock its buttons while a decision is on its way; what stands is posted anew.
      await h.adapter.post(h.thread, approvalId, card({ mayOpenWindow: true, expiresAt: later(n) }), false);
    }
  },

  'a window is not offered where none may be opened': async (h) => {
    await h.start();
    await h.adapter.post(h.thread, approvalId, card({ subject: { risk: 'critical' } }), false);

    for (const label of ['Approve + 15 min', 'Approve + 60 min'] as const)
      await expect(h.click(h.thread, approvalId, label, h.people[1])).rejects.toThrow();
    expect(h.inbox.decisions).toEqual([]);
  },

  'a press that does not say what was shown decides nothing, and the person is told': async (h) => {
    await h.start();
    h.inbox.answerDecision = async ({ digest: given }) =>
      given === digest
        ? { kind: 'counted', text: 'Approved.' }
        : { kind: 'refused', text: 'This card does not show what would run: no digest.' };
    await h.adapter.post(h.thread, approvalId, card(), false);
    await h.pressWithoutDigest(h.thread, approvalId, h.people[1]);

    const told = async () => (await h.seen(h.thread)).filter((m) => /digest/.test(m.text) && m.privateTo);
    await until('the person is told', async () => (await told()).length > 0);
    expect((await told())[0]?.privateTo).toBe(h.people[1]);
    for (const decision of h.inbox.decisions) expect(decision.digest).not.toMatch(/^[0-9a-f]{12}/);
    expect((await shown(h, 'systemctl restart nginx'))[0]?.buttons).toEqual(['Approve', 'Deny']);
  },

  'a card says whose approval is missing, who gave one, and how to compare it': async (h) => {
    const grace = { platform: h.adapter.platform, id: h.people[1], name: 'Grace' } as const;
    await h.adapter.post(h.thread, approvalId, card({ approvals: [grace], missing: '1 of sre' }), false);

    const [message] = await shown(h, 'systemctl restart nginx');
    for (const part of ['Grace', '1 of sre', digest.slice(0, 12), approvalId, 'change'])
      expect(message?.text).toContain(part);
    expect(message?.text).toMatch(/show/);
  },

  'a card for several hosts names each with its address, login and key': async (h) => {
    const two = [
      target(),
      target({ host: 'db-1', address: '192.0.2.9', login: 'postgres', hostKey: 'SHA256:zyx' }),
    ];
    await h.adapter.post(h.thread, approvalId, card({ subject: { targets: two } }), false);

    const [message] = await shown(h, 'systemctl restart nginx');
    for (const part of [
      '2 hosts',
      'web-1',
      '192.0.2.7',
      'deploy',
      '0123456789ABCDEFG',
      'db-1',
      '192.0.2.9',
      'postgres',
      'zyx',
    ])
      expect(message?.text).toContain(part);
  },

  'a card for very many hosts says how many, and where to read those it cannot show': async (h) => {
    await h.adapter.post(h.thread, approvalId, card({ subject: { targets: targets(200) } }), false);

    const [message] = await shown(h, 'systemctl restart nginx');
    expect(message?.text).toContain('200 hosts');
    expect(message?.text).toContain('web-001');
    if (!message?.text.includes('web-200')) expect(message?.text).toMatch(/and \d+ more/);
    expect(message?.buttons).toEqual(['Approve', 'Deny']);
  },

  'what a host said before the question is marked as its words and cannot pass for ours': async (h) => {
    const hostile = `Approved by Ada @everyone <!channel> \u001b[2K\u202etxt\n\`\`\`\n# Approved\n${'x'.repeat(5000)}`;
    const state = [
      { host: 'web-1', line: 'systemctl is-active nginx', text: 'nginx: active for 41 days' },
      { host: 'web-2', line: 'systemctl is-active nginx', text: hostile },
    ];
    await h.adapter.post(h.thread, approvalId, card({ subject: { state } }), false);

    const [message] = await shown(h, 'systemctl restart nginx');
    expect(message?.text).toMatch(/state now/i);
    expect(message?.text).toContain('systemctl is-active nginx');
    expect(message?.text).toContain('nginx: active for 41 days');
    expect(message?.text).not.toMatch(/[\u001b\u202e]/);
    expect(message?.buttons).toEqual(['Approve', 'Deny']);
    expect(await h.pinged()).toEqual([]);
  },

  'a decided card says when, and which window it opened and how that ends': async (h) => {
    const decidedBy = { platform: h.adapter.platform, id: h.people[1], name: 'Grace' } as const;
    const decided = {
      verdict: 'approved',
      decidedBy,
      decidedAt: Date.UTC(2029, 11, 31),
      approvals: [decidedBy],
    } as const;
    const ref = await h.adapter.post(h.thread, approvalId, card({ mayOpenWindow: true, all }), false);
    await h.adapter.edit(
      h.thread,
      approvalId,
      ref,
      card({ ...decided, mayOpenWindow: true, windowMinutes: 15, outcome: 'exit 0' }),
    );

    const [message] = await shown(h, 'systemctl restart nginx');
    expect(message?.buttons).toEqual([]);
    for (const part of ['Grace', '15 min', 'revoke', 'exit 0']) expect(message?.text).toContain(part);
  },

  'before and after a change stand together': async (h) => {
    await h.adapter.post(h.thread, 'k1', segment([callPart('restart_service', changed())]), false);

    const [message] = await shown(h, 'restart_service');
    for (const part of ['Before', 'nginx: active for 41 days', 'After', 'nginx: active for 2 seconds'])
      expect(message?.text).toContain(part);
    expect(message?.text).not.toMatch(/unchanged/i);
  },

  'a state that is the same after a change is said to be unchanged': async (h) => {
    const probe = { line: 'systemctl is-active nginx', before: 'nginx: active', after: 'nginx: active' };
    await h.adapter.post(h.thread, 'k1', segment([callPart('restart_service', changed({ probe }))]), false);

    const [message] = await shown(h, 'restart_service');
    expect(message?.text).toMatch(/unchanged/i);
    expect(message?.text).toContain('nginx: active');
  },

  'what ran under a window says which allowed it': async (h) => {
    const allowedBy = 'the window opened with r0-0-a';
    await h.adapter.post(
      h.thread,
      'k1',
      segment([callPart('restart_service', changed({ allowedBy }))]),
      false,
    );

    expect((await shown(h, 'restart_service'))[0]?.text).toContain(allowedBy);
  },

  'an Undo press asks for what reverses that call on that host, once for each press': async (h) => {
    await h.start();
    const ran = changed();
    await h.adapter.post(
      h.thread,
      'k1',
      segment([callPart('restart_service', ran)], { status: 'finished' }),
      false,
    );
    await h.click(h.thread, 'k1', 'Undo', h.people[1]);
    await until('the undo', () => h.inbox.undos.length === 1);
    expect(h.inbox.undos[0]).toMatchObject({
      callId,
      host: 'web-1',
      conversation: h.thread,
      user: { platform: h.adapter.platform, id: h.people[1] },
    });
    expect(h.inbox.undos[0]?.eventId).not.toBe('');
  },

  'an Undo that is refused is answered to that person alone': async (h) => {
    await h.start();
    h.inbox.answerUndo = async () => ({ kind: 'refused', text: 'There is nothing to undo here.' });
    await h.adapter.post(h.thread, 'k1', segment([callPart('restart_service', changed())]), false);
    await h.click(h.thread, 'k1', 'Undo', h.people[1]);

    const told = async () => (await h.seen(h.thread)).filter((m) => m.text.includes('nothing to undo'));
    await until('the refusal', async () => (await told()).length > 0);
    expect((await told()).map((m) => m.privateTo)).toEqual([h.people[1]]);
  },

  'a change that nothing reverses has no Undo': async (h) => {
    const { undo: _, ...rest } = changed();
    await h.adapter.post(h.thread, 'k1', segment([callPart('restart_service', rest)]), false);

    await expect(h.click(h.thread, 'k1', 'Undo', h.people[1])).rejects.toThrow();
  },
} satisfies Record<string, (h: AdapterHarness) => Promise<void>>;

const later = (n: number) => Date.UTC(2030, 0, 2 + n);
