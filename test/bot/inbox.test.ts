import { describe, expect, it } from 'vitest';
import { createInbox } from '../../src/bot/inbox.ts';
import type { Conversation, Mention } from '../../src/core/conversation.ts';
import { callIdFor, runIdFor } from '../../src/core/ids.ts';
import type { Run } from '../../src/core/run.ts';
import { agentSpoke, claim, end, settleCall } from '../../src/core/run-changes.ts';
import { type SignedOrder, verifier } from '../../src/core/signed.ts';
import { fixedClock } from '../fakes/fixed-clock.ts';
import { memoryAudit } from '../fakes/memory-audit.ts';
import { createMemoryRunQueue } from '../fakes/memory-run-queue.ts';
import { createMemoryRunStore } from '../fakes/memory-run-store.ts';
import { ann, bob, carl, stranger, teamPolicy } from '../fakes/policy.ts';
import { testKeys, testSign } from '../fakes/requests.ts';

const c1: Conversation = { platform: 'slack', channel: 'C1', thread: '100.1' };

function setUp(policy = teamPolicy) {
  const clock = fixedClock();
  const store = createMemoryRunStore();
  const queue = createMemoryRunQueue(clock);
  const audit = memoryAudit();
  const advanced: string[] = [];
  const problems: string[] = [];
  const orders: SignedOrder[] = [];
  void queue.consume(async (id) => {
    advanced.push(id);
  });
  const inbox = createInbox({
    store,
    queue,
    audit,
    clock,
    policy: () => policy,
    sign: testSign,
    order: async (order) => {
      orders.push(order);
      return { ok: true, text: `${order.statement.order} obeyed` };
    },
    commands: () => [
      { name: 'disk_usage', category: 'disk', risk: 'read' },
      { name: 'restart_service', category: 'service', risk: 'change' },
    ],
    hosts: () => [{ name: 'web-1', tags: ['web'] }],
    policyProblems: () => problems,
  });
  const mention = (over: Partial<Mention> = {}): Mention => ({
    eventId: 'Ev1',
    conversation: c1,
    user: ann,
    groups: [],
    text: 'disk?',
    at: clock.now(),
    addressed: true,
    opensThread: true,
    ...over,
  });
  const only = (): Run => {
    const [run, ...others] = store.all();
    if (!run || others.length > 0) throw new Error(`${store.all().length} runs`);
    return run;
  };
  const endIt = (run: Run) => store.update(run.id, (r) => end(r, { kind: 'finished' }, clock.now()));
  return { clock, store, queue, audit, inbox, mention, advanced, only, endIt, problems, orders };
}

describe('a mention', () => {
  it('becomes a queued run, signed, audited and advanced', async () => {
    const { inbox, mention, only, audit, advanced, queue } = setUp();

    const received = await inbox.mentioned(mention());
    await queue.idle();

    const run = only();
    expect(received).toEqual({ kind: 'accepted', runId: run.id });
    expect(run.state.kind).toBe('queued');
    expect(run.turns).toMatchObject([{ kind: 'person', text: 'disk?', user: ann }]);
    expect(run.requests.every(verifier(testKeys.publicPem))).toBe(true);
    expect(audit.events).toMatchObject([{ kind: 'request.accepted', runId: run.id, who: 'slack:U_ANN' }]);
    expect(advanced).toEqual([run.id]);
  });

  it('delivered three times is one run', async () => {
    const { inbox, mention, store, endIt, only } = setUp();

    const first = await inbox.mentioned(mention());
    await inbox.mentioned(mention());
    await endIt(only());
    const third = await inbox.mentioned(mention());

    expect(store.all()).toHaveLength(1);
    expect(third).toEqual(first);
  });

  it('delivered twice at once is one run', async () => {
    const { inbox, mention, store } = setUp();

    await Promise.all([inbox.mentioned(mention()), inbox.mentioned(mention())]);

    expect(store.all()).toHaveLength(1);
  });

  it('by somebody without a rule is refused with the line to add, audited, and kept nowhere', async () => {
    const { inbox, mention, store, audit } = setUp();

    const received = await inbox.mentioned(mention({ user: stranger }));

    expect(received.kind).toBe('refused');
    expect(received).toMatchObject({ text: expect.stringContaining('slack: "U_STRANGER"') });
    expect(store.all()).toEqual([]);
    expect(audit.events).toMatchObject([{ kind: 'request.refused', who: 'slack:U_STRANGER' }]);
  });

  it('in a channel that the rule does not name is refused', async () => {
    const { inbox, mention } = setUp();

    const received = await inbox.mentioned(mention({ user: carl, conversation: { ...c1, channel: 'C2' } }));

    expect(received.kind).toBe('refused');
  });

  it('that cannot be audited is not kept', async () => {
    const { inbox, mention, store, audit } = setUp();
    audit.full = true;

    await expect(inbox.mentioned(mention())).rejects.toMatchObject({ problem: { code: 'audit-unwritable' } });
    expect(store.all()).toEqual([]);
  });

  it('while a run works joins it, and a redelivery of it joins once', async () => {
    const { inbox, mention, store, only, clock } = setUp();
    await inbox.mentioned(mention());
    await store.update(only().id, (r) => claim(r, 'w', clock.now(), 5_000));

    const second = mention({ eventId: 'Ev2', text: 'and inodes', user: bob });
    const received = await inbox.mentioned(second);
    await inbox.mentioned(second);

    expect(received).toEqual({ kind: 'joined', runId: only().id });
    expect(only().joined.map((t) => t.text)).toEqual(['and inodes']);
    expect(only().requests.map((r) => r.statement.user.id)).toEqual(['U_ANN', 'U_BOB']);
  });

  it('after the run has ended begins another in the same thread', async () => {
    const { inbox, mention, store, only, endIt } = setUp();
    await inbox.mentioned(mention());
    await endIt(only());

    await inbox.mentioned(mention({ eventId: 'Ev2', opensThread: false }));

    expect(await store.history(c1, 10)).toHaveLength(2);
  });

  it('that asks for a command by name is a run of its own even while another works', async () => {
    const { inbox, mention, store } = setUp();
    await inbox.mentioned(mention());

    await inbox.mentioned(mention({ eventId: 'Ev2', direct: { command: 'disk_usage', params: {} } }));

    expect(store.all().map((r) => r.direct?.command)).toEqual([undefined, 'disk_usage']);
  });
});

describe('plain talk in a thread', () => {
  const talk = { eventId: 'Ev2', addressed: false, opensThread: false, text: 'and memory?' };

  it('is taken up where the thread began with a mention', async () => {
    const { inbox, mention, only, endIt } = setUp();
    await inbox.mentioned(mention());
    await endIt(only());

    expect(await inbox.mentioned(mention(talk))).toMatchObject({ kind: 'accepted' });
  });

  it('is left alone in a thread among people into which we were called', async () => {
    const { inbox, mention, only, endIt } = setUp();
    await inbox.mentioned(mention({ opensThread: false }));
    await endIt(only());

    expect(await inbox.mentioned(mention(talk))).toEqual({ kind: 'ignored' });
  });

  it('is taken up in an incident channel once we were called there, and not before', async () => {
    const { inbox, mention, only, endIt } = setUp();
    const conversation = { ...c1, channel: 'C_INCIDENTS' };

    const before = await inbox.mentioned(mention({ ...talk, conversation }));
    await inbox.mentioned(mention({ conversation, opensThread: false }));
    await endIt(only());
    const after = await inbox.mentioned(mention({ ...talk, conversation, eventId: 'Ev3' }));

    expect([before.kind, after.kind]).toEqual(['ignored', 'accepted']);
  });

  it('by somebody without rights is ignored without a word', async () => {
    const { inbox, mention, audit } = setUp();
    await inbox.mentioned(mention());

    expect(await inbox.mentioned(mention({ ...talk, user: stranger }))).toEqual({ kind: 'ignored' });
    expect(audit.events.map((e) => e.kind)).toEqual(['request.accepted']);
  });
});

describe('a bare word', () => {
  it.each(['help', 'Help!', 'status', 'STATUS.'])(
    '%s is answered by the bot and makes no run',
    async (text) => {
      const { inbox, mention, store } = setUp();

      expect((await inbox.mentioned(mention({ text }))).kind).toBe('answered');
      expect(store.all()).toEqual([]);
    },
  );

  it('help shows what this person may run here, and what they may ask for', async () => {
    const { inbox, mention } = setUp();
    const help = async (over: Partial<Mention>) => {
      const received = await inbox.mentioned(mention({ text: 'help', ...over }));
      return received.kind === 'answered' ? received.text : received.kind;
    };

    expect(await help({ user: ann })).toMatch(/run here: disk_usage\.\n.*ask here for: restart_service\./);
    const carls = await help({ user: carl });
    expect([carls.includes('disk_usage'), carls.includes('restart_service')]).toEqual([true, false]);
    expect(await help({ user: carl, conversation: { ...c1, channel: 'C2' } })).toBe('refused');
  });

  it('help and status tell an admin, and nobody else, that an edit of the policy was not taken', async () => {
    const { inbox, mention, problems } = setUp({ ...teamPolicy, admins: ['ann'] });
    const said = async (user: typeof ann, text: string) => {
      const received = await inbox.mentioned(mention({ text, user }));
      return received.kind === 'answered' ? received.text : '';
    };
    expect(await said(ann, 'status')).not.toMatch(/policy/);

    problems.push('config/policy.yaml:3:1 — unknown-key: aks is not a key here');

    expect(await said(ann, 'status')).toMatch(/edited and not taken.*\n.*policy\.yaml:3:1/);
    expect(await said(ann, 'help')).toMatch(/policy\.yaml:3:1/);
    expect(await said(bob, 'status')).not.toMatch(/policy/);
  });

  it('stop marks the runs of this thread and of no other', async () => {
    const { inbox, mention, store } = setUp();
    await inbox.mentioned(mention());
    await inbox.mentioned(mention({ eventId: 'Ev9', conversation: { ...c1, thread: '200.1' } }));

    const received = await inbox.mentioned(mention({ eventId: 'Ev2', text: 'stop', user: bob }));

    expect(received).toEqual({ kind: 'answered', text: 'Stopping.' });
    expect(store.all().map((r) => r.stop?.by.id)).toEqual(['U_BOB', undefined]);
  });

  it('is not one inside a sentence', async () => {
    const { inbox, mention } = setUp();

    expect((await inbox.mentioned(mention({ text: 'stop nginx' }))).kind).toBe('accepted');
  });
});

describe('the Stop button', () => {
  it('stops for who may ask here and refuses a stranger', async () => {
    const { inbox, mention, only } = setUp();
    await inbox.mentioned(mention());
    const runId = only().id;

    const refused = await inbox.stopped({ runId, user: stranger, groups: [] });
    expect([refused.kind, only().stop]).toEqual(['refused', undefined]);

    const stopped = await inbox.stopped({ runId, user: bob, groups: [] });
    expect([stopped.kind, only().stop?.by.id]).toEqual(['answered', 'U_BOB']);
  });
});

describe('an order in chat', () => {
  it.each([
    ['freeze', { order: 'freeze' }],
    ['/Freeze: the database is being moved', { order: 'freeze', reason: 'the database is being moved' }],
    ['unfreeze.', { order: 'unfreeze' }],
    ['revoke', { order: 'revoke' }],
  ])('"%s" is signed and handed to the whitelist server, which alone obeys', async (text, statement) => {
    const { inbox, mention, orders, only: _, store } = setUp();

    const received = await inbox.mentioned(mention({ text }));

    expect(received).toMatchObject({ kind: 'answered', text: `${statement.order} obeyed` });
    expect(orders).toMatchObject([{ statement: { kind: 'order', ...statement, user: ann } }]);
    expect(orders.every(verifier(testKeys.publicPem))).toBe(true);
    expect(store.all()).toEqual([]);
  });

  it.each(['freeze', 'unfreeze'])(
    '"%s" is handed over for an admin who may ask for nothing there, "revoke" is not',
    async (text) => {
      const { inbox, mention, orders } = setUp({ ...teamPolicy, admins: ['slack:U_BOSS'] });
      const user = { platform: 'slack', id: 'U_BOSS', name: 'boss' } as const;

      expect(await inbox.mentioned(mention({ text, user }))).toMatchObject({ kind: 'answered' });
      expect(await inbox.mentioned(mention({ text: 'revoke', user }))).toMatchObject({ kind: 'refused' });
      expect(orders).toMatchObject([{ statement: { order: text, user } }]);
    },
  );

  it('is handed over for nobody else who may ask for nothing there', async () => {
    const { inbox, mention, orders } = setUp();

    expect(await inbox.mentioned(mention({ text: 'freeze', user: stranger }))).toMatchObject({
      kind: 'refused',
    });
    expect(orders).toEqual([]);
  });

  it('is only the bare word: "freeze the release branch" is a question', async () => {
    const { inbox, mention, orders } = setUp();

    await inbox.mentioned(mention({ text: 'freeze the release branch' }));

    expect(orders).toEqual([]);
  });
});

describe('undo', () => {
  const ran = {
    command: 'stop_service',
    host: 'web-1',
    line: 'systemctl stop nginx',
    end: { kind: 'exited', code: 0 },
    ms: 1,
    output: '',
    truncated: false,
    undo: { command: 'start_service', params: { service_name: 'nginx' } },
  } as const;

  async function changed() {
    const all = setUp();
    await all.inbox.mentioned(all.mention());
    const call = { modelId: 'm', tool: 'execute_command', args: {} };
    const callId = callIdFor(all.only().id, 0);
    const result = { text: '', isError: false, ran: [ran] };
    await all.store.update(all.only().id, (r) =>
      settleCall(agentSpoke(r, { text: '', calls: [call] }, {}, 1), callId, { kind: 'done', result, ms: 1 }),
    );
    await all.endIt(all.only());
    const press = {
      eventId: 'Ev-undo',
      callId,
      host: 'web-1',
      user: ann,
      groups: [],
      conversation: c1,
      at: 5_000,
    };
    return { ...all, press };
  }

  it('asks for the command that reverses it, with its values on its host, as a request of its own', async () => {
    const { inbox, press, store } = await changed();

    expect(await inbox.undone(press)).toMatchObject({ kind: 'accepted' });
    expect(await inbox.undone(press)).toMatchObject({ kind: 'accepted' });

    const [, undo, ...more] = store.all();
    expect(more).toEqual([]);
    expect(undo?.direct).toEqual({ ...ran.undo, host: 'web-1' });
    expect(undo?.requests[0]?.statement.user).toEqual(ann);
  });

  it.each([
    ['another host', { host: 'web-2' }],
    ['another thread', { conversation: { ...c1, thread: '999' } }],
    ['a call that is not there', { callId: callIdFor(runIdFor('slack', 'other'), 0) }],
  ])('of %s is refused', async (_, over) => {
    const { inbox, press } = await changed();

    expect(await inbox.undone({ ...press, ...over })).toMatchObject({ kind: 'refused' });
  });

  it('is refused to somebody who may not ask here', async () => {
    const { inbox, press } = await changed();

    expect(await inbox.undone({ ...press, user: stranger })).toMatchObject({ kind: 'refused' });
  });
});

describe('somebody whom the platform itself rules out', () => {
  it('is kept on record with what they tried and what they were told; nothing else comes of it', async () => {
    const { inbox, audit, store } = setUp();

    await inbox.refused({
      user: stranger,
      conversation: c1,
      what: 'decision',
      why: 'Guests cannot use opsagent.',
    });

    expect(audit.events).toEqual([
      {
        kind: 'request.refused',
        who: 'slack:U_STRANGER',
        data: { in: 'slack/C1/100.1', what: 'decision', why: 'Guests cannot use opsagent.' },
      },
    ]);
    expect(store.all()).toEqual([]);
  });
});
