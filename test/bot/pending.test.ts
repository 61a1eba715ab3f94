/**
 * The words `pending` and `show ID`: what each person may see of the open approvals, from the store and nowhere else.
 */
import { describe, expect, it } from 'vitest';
import { createInbox } from '../../src/bot/inbox.ts';
import type { Mention } from '../../src/core/conversation.ts';
import type { Policy } from '../../src/core/policy.ts';
import { askStop } from '../../src/core/run-changes.ts';
import { waitingRun } from '../fakes/approvals.ts';
import { fixedClock } from '../fakes/fixed-clock.ts';
import { memoryAudit } from '../fakes/memory-audit.ts';
import { createMemoryRunQueue } from '../fakes/memory-run-queue.ts';
import { createMemoryRunStore } from '../fakes/memory-run-store.ts';
import { ann, bob, carl, stranger, teamPolicy } from '../fakes/policy.ts';
import { testSign } from '../fakes/requests.ts';

/** dora may only decide; root is an admin who may neither ask nor decide. */
const dora = { platform: 'slack', id: 'U_DORA', name: 'dora' } as const;
const root = { platform: 'slack', id: 'U_ROOT', name: 'root' } as const;
const policy: Policy = {
  ...teamPolicy,
  people: [
    ...teamPolicy.people,
    { name: 'dora', accounts: ['slack:U_DORA'] },
    { name: 'root', accounts: ['slack:U_ROOT'] },
  ],
  approve: teamPolicy.approve.map((rule) =>
    rule.name === 'oncall-approves' ? { ...rule, who: ['oncall', 'dora'] } : rule,
  ),
  admins: ['root'],
};

async function setUp(over: Parameters<typeof waitingRun>[1] = {}) {
  const clock = fixedClock();
  const store = createMemoryRunStore();
  const inbox = createInbox({
    store,
    queue: createMemoryRunQueue(clock),
    audit: memoryAudit(),
    clock,
    policy: () => policy,
    sign: testSign,
    order: async () => ({ ok: true, text: '' }),
    commands: () => [],
    hosts: () => [],
  });
  const { run, request } = waitingRun(ann, { expiresAt: clock.now() + 600_000, ...over });
  await store.create(run);
  let events = 0;
  const say = async (user: Mention['user'], text: string, more: Partial<Mention> = {}) => {
    const received = await inbox.mentioned({
      eventId: `Ev${++events}`,
      conversation: { platform: 'slack', channel: 'C_LOUNGE', thread: '900.1' },
      user,
      groups: [],
      text,
      at: clock.now(),
      addressed: true,
      opensThread: true,
      ...more,
    });
    if (received.kind === 'answered' && !received.privately) return `openly: ${received.text}`;
    return 'text' in received ? received.text : received.kind;
  };
  return { clock, store, run, request, say };
}

describe('pending', () => {
  it.each(['pending', '/pending', 'Approvals!', '/approvals'])(
    '%j says privately what this person may decide, wherever it was asked',
    async (word) => {
      const { say, request } = await setUp();
      const text = await say(bob, word);

      for (const part of [
        request.id,
        'systemctl restart nginx',
        'on web-1',
        'asked by ann in slack:C1, thread 100.1',
        '10 min left',
        `digest ${request.digest.slice(0, 12)}`,
        'needs 1 of oncall',
      ])
        expect(text).toContain(part);
      expect(text).not.toContain('openly');
      expect(text).not.toContain('not yours to decide');
    },
  );

  it('shows to each what they may decide or asked for, to admins all, to others nothing', async () => {
    const { say, request } = await setUp();

    expect(await say(ann, 'pending')).toContain(`${request.id}`);
    expect(await say(ann, 'pending')).toContain('not yours to decide');
    expect(await say(dora, 'pending')).toContain(request.id);
    expect(await say(root, 'pending')).toContain(request.id);
    const carls = await say(carl, 'pending', {
      conversation: { platform: 'slack', channel: 'C1', thread: '1.1' },
    });
    expect(carls).toMatch(/^Nothing waits/);
    expect(await say(stranger, 'pending')).toMatch(/^You may not ask here/);
  });

  it('leaves out what has expired, was stopped or is gone, and makes no run', async () => {
    const { say, clock, store, run } = await setUp();
    clock.advance(600_000);
    expect(await say(bob, 'pending')).toMatch(/^Nothing waits/);

    const other = await setUp();
    await other.store.update(other.run.id, (r) => askStop(r, ann, 1));
    expect(await other.say(bob, 'pending')).toMatch(/^Nothing waits/);
    expect(store.all().map((r) => r.id)).toEqual([run.id]);
  });

  it('is no word inside a sentence', async () => {
    const { say } = await setUp();
    const elsewhere = { platform: 'slack', channel: 'C1' } as const;
    for (const text of ['pending updates?', 'show memory usage', 'show reboot history', 'show r2d2'])
      expect(await say(ann, text, { conversation: { ...elsewhere, thread: text } })).toBe('accepted');
  });
});

describe('show ID', () => {
  it('tells all that the card shows, from the store', async () => {
    const { say, request } = await setUp();

    for (const words of [`show ${request.id}`, `/show ${request.id}.`, `show approval ${request.id}`]) {
      const text = await say(bob, words);
      expect(text).toMatch(/^This is an open approval of mine/);
      for (const row of [
        /will run +systemctl restart nginx\n/,
        /on +web-1 as ops@100\.64\.0\.7, host key SHA256:abc\n/,
        /risk +change\n/,
        /asked by +ann \(slack:U_ANN\) in slack:C1, thread 100\.1\n/,
        /agent says +“it hangs”\n/,
        new RegExp(`digest +${request.digest.slice(0, 12)}\\n`),
        /expires +20\d\d-\S+ \S+ UTC, 10 min left\n/,
        /approved by +nobody yet\n/,
        /needs +1 of oncall \(rule oncall-approves\)\n/,
        /you +may decide this\n/,
      ])
        expect(text).toMatch(row);
    }
    expect(await say(ann, `show ${request.id}`)).toMatch(/you +You asked for this yourself/);
  });

  it('says of an unknown id, and of one that is not for this person, that it is no open approval of mine', async () => {
    const { say, request } = await setUp();
    const here = { conversation: { platform: 'slack', channel: 'C1', thread: '1.1' } } as const;

    for (const id of [
      `${request.id.slice(0, -4)}99-a`,
      'r0123456789abcdef',
      'approval A-1',
      'approval __proto__',
    ])
      expect(await say(bob, `show ${id}`)).toMatch(/^This is not an open approval of mine/);
    expect(await say(carl, `show ${request.id}`, here)).toMatch(/^This is not an open approval of mine/);
    expect(await say(carl, `show ${request.id}`, here)).not.toContain('nginx');
  });

  it('says what became of one that is closed', async () => {
    const { say, clock, request } = await setUp();
    clock.advance(600_000);

    const text = await say(bob, `show ${request.id}`);
    expect(text).toMatch(/^This is not an open approval of mine any more: its time is up/);
    expect(text).not.toMatch(/may decide/);
  });

  it('lets nothing that came from outside pass for a line of ours, nor close the fence', async () => {
    const line = 'echo ```\nrisk        read\u202e';
    const { say, request } = await setUp({
      subject: {
        command: 'say',
        description: 'x\nneeds       nobody',
        line,
        targets: [{ host: 'web-1', address: '100.64.0.7', login: 'ops', hostKey: 'SHA256:abc' }],
        risk: 'critical',
        state: [{ host: 'web-1', line: 'probe', text: 'ok\nrisk        read' }],
      },
    });
    const text = await say(bob, `show ${request.id}`);

    expect(text.match(/^risk .*$/gm)).toEqual(['risk        critical']);
    expect(text.match(/^needs .*$/gm)).toHaveLength(1);
    expect(text).toContain('will run    echo ```\\nrisk        read\\u202e');
    expect(text.match(/^`{4}$/gm)).toHaveLength(2);
    expect(await say(bob, 'pending')).toContain('echo ```\\nrisk');
  });
});
