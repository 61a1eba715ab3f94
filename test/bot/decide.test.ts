import { describe, expect, it } from 'vitest';
import { decideOn } from '../../src/bot/decide.ts';
import { type Approval, approvalDigest, digestOfAll, shownDigest } from '../../src/core/approval.ts';
import type { Decision, User } from '../../src/core/conversation.ts';
import { approvalIdFor, callIdFor, runIdFor } from '../../src/core/ids.ts';
import type { Policy } from '../../src/core/policy.ts';
import { allCalls, findApproval } from '../../src/core/run.ts';
import { agentSpoke, askApproval, askStop, end } from '../../src/core/run-changes.ts';
import { verifier } from '../../src/core/signed.ts';
import { draw } from '../../src/core/view.ts';
import { waitingRun } from '../fakes/approvals.ts';
import { fixedClock } from '../fakes/fixed-clock.ts';
import { memoryAudit } from '../fakes/memory-audit.ts';
import { createMemoryRunStore } from '../fakes/memory-run-store.ts';
import { ann, bob, carl, stranger, teamPolicy } from '../fakes/policy.ts';
import { testKeys, testSign } from '../fakes/requests.ts';

async function setUp(over: Parameters<typeof waitingRun>[1] = {}) {
  const clock = fixedClock();
  const store = createMemoryRunStore();
  const audit = memoryAudit();
  const { run, request } = waitingRun(ann, over);
  await store.create(run);
  const nudged: string[] = [];
  let policy: Policy = teamPolicy;
  const decide = (by: User, verdict: Decision['verdict'], more: Partial<Decision> = {}) =>
    decideOn(
      {
        store,
        audit,
        clock,
        policy: () => policy,
        sign: testSign,
        nudge: async (id) => {
          nudged.push(id);
        },
      },
      {
        eventId: `click-${by.id}`,
        approvalId: request.id,
        verdict,
        digest: request.digest,
        user: by,
        groups: [],
        card: { conversation: run.conversation, message: 'card-1' },
        at: clock.now(),
        ...more,
      },
    );
  const now = () => store.load(run.id).then((r) => r ?? run);
  const approval = async () => findApproval(await now(), request.id);
  const setPolicy = (p: Policy) => {
    policy = p;
  };
  return { clock, store, audit, run, request, decide, nudged, now, approval, setPolicy };
}

describe('a decision', () => {
  it('by somebody who may is signed, audited, kept, and wakes the run', async () => {
    const { decide, approval, now, audit, nudged, run, request } = await setUp();

    const decided = await decide(bob, 'approve');

    const kept = await approval();
    expect(decided).toEqual({ kind: 'counted', text: 'Approved.' });
    expect(kept?.verdict).toBe('approved');
    expect(kept?.votes.every(verifier(testKeys.publicPem))).toBe(true);
    expect(kept?.votes[0]?.statement).toMatchObject({
      digest: request.digest,
      user: bob,
      verdict: 'approve',
    });
    expect(allCalls(await now())[0]?.state.kind).toBe('cleared');
    expect(audit.events).toMatchObject([{ kind: 'approval.voted', who: 'slack:U_BOB' }]);
    expect(nudged).toEqual([run.id]);
  });

  it('counts though nobody can be told of it: the sweep finds the run', async () => {
    const { store, audit, clock, run, request, approval } = await setUp();
    const parts = { store, audit, clock, policy: () => teamPolicy, sign: testSign };
    const nudge = () => Promise.reject(new Error('the queue is away'));
    const press = {
      eventId: 'click',
      approvalId: request.id,
      digest: request.digest,
      user: bob,
      groups: [],
      at: clock.now(),
    };

    const decided = await decideOn({ ...parts, nudge }, { ...press, verdict: 'approve' });

    expect(decided).toEqual({ kind: 'counted', text: 'Approved.' });
    expect((await approval())?.verdict).toBe('approved');
    expect(await store.due(clock.now(), 10)).toEqual([run.id]);
  });

  it('to deny settles the call with the reason for the agent to read', async () => {
    const { decide, now } = await setUp();

    await decide(bob, 'deny', { reason: ' not during the sale ' });

    expect(allCalls(await now())[0]?.state).toEqual({
      kind: 'refused',
      by: 'person',
      reason: 'Denied by bob: not during the sale',
    });
  });

  it.each([
    ['the requester', ann, 'You asked for this yourself'],
    [
      'the requester from another platform',
      { platform: 'discord', id: '1', name: 'ann' } as const,
      'yourself',
    ],
    ['somebody who may only read', carl, 'not among those'],
    ['a stranger', stranger, 'not among those'],
  ])('by %s is refused privately, audited, and changes nothing', async (_, by, why) => {
    const { decide, now, audit, run, nudged } = await setUp();

    const decided = await decide(by, 'approve');

    expect(decided).toMatchObject({ kind: 'refused', text: expect.stringContaining(why) });
    expect(await now()).toEqual(run);
    expect(audit.events).toMatchObject([{ kind: 'approval.refused' }]);
    expect(nudged).toEqual([]);
  });

  it('reads the roles at the click: a removed approver, an emptied list and a gone rule count for nobody', async () => {
    const { decide, approval, setPolicy } = await setUp();
    const without = (change: Partial<Policy>) => setPolicy({ ...teamPolicy, ...change });

    without({ groups: [{ name: 'oncall', people: ['ann'], platformGroups: [] }] });
    const removed = await decide(bob, 'approve');
    without({ approve: teamPolicy.approve.map((r) => ({ ...r, who: [] })) });
    const emptied = await decide(bob, 'approve');
    without({ approve: [] });
    const gone = await decide(bob, 'approve');

    expect([removed.kind, emptied.kind, gone.kind]).toEqual(['refused', 'refused', 'refused']);
    expect((await approval())?.verdict).toBe('pending');
  });

  it('on a card that was copied to another message or thread is refused', async () => {
    const { decide, approval, run } = await setUp();

    const moved = await decide(bob, 'approve', {
      card: { conversation: run.conversation, message: 'card-2' },
    });
    const elsewhere = await decide(bob, 'approve', {
      card: { conversation: { ...run.conversation, thread: 'other' }, message: 'card-1' },
    });

    expect([moved.kind, elsewhere.kind]).toEqual(['refused', 'refused']);
    expect((await approval())?.verdict).toBe('pending');
  });

  it('on a card whose post is announced counts before it is noted where it went', async () => {
    const { decide, store, run, request } = await setUp();
    await store.update(run.id, (r) => ({ ...r, posts: [{ key: request.id }] }));

    expect(await decide(bob, 'approve')).toMatchObject({ kind: 'counted' });
  });

  it('on a card that is not announced yet is to be tried again in a moment', async () => {
    const { decide, approval, store, run } = await setUp();
    await store.update(run.id, (r) => ({ ...r, posts: [] }));

    expect(await decide(bob, 'approve')).toMatchObject({
      kind: 'refused',
      text: expect.stringMatching(/again in a moment/),
    });
    expect((await approval())?.votes).toEqual([]);
  });

  it('on a run that was stopped comes too late, also where its questions are not closed yet', async () => {
    const { decide, approval, store, clock, run } = await setUp();
    await store.update(run.id, (r) => askStop(r, ann, clock.now()));

    expect(await decide(bob, 'approve')).toEqual({
      kind: 'late',
      text: 'The run was stopped; nothing will run.',
    });
    expect((await approval())?.votes).toEqual([]);
  });

  it('on a run that is stopped while it is on its way comes too late', async () => {
    const { decide, approval, store, audit, clock, run } = await setUp();
    const { record } = audit;
    audit.record = async (event) => {
      await record(event);
      await store.update(run.id, (r) => askStop(r, ann, clock.now()));
    };

    expect(await decide(bob, 'approve')).toMatchObject({ kind: 'late' });
    expect((await approval())?.votes).toEqual([]);
  });

  it('on an approval that does not exist is refused', async () => {
    const { decide, run } = await setUp();
    const noRun = approvalIdFor(callIdFor(runIdFor('slack', 'none'), 0));

    expect((await decide(bob, 'approve', { approvalId: noRun })).kind).toBe('refused');
    expect((await decide(bob, 'approve', { approvalId: approvalIdFor(callIdFor(run.id, 7)) })).kind).toBe(
      'refused',
    );
    expect((await decide(bob, 'approve', { approvalId: '__proto__' as typeof noRun })).kind).toBe('refused');
  });

  it('after the end is told what happened', async () => {
    const { decide, store, run, clock } = await setUp({ expiresAt: fixedClock().now() + 1_000 });
    clock.advance(1_000);
    expect(await decide(bob, 'approve')).toMatchObject({
      kind: 'late',
      text: expect.stringContaining('expired'),
    });

    await store.update(run.id, (r) => end(askStop(r, bob, 1), { kind: 'cancelled', by: bob }, 1));
    expect(await decide(bob, 'approve')).toMatchObject({
      kind: 'late',
      text: expect.stringContaining('stopped'),
    });
  });

  it('that cannot be audited is not kept', async () => {
    const { decide, audit, approval } = await setUp();
    audit.full = true;

    await expect(decide(bob, 'approve')).rejects.toMatchObject({ problem: { code: 'audit-unwritable' } });
    expect((await approval())?.votes).toEqual([]);
  });

  it('of many at once has one winner, and everybody else is told whose it was', async () => {
    const { decide, approval } = await setUp();
    const third: User = { platform: 'slack', id: 'U_ROLE', name: 'rolf' };

    const clicks = Array.from({ length: 20 }, (_, i) =>
      decide(bob, i === 7 ? 'deny' : 'approve', { eventId: `c${i}`, user: i % 2 ? bob : third, groups: [] }),
    );
    const outcomes = await Promise.all(clicks);

    expect(outcomes.filter((o) => o.kind === 'counted')).toHaveLength(1);
    expect(outcomes.filter((o) => o.kind === 'late').every((o) => /bob/.test(o.text))).toBe(true);
    expect((await approval())?.votes).toHaveLength(1);
  });

  it('of several groups that must each approve: a second one of the same group is told who is needed', async () => {
    const each = [
      { who: ['oncall'], people: 1 },
      { who: ['carl'], people: 1 },
    ];
    const both = { ...teamPolicy.approve[1], name: 'both', who: ['oncall', 'carl'], each, people: 2 };
    const rule = { name: 'both', approvers: ['oncall', 'carl'], people: 2, requesterMay: false };
    const { decide, approval, setPolicy } = await setUp({ rule });
    setPolicy({ ...teamPolicy, approve: [both as (typeof teamPolicy.approve)[number]] });
    const dan: User = { platform: 'discord', id: '77', name: 'dan' };

    expect(await decide(bob, 'approve')).toMatchObject({ kind: 'counted' });
    expect(await decide(dan, 'approve', { groups: ['role-ops'] })).toEqual({
      kind: 'late',
      text: 'Your group has approved this already; it needs 1 of carl.',
    });
    expect((await approval())?.verdict).toBe('pending');
    expect(await decide(carl, 'approve')).toEqual({ kind: 'counted', text: 'Approved.' });
  });

  it('needs as many distinct people as the rule says; one person counts once', async () => {
    const two = { name: 'oncall-approves', approvers: ['oncall'], people: 2, requesterMay: false };
    const { decide, approval } = await setUp({ rule: two });
    const dan: User = { platform: 'discord', id: '77', name: 'dan' };

    expect(await decide(bob, 'approve')).toEqual({
      kind: 'counted',
      text: 'Counted: 1 of 2 approvals; it still needs 1 more of oncall.',
    });
    expect(await decide(bob, 'approve')).toMatchObject({ kind: 'late' });
    expect((await approval())?.verdict).toBe('pending');

    expect(await decide(dan, 'approve', { groups: ['role-ops'] })).toEqual({
      kind: 'counted',
      text: 'Approved.',
    });
    expect((await approval())?.verdict).toBe('approved');
  });
});

describe('what was shown', () => {
  it.each([
    ['no digest', ''],
    ['too little of one', 'abc'],
    ['the digest of another card', 'f'.repeat(32)],
  ])('decides: a press with %s changes nothing and is on record', async (_, digest) => {
    const { decide, approval, audit } = await setUp();

    expect(await decide(bob, 'approve', { digest })).toMatchObject({ kind: 'refused' });
    expect((await approval())?.votes).toEqual([]);
    expect(audit.events).toMatchObject([{ kind: 'approval.refused', data: { shown: digest } }]);
  });

  it.each<[string, (a: Approval) => Approval]>([
    ['the line', (a) => ({ ...a, subject: { ...a.subject, line: 'uptime' } })],
    [
      'the host',
      (a) => ({
        ...a,
        subject: { ...a.subject, targets: [{ host: 'x', address: '', login: '', hostKey: '' }] },
      }),
    ],
    ['the risk', (a) => ({ ...a, subject: { ...a.subject, risk: 'change', description: 'harmless' } })],
    ['who may approve', (a) => ({ ...a, rule: { ...a.rule, people: 7 } })],
    ['the expiry', (a) => ({ ...a, expiresAt: a.expiresAt - 1 })],
  ])('an altered record of %s is refused whatever was pressed', async (_, alter) => {
    const { decide, approval, store, run, request } = await setUp();
    await store.update(run.id, (r) => ({
      ...r,
      turns: r.turns.map((t) =>
        t.kind === 'agent'
          ? { ...t, calls: t.calls.map((c) => (c.approval ? { ...c, approval: alter(c.approval) } : c)) }
          : t,
      ),
    }));
    const altered = await approval();
    if (!altered) throw new Error('no approval');

    expect(await decide(bob, 'approve')).toMatchObject({
      kind: 'refused',
      text: expect.stringMatching(/altered/),
    });
    expect(await decide(bob, 'approve', { digest: shownDigest(altered) })).toMatchObject({ kind: 'refused' });
    expect(altered.digest).toBe(request.digest);
    expect((await approval())?.votes).toEqual([]);
  });

  it.each<[string, (a: Approval) => Approval]>([
    ['its line', (a) => ({ ...a, subject: { ...a.subject, line: 'uptime' } })],
    ['its digest', (a) => ({ ...a, digest: 'f'.repeat(64) })],
  ])('a record that is altered in %s while a press is on its way is refused as altered', async (_, alter) => {
    const { decide, approval, store, audit, run } = await setUp();
    const { record } = audit;
    audit.record = async (event) => {
      await record(event);
      if (event.kind !== 'approval.voted') return;
      await store.update(run.id, (r) => ({
        ...r,
        turns: r.turns.map((t) =>
          t.kind === 'agent'
            ? { ...t, calls: t.calls.map((c) => (c.approval ? { ...c, approval: alter(c.approval) } : c)) }
            : t,
        ),
      }));
    };

    expect(await decide(bob, 'approve')).toMatchObject({
      kind: 'refused',
      text: expect.stringMatching(/altered/),
    });
    expect((await approval())?.votes).toEqual([]);
    expect(audit.events.at(-1)?.kind).toBe('approval.refused');
  });

  it('is drawn with the digest of what is drawn, not of what the record claims', async () => {
    const { run, approval } = await setUp();
    const honest = await approval();
    if (!honest) throw new Error('no approval');
    const lie = { ...honest, subject: { ...honest.subject, line: 'uptime' } };

    expect(honest.digest.startsWith(shownDigest(honest))).toBe(true);
    expect(honest.digest.startsWith(shownDigest(lie))).toBe(false);
    expect(draw(run).flatMap((d) => (d.view.kind === 'card' ? [d.view.digest] : []))).toEqual([
      shownDigest(honest),
    ]);
  });
});

describe('a window', () => {
  it('goes into the signed vote', async () => {
    const { decide, approval } = await setUp();

    await decide(bob, 'approve', { windowMinutes: 15 });

    expect((await approval())?.votes[0]?.statement.windowMinutes).toBe(15);
  });

  it('is refused for what is critical', async () => {
    const critical = { ...waitingRun(ann).request.subject, risk: 'critical' } as const;
    const { decide, approval } = await setUp({ subject: critical });

    expect(await decide(bob, 'approve', { windowMinutes: 15 })).toMatchObject({ kind: 'refused' });
    expect((await approval())?.votes).toEqual([]);
  });

  it('does not go with a denial', async () => {
    const { decide, approval } = await setUp();

    await decide(bob, 'deny', { windowMinutes: 15 });

    expect((await approval())?.votes[0]?.statement.windowMinutes).toBeUndefined();
  });
});

describe('all open requests of a run', () => {
  async function two() {
    const all = await setUp();
    const { request, run, store } = all;
    const callId = callIdFor(run.id, 1);
    const second = { ...request, id: approvalIdFor(callId), callId };
    const other = { ...second, digest: approvalDigest(second) };
    const call = { modelId: 'm2', tool: 'execute_command', args: {} };
    await store.update(run.id, (r) => askApproval(agentSpoke(r, { text: '', calls: [call] }, {}, 1), other));
    const digest = digestOfAll([request, other]);
    const verdicts = async () => allCalls(await all.now()).map((c) => c.approval?.verdict);
    return { ...all, digest, verdicts };
  }

  it('are decided by one press, each by a vote of its own', async () => {
    const { decide, digest, verdicts, audit } = await two();

    expect(await decide(bob, 'approve', { scope: 'all', digest })).toMatchObject({ kind: 'counted' });

    expect(await verdicts()).toEqual(['approved', 'approved']);
    expect(audit.events.map((e) => e.kind)).toEqual(['approval.voted', 'approval.voted']);
  });

  it('are decided only as they were shown: one more since then, and nothing is', async () => {
    const { decide, request, verdicts } = await two();

    expect(await decide(bob, 'approve', { scope: 'all', digest: digestOfAll([request]) })).toMatchObject({
      kind: 'refused',
      text: expect.stringMatching(/not those/),
    });
    expect(await verdicts()).toEqual(['pending', 'pending']);
  });

  it('are not decided by somebody who may decide none of them', async () => {
    const { decide, digest, verdicts } = await two();

    expect(await decide(stranger, 'approve', { scope: 'all', digest })).toMatchObject({ kind: 'refused' });
    expect(await verdicts()).toEqual(['pending', 'pending']);
  });
});
