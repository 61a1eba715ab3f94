import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { callIdFor, runIdFor } from '../../src/core/ids.ts';
import { allCalls, dueAt, hasEnded, pendingApprovals } from '../../src/core/run.ts';
import {
  agentSpoke,
  askStop,
  claim,
  decideApproval,
  end,
  expireApprovals,
  join,
  notePost,
  owns,
  release,
  settleCall,
  startCalls,
  takeUpJoined,
} from '../../src/core/run-changes.ts';
import { waitingRun } from '../fakes/approvals.ts';
import { ann, bob } from '../fakes/policy.ts';
import { owner, signedRequest, testRun } from '../fakes/requests.ts';

const two = [
  { modelId: 'a', tool: 'check_disk', args: {} },
  { modelId: 'b', tool: 'check_memory', args: {} },
];
const spoken = () => agentSpoke(testRun('e1'), { text: 'Looking.', calls: two }, { inputTokens: 10 }, 2_000);

describe('a lease', () => {
  it('keeps others out while it lives and lets them in when it has run out', () => {
    const mine = claim(testRun('e1'), 'a', 1_000, 5_000);
    if (!mine) throw new Error('not claimed');

    expect(claim(mine, 'b', 5_999, 5_000)).toBeUndefined();
    expect(claim(mine, 'b', 6_000, 5_000)?.state).toEqual({
      kind: 'running',
      owner: 'b',
      leaseUntil: 11_000,
    });
    expect(claim(mine, 'a', 2_000, 5_000)?.state).toEqual({ kind: 'running', owner: 'a', leaseUntil: 7_000 });
    expect(owns(mine, 'b')).toBe(false);
  });

  it('that no worker can have taken keeps nobody out: a clock went back, or it was written by a stranger', () => {
    const held = (leaseUntil: number) =>
      ({ ...testRun('e1'), state: { kind: 'running', owner: 'w9', leaseUntil } }) as const;

    expect(claim(held(3_600_000), 'w1', 0, 5_000)?.state).toMatchObject({ owner: 'w1', leaseUntil: 5_000 });
    expect(claim(held(Number.MAX_SAFE_INTEGER), 'w1', 0, 5_000)?.state).toMatchObject({ owner: 'w1' });
    expect(claim(held(20_000), 'w1', 0, 5_000)).toBeUndefined();
  });

  it('is given back to people or to whoever comes next', () => {
    const mine = claim(testRun('e1'), 'a', 1_000, 5_000);
    if (!mine) throw new Error('not claimed');

    expect(claim(release(mine, 'waiting', 2_000), 'b', 2_001, 5_000)?.state.kind).toBe('running');
  });
});

describe('tool calls', () => {
  it('have ids that a restart gives again, counted over all turns', () => {
    const first = spoken();
    const later = agentSpoke(first, { text: '', calls: two }, {}, 3_000);

    expect(allCalls(later).map((c) => c.id)).toEqual([0, 1, 2, 3].map((n) => callIdFor(first.id, n)));
  });

  it('keep their first end', () => {
    const run = spoken();
    const id = callIdFor(run.id, 0);
    const lost = settleCall(run, id, { kind: 'lost', reason: 'gone' });

    const after = settleCall(lost, id, {
      kind: 'done',
      ms: 1,
      result: { text: 'x', isError: false, ran: [] },
    });

    expect(allCalls(after)[0]?.state.kind).toBe('lost');
  });

  it('that wait or have settled are not started', () => {
    const { run, request } = waitingRun(ann);

    expect(startCalls(run, [request.callId], 'w', 5)).toEqual(run);
  });
});

describe('an approval', () => {
  it('clears its call once approved and nothing decides it again', () => {
    const { run, request } = waitingRun(ann);
    const [pending] = pendingApprovals(run);
    if (!pending) throw new Error('no approval');

    const approved = decideApproval(run, { ...pending, verdict: 'approved' }, '');
    const denied = decideApproval(approved, { ...pending, verdict: 'denied' }, 'no');

    expect(allCalls(approved)[0]?.state.kind).toBe('cleared');
    expect(denied).toEqual(approved);
    expect(request.callId).toBe(allCalls(approved)[0]?.id);
  });

  it('that nobody decided in time refuses its call', () => {
    const { run } = waitingRun(ann, { expiresAt: 9_000 });

    expect(expireApprovals(run, 8_999)).toEqual(run);
    expect(allCalls(expireApprovals(run, 9_000))[0]?.state).toMatchObject({ kind: 'refused', by: 'expired' });
  });

  it('makes its run due when it runs out', () => {
    expect(dueAt(waitingRun(ann, { expiresAt: 9_000 }).run)).toBe(9_000);
  });

  it('makes its run due at once when it is decided or stopped, whether or not anybody was told', () => {
    const { run } = waitingRun(ann, { expiresAt: 9_000 });
    const [pending] = pendingApprovals(run);
    if (!pending) throw new Error('no approval');

    for (const verdict of ['approved', 'denied', 'expired'] as const)
      expect(dueAt(decideApproval(run, { ...pending, verdict }, 'no'))).toBe(run.updatedAt);
    expect(dueAt(askStop(run, bob, 3_000))).toBe(run.updatedAt);
  });
});

describe('the end of a run', () => {
  it('leaves no call open: what had not begun is refused, what had begun and has no result is lost', () => {
    const run = spoken();
    const [a, b] = allCalls(run);
    if (!a || !b) throw new Error('no calls');
    const started = startCalls(run, [a.id], 'w', 3_000);

    const ended = end(askStop(started, bob, 4_000), { kind: 'cancelled', by: bob }, 5_000);

    expect(allCalls(ended).map((c) => c.state.kind)).toEqual(['lost', 'refused']);
    expect(hasEnded(ended)).toBe(true);
    expect(end(ended, { kind: 'finished' }, 6_000)).toBe(ended);
  });

  it('withdraws what waits for people', () => {
    const { run } = waitingRun(ann);

    const ended = end(run, { kind: 'cancelled', by: bob }, 5_000);

    expect(allCalls(ended)[0]?.approval?.verdict).toBe('withdrawn');
    expect(pendingApprovals(ended)).toEqual([]);
  });

  it('is due until it has been told', () => {
    const ended = end(testRun('e1'), { kind: 'finished' }, 5_000);

    expect(dueAt(ended)).toBe(5_000);
    expect(dueAt({ ...ended, told: true })).toBeUndefined();
  });
});

describe('what people say meanwhile', () => {
  it('joins once, becomes a turn, and is refused by an ended run', () => {
    const run = testRun('e1');
    const request = signedRequest('e2', { runId: run.id });
    const joined = join(run, request, 'and inodes?');
    if (!joined) throw new Error('not joined');

    expect(join(joined, request, 'and inodes?')).toBe(joined);
    expect(takeUpJoined(joined).turns.map((t) => t.text)).toEqual(['how much disk?', 'and inodes?']);
    expect(join(end(run, { kind: 'finished' }, 1), request, 'late')).toBeUndefined();
  });
});

it('notes a post under its key once', () => {
  const run = notePost(notePost(notePost(testRun('e1'), { key: 'a' }), { key: 'b' }), { key: 'a', ref: '1' });

  expect(run.posts).toEqual([{ key: 'a', ref: '1' }, { key: 'b' }]);
});

it('gives a run the id of its event and no other', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (a, b) => {
      expect(runIdFor('slack', a) === runIdFor('slack', b)).toBe(a === b);
      expect(runIdFor('slack', a)).not.toBe(runIdFor('discord', a));
    }),
  );
});

it('whatever happens in whatever order, a call is settled once and an ended run never changes its end', () => {
  const steps = fc.array(
    fc.constantFrom('claim', 'start', 'settle', 'stop', 'end', 'release', 'expire', 'approve'),
    {
      maxLength: 30,
    },
  );
  fc.assert(
    fc.property(steps, (names) => {
      let run = waitingRun(owner, { expiresAt: 20 }).run;
      names.forEach((name, now) => {
        const before = run;
        const id = callIdFor(run.id, 0);
        const [pending] = pendingApprovals(run);
        if (name === 'claim') run = claim(run, 'w', now, 5) ?? run;
        if (name === 'start') run = startCalls(run, [id], 'w', now);
        if (name === 'settle') run = settleCall(run, id, { kind: 'lost', reason: '' });
        if (name === 'stop') run = askStop(run, bob, now);
        if (name === 'end') run = end(run, { kind: 'finished' }, now);
        if (name === 'release') run = release(run, 'waiting', now);
        if (name === 'expire') run = expireApprovals(run, now);
        if (name === 'approve' && pending) run = decideApproval(run, { ...pending, verdict: 'approved' }, '');
        if (hasEnded(before)) expect(run.state).toEqual(before.state);
        const [was, is] = [before, run].map((r) => allCalls(r)[0]?.state.kind);
        if (was === 'done' || was === 'refused' || was === 'lost') expect(is).toBe(was);
        if (is === 'started') expect(['started', 'cleared']).toContain(was);
      });
    }),
  );
});
