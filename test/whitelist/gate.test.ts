import { generateKeyPairSync } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApprovalRequest } from '../../src/core/approval.ts';
import { approvalIdFor, callIdFor, runIdFor } from '../../src/core/ids.ts';
import type { SignedVote, VoteStatement } from '../../src/core/signed.ts';
import { signer } from '../../src/core/signed.ts';
import { signedRequest } from '../fakes/requests.ts';
import {
  alice,
  asked,
  askRestart,
  bob,
  call,
  callId,
  owner,
  policy,
  type Rig,
  restart,
  run,
  startRig,
  thread,
  votedBy,
} from './fixture.ts';

let rig: Rig;
let approval: ApprovalRequest;
beforeEach(async () => {
  rig = await startRig();
  approval = await askRestart(rig);
});
afterEach(() => rig.close());

const comeBack = (votes: readonly SignedVote[], over: Parameters<typeof call>[3] = {}) =>
  call(rig, 'execute_command', restart, { grant: { sealed: approval.sealed, votes }, ...over });

async function expectRefused(outcome: ReturnType<typeof call>, words: RegExp) {
  expect(await outcome).toMatchObject({ kind: 'refused', reason: expect.stringMatching(words) });
  expect(rig.runner.ran).toHaveLength(0);
}

describe('the question to people', () => {
  it('shows the exact line, host, login, key and rule, and is on record', () => {
    expect(approval).toMatchObject({
      id: approvalIdFor(callId),
      callId,
      runId: run,
      subject: {
        line: 'systemctl restart nginx',
        targets: [{ host: 'local', address: '127.0.0.1:2222', login: 'ops', hostKey: 'SHA256:first' }],
        risk: 'change',
      },
      rule: { name: 'changes', approvers: ['Alice', 'Bob'], people: 1, requesterMay: false },
      expiresAt: rig.clock.now() + 600_000,
    });
    expect(rig.audit.events).toMatchObject([
      { kind: 'command.rendered', callId, data: { line: 'systemctl restart nginx', host: 'local' } },
      { kind: 'approval.asked', callId, who: 'console:owner', data: { digest: approval.digest } },
    ]);
    expect(rig.runner.ran).toHaveLength(0);
  });

  it('is not put when it cannot be recorded', async () => {
    rig.audit.full = true;

    await expectRefused(call(rig, 'execute_command', restart, { callId: callIdFor(run, 1) }), /audit log/);
  });

  it('is not put for somebody whom no rule lets ask', async () => {
    const stranger = { platform: 'slack', id: 'U9', name: 'Stranger' } as const;

    await expectRefused(
      call(rig, 'execute_command', restart, { requests: [asked(rig.clock, stranger)] }),
      /No rule lets slack:U9 ask/,
    );
  });

  it('needs the right of everyone whose words led to the call', async () => {
    const stranger = { platform: 'slack', id: 'U9', name: 'Stranger' } as const;
    const requests = [asked(rig.clock), asked(rig.clock, stranger)];

    await expectRefused(call(rig, 'execute_command', restart, { requests }), /No rule lets slack:U9 ask/);
  });
});

describe('a signed request', () => {
  it('of another run opens nothing', async () => {
    const other = signedRequest('e2', { at: rig.clock.now() });

    await expectRefused(call(rig, 'check_disk', {}, { requests: [other] }), /another run/);
  });

  it('that is weeks old opens nothing', async () => {
    const old = asked(rig.clock, owner, { at: rig.clock.now() - 8 * 24 * 3600_000 });

    await expectRefused(call(rig, 'check_disk', {}, { requests: [old] }), /too old/);
  });

  it('with another name written into it opens nothing', async () => {
    const real = asked(rig.clock);
    const altered = { ...real, statement: { ...real.statement, user: alice } };

    await expectRefused(call(rig, 'check_disk', {}, { requests: [altered] }), /signature/);
  });

  it('must belong to the conversation of the others', async () => {
    const elsewhere = signedRequest('e1', {
      runId: run,
      at: rig.clock.now(),
      conversation: { ...thread, thread: 't2' },
    });

    await expectRefused(
      call(rig, 'check_disk', {}, { requests: [asked(rig.clock), elsewhere] }),
      /conversations/,
    );
  });
});

describe('an approved change', () => {
  it('runs, and the audit names approver, rule, host and key before and the outcome after', async () => {
    const outcome = await comeBack([votedBy(alice, approval, rig.clock)]);

    expect(outcome).toMatchObject({
      kind: 'result',
      result: { isError: false, ran: [{ command: 'restart_service', end: { kind: 'exited', code: 0 } }] },
    });
    expect(rig.runner.ran).toMatchObject([{ command: { args: ['nginx'] }, host: { name: 'local' } }]);
    expect(rig.audit.events.slice(2)).toMatchObject([
      { kind: 'command.rendered', data: { digest: expect.stringMatching(/^[0-9a-f]{64}$/) } },
      {
        kind: 'command.started',
        data: { approvers: ['console:alice'], rule: 'changes', args: ['nginx'], hostKey: 'SHA256:first' },
      },
      { kind: 'command.ended', data: { outcome: 'exit 0', hostKey: 'SHA256:first', bytes: 26 } },
    ]);
  });

  it('runs although somebody joined the conversation after the question', async () => {
    rig.clock.advance(2000);
    const requests = [asked(rig.clock, owner, { at: approval.askedAt - 1000 }), asked(rig.clock, alice)];

    expect(await comeBack([votedBy(alice, approval, rig.clock)], { requests })).toMatchObject({
      kind: 'result',
    });
  });
});

describe('votes', () => {
  const forger = signer(
    generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  );

  it('none at all is not enough', async () => {
    await expectRefused(comeBack([]), /needs the approval of 1 people and has that of 0/);
  });

  it('signed with another key are refused', async () => {
    const { statement } = votedBy(alice, approval, rig.clock);

    await expectRefused(comeBack([forger(statement)]), /signature of the vote of console:alice/);
    expect(rig.audit.events.at(-1)).toMatchObject({ kind: 'approval.refused' });
  });

  it('altered after signing are refused', async () => {
    const denied = votedBy(alice, approval, rig.clock, { verdict: 'deny' });
    const altered = { ...denied, statement: { ...denied.statement, verdict: 'approve' as const } };

    await expectRefused(comeBack([altered]), /signature/);
  });

  it.each<[string, Partial<VoteStatement>, RegExp]>([
    ['for another call', { approvalId: approvalIdFor(callIdFor(run, 7)) }, /another approval/],
    ['for another run', { runId: runIdFor('console', 'e9') }, /another approval/],
    ['for another digest', { digest: 'f'.repeat(64) }, /something else/],
    ['that say no', { verdict: 'deny' }, /console:alice denied it/],
    ['given after the time was up', { at: Date.UTC(2027, 0, 1) }, /after the approval had expired/],
  ])('%s are refused', async (_, over, words) => {
    await expectRefused(comeBack([votedBy(alice, approval, rig.clock, over)]), words);
  });

  it('one no among two outweighs the yes', async () => {
    const votes = [
      votedBy(alice, approval, rig.clock),
      votedBy(bob, approval, rig.clock, { verdict: 'deny' }),
    ];

    await expectRefused(comeBack(votes), /console:bob denied it/);
  });

  it('of the requester do not count', async () => {
    await expectRefused(comeBack([votedBy(owner, approval, rig.clock)]), /console:owner does not count/);
  });

  it('of a requester under another account of the same person do not count', async () => {
    const mine = await askRestart(rig, { requests: [asked(rig.clock, alice)] });
    const other = { platform: 'slack', id: 'U1', name: 'Alice in Slack' } as const;

    await expectRefused(
      call(rig, 'execute_command', restart, {
        requests: [asked(rig.clock, alice)],
        grant: { sealed: mine.sealed, votes: [votedBy(other, mine, rig.clock)] },
      }),
      /You asked for this yourself/,
    );
  });

  it('of somebody removed from the policy since do not count', async () => {
    const votes = [votedBy(alice, approval, rig.clock)];
    rig.given.policy = { ...policy, approve: policy.approve.map((r) => ({ ...r, who: ['Bob'] })) };

    await expectRefused(comeBack(votes), /not among those who may decide/);
  });

  it('do not help when the requester may no longer ask', async () => {
    const votes = [votedBy(alice, approval, rig.clock)];
    rig.given.policy = { ...policy, ask: policy.ask.map((r) => ({ ...r, who: ['Alice'] })) };

    await expectRefused(comeBack(votes), /No rule lets Owner ask/);
  });

  it('two of one person are one; a critical command needs two people', async () => {
    const reboot = { command_name: 'reboot' };
    const outcome = await call(rig, 'execute_command', reboot, { callId: callIdFor(run, 3) });
    if (outcome.kind !== 'approval') throw new Error('expected a question');
    const { request } = outcome;
    const slackAlice = { platform: 'slack', id: 'U1', name: 'Alice' } as const;
    const again = (...votes: SignedVote[]) =>
      call(rig, 'execute_command', reboot, {
        callId: callIdFor(run, 3),
        grant: { sealed: request.sealed, votes },
      });

    await expectRefused(
      again(votedBy(alice, request, rig.clock), votedBy(slackAlice, request, rig.clock)),
      /needs the approval of 2 people and has that of 1/,
    );
    expect(await again(votedBy(alice, request, rig.clock), votedBy(bob, request, rig.clock))).toMatchObject({
      kind: 'result',
    });
  });
});

describe('a sealed state', () => {
  it('is refused after its time', async () => {
    const votes = [votedBy(alice, approval, rig.clock)];
    rig.clock.advance(600_000);

    await expectRefused(comeBack(votes), /expired/);
  });

  it('is refused for another call of the same run', async () => {
    await expectRefused(
      comeBack([votedBy(alice, approval, rig.clock)], { callId: callIdFor(run, 1) }),
      /belongs to another call/,
    );
  });

  it.each([
    (s: string) => `${s.slice(0, -2)}AA`,
    (s: string) => s.slice(0, 60),
    () => 's1.',
    () => '',
    () => 'x'.repeat(40_000),
  ])('that was tampered with is refused (%#)', async (tamper) => {
    const votes = [votedBy(alice, approval, rig.clock)];

    await expectRefused(
      comeBack(votes, { grant: { sealed: tamper(approval.sealed), votes } }),
      /not made here/,
    );
  });

  it('is refused when the request of one who asked is left out', async () => {
    const late = asked(rig.clock, bob, { at: rig.clock.now() + 1000 });

    await expectRefused(
      comeBack([votedBy(alice, approval, rig.clock)], { requests: [late] }),
      /request of console:owner, who asked for this, is missing/,
    );
  });
});
