/**
 * Cards, clicks and the real inbox together, on Slack and on Discord: a click decides what was shown or nothing, the
 * person alone is told, and the audit log has a line of it.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createInbox } from '../../src/bot/inbox.ts';
import { type Approval, approvalDigest } from '../../src/core/approval.ts';
import type { CallId } from '../../src/core/ids.ts';
import { approvalIdFor, callIdFor } from '../../src/core/ids.ts';
import type { Policy } from '../../src/core/policy.ts';
import { allCalls, findApproval, type Run } from '../../src/core/run.ts';
import { agentSpoke, askApproval, notePost, release, settleCall } from '../../src/core/run-changes.ts';
import { draw } from '../../src/core/view.ts';
import type { AdapterHarness } from '../contract/chat-adapter.ts';
import { until } from '../contract/until.ts';
import { changed, target } from '../contract/views.ts';
import { fixedClock } from '../fakes/fixed-clock.ts';
import { memoryAudit } from '../fakes/memory-audit.ts';
import { createMemoryRunQueue } from '../fakes/memory-run-queue.ts';
import { createMemoryRunStore } from '../fakes/memory-run-store.ts';
import { teamPolicy } from '../fakes/policy.ts';
import { testRun, testSign } from '../fakes/requests.ts';
import { discordHarness } from './discord/harness.ts';
import { createHarness } from './slack/harness.ts';

const platforms: readonly [string, () => Promise<AdapterHarness>][] = [
  ['Slack', createHarness],
  ['Discord', () => discordHarness()],
];

describe.each(platforms)('on %s', (_, create) => {
  let h: AdapterHarness;
  let s: Awaited<ReturnType<typeof setUp>>;
  beforeEach(async () => {
    h = await create();
    s = await setUp(h);
  });
  afterEach(() => h.close());

  const ada = () => h.people[0];
  const grace = () => h.people[1];
  const told = async (words: string) => {
    const to = async () => (await h.seen(h.thread)).filter((m) => m.text.includes(words) && m.privateTo);
    await until(`somebody is told: ${words}`, async () => (await to()).length > 0);
    return (await to()).map((m) => m.privateTo);
  };
  const refusals = () => s.audit.events.filter((e) => e.kind === 'approval.refused');

  it('an Approve is counted once; whoever comes later is told who decided', async () => {
    await h.click(h.thread, s.first, 'Approve', grace());
    await until('the verdict', async () => (await s.approval(s.first))?.verdict === 'approved');
    await h.click(h.thread, s.first, 'Approve', grace());

    expect(await told('Already approved by')).toEqual([grace()]);
    expect(s.audit.events.filter((e) => e.kind === 'approval.voted')).toHaveLength(1);
    expect(refusals()).toHaveLength(1);
  });

  it('who asked cannot approve, is told alone, and it is put on record', async () => {
    await h.click(h.thread, s.first, 'Approve', ada());
    await until('the refusal', () => refusals().length === 1);

    expect((await s.approval(s.first))?.verdict).toBe('pending');
    expect(refusals()[0]?.who).toBe(`${h.adapter.platform}:${ada()}`);
    expect(await told('asked for this')).toEqual([ada()]);
  });

  it('a card that shows anything else than what would run decides nothing', async () => {
    const shown = (await s.approval(s.first))?.digest.slice(0, 32);
    await s.change((approval) => ({ ...approval, subject: { ...approval.subject, line: 'rm -rf /' } }));
    await h.click(h.thread, s.first, 'Approve', grace());

    expect(await told('This card does not show what would run')).toEqual([grace()]);
    expect((await s.approval(s.first))?.verdict).toBe('pending');
    expect(refusals()[0]?.data).toMatchObject({ shown });
  });

  it('a button without a digest decides nothing', async () => {
    await h.pressWithoutDigest(h.thread, s.first, grace());

    expect(await told('This card does not show what would run')).toEqual([grace()]);
    expect((await s.approval(s.first))?.verdict).toBe('pending');
    expect(refusals()).toHaveLength(1);
  });

  it('a copy of a card decides nothing', async () => {
    await h.adapter.post(h.thread, 'a-copy', s.view(s.first), false);
    await h.click(h.thread, 'a-copy', 'Approve', grace());

    expect(await told('moved or copied')).toEqual([grace()]);
    expect((await s.approval(s.first))?.verdict).toBe('pending');
    expect(refusals()).toHaveLength(1);
  });

  it('Approve all decides all of the run that were open, and nothing when one was added since', async () => {
    await s.add(2);
    await h.click(h.thread, s.first, 'Approve all', grace());
    expect(await told('are not those that this card showed')).toEqual([grace()]);
    expect((await s.approval(s.second))?.verdict).toBe('pending');

    await h.adapter.post(h.thread, s.first, s.view(s.first), false);
    await h.click(h.thread, s.first, 'Approve all', grace());
    await until('all verdicts', async () =>
      (await s.all()).every((approval) => approval.verdict === 'approved'),
    );
    expect(await s.all()).toHaveLength(3);
  });

  it('a window is part of the vote that is signed, and the decided card says so', async () => {
    await h.click(h.thread, s.first, 'Approve + 60 min', grace());
    await until('the verdict', async () => (await s.approval(s.first))?.verdict === 'approved');

    expect((await s.approval(s.first))?.votes[0]?.statement).toMatchObject({ windowMinutes: 60 });
    await h.adapter.post(h.thread, s.first, s.view(s.first), false);
    const card = (await h.seen(h.thread)).find((m) => m.text.includes('restart nginx-0'));
    expect(card?.text).toContain('60 min');
    expect(card?.buttons).toEqual([]);
  });

  it('Undo becomes one request of its own by whoever pressed, with the values filled in', async () => {
    await s.ran();
    await h.adapter.post(h.thread, 'k1', s.segment(), false);
    await h.click(h.thread, 'k1', 'Undo', grace());
    await until('the request', () => s.store.all().length === 2);

    const undo = s.store.all().find((r) => r.direct);
    expect(undo?.direct).toEqual({
      command: 'start_service',
      params: { service_name: 'nginx' },
      host: 'web-1',
    });
    expect(undo?.conversation).toEqual(h.thread);
    expect(undo?.requests.map((r) => r.statement.user.id)).toEqual([grace()]);
  });
});

/** Ada has asked for two restarts in the thread; both cards are posted and the inbox is real. */
async function setUp(h: AdapterHarness) {
  const clock = fixedClock();
  const store = createMemoryRunStore();
  const queue = createMemoryRunQueue(clock);
  const audit = memoryAudit();
  const inbox = createInbox({
    store,
    queue,
    audit,
    clock,
    policy: () => policyOf(h),
    sign: testSign,
    order: async () => ({ ok: true, text: '' }),
    commands: () => [],
    hosts: () => [],
  });

  const user = { platform: h.adapter.platform, id: h.people[0], name: 'Ada' };
  const empty = testRun('asked', 'restart all', { user, conversation: h.thread });
  const ids = [0, 1, 2].map((n) => approvalIdFor(callIdFor(empty.id, n)));
  const [first = ids[0], second] = ids;
  if (!first || !second) throw new Error('no ids');
  const calls = [0, 1, 2].map((n) => ({ modelId: `m${n}`, tool: 'execute_command', args: { n } }));
  let run: Run = agentSpoke(empty, { text: 'They hang.', calls }, {}, 1_000);
  const ask = (n: number) => {
    run = release(askApproval(run, question(run, n), 'it hangs'), 'waiting', 2_000);
  };
  ask(0);
  ask(1);
  const view = (id: string) => {
    const drawing = draw(run).find((d) => d.key === id);
    if (!drawing) throw new Error(`nothing is drawn as ${id}`);
    return drawing.view;
  };
  for (const id of [first, second]) {
    const ref = await h.adapter.post(h.thread, id, view(id), false);
    run = notePost(run, { key: id, ref });
  }
  await store.create(run);
  await h.adapter.start(inbox);

  /** Reads the run back, so that what is drawn is what is kept. */
  async function now(): Promise<Run> {
    run = (await store.load(run.id)) ?? run;
    return run;
  }
  return {
    store,
    audit,
    first,
    second,
    view,
    approval: async (id: typeof first) => findApproval(await now(), id),
    all: async () => allCalls(await now()).flatMap((c) => (c.approval ? [c.approval] : [])),
    segment: () => view(`${run.id}.s0`),
    /** Asks for one more, as the agent does while cards stand open. */
    async add(n: number) {
      await store.update(run.id, (r) => askApproval(r, question(r, n), 'it hangs'));
      await now();
    },
    /** The first question is another one now, with a digest of its own. */
    async change(how: (approval: Approval) => Approval) {
      await store.update(run.id, (r) => ({
        ...r,
        turns: r.turns.map((t) =>
          t.kind === 'agent'
            ? {
                ...t,
                calls: t.calls.map((c) =>
                  c.approval?.id === first ? { ...c, approval: altered(how(c.approval)) } : c,
                ),
              }
            : t,
        ),
      }));
    },
    async ran() {
      const id: CallId = callIdFor(run.id, 2);
      const result = { text: 'restarted', isError: false, ran: [changed()] };
      await store.update(run.id, (r) => settleCall(r, id, { kind: 'done', result, ms: 12 }));
      await now();
    },
  };
}

function altered(approval: Approval): Approval {
  return { ...approval, digest: approvalDigest(approval) };
}

function question(run: Run, n: number) {
  const callId = callIdFor(run.id, n);
  const asked = {
    id: approvalIdFor(callId),
    callId,
    runId: run.id,
    subject: {
      command: 'restart_service',
      description: 'Restart a service',
      line: `systemctl restart nginx-${n}`,
      targets: [target()],
      risk: 'change',
    },
    rule: { name: 'oncall-approves', approvers: ['oncall'], people: 1, requesterMay: false },
    binding: 'b'.repeat(64),
    askedAt: 2_000,
    expiresAt: Number.MAX_SAFE_INTEGER - 1,
  } as const;
  return { ...asked, digest: approvalDigest(asked), sealed: 'sealed' };
}

function policyOf({ adapter, people }: AdapterHarness): Policy {
  const [ada, grace] = people.map((id) => `${adapter.platform}:${id}`);
  return {
    ...teamPolicy,
    people: [
      { name: 'ann', accounts: [ada ?? ''] },
      { name: 'bob', accounts: [grace ?? ''] },
    ],
  };
}
