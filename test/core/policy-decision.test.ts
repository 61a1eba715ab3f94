/**
 * The one policy function: a matrix of who, what, where; what a refusal tells; and what must hold for any policy.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Risk } from '../../src/core/command.ts';
import type { Conversation } from '../../src/core/conversation.ts';
import { type AskedCommand, type Asker, type AskRule, noPolicy, type Policy } from '../../src/core/policy.ts';
import { commandsFor, decide } from '../../src/core/policy-decision.ts';

const runs = process.env.CHECK_DEEP ? 10_000 : 300;
const by = (account: string, ...groups: string[]): Asker => ({ account, groups });
const c1: Conversation = { platform: 'slack', channel: 'C1', thread: 't' };
const web = { name: 'web-1', tags: ['web'] };
const db = { name: 'db-1', tags: ['db'] };

const command = (name: string, risk: Risk, over: Partial<AskedCommand> = {}): AskedCommand => ({
  name,
  category: 'service',
  risk,
  params: [{ name: 'service' }],
  ...over,
});
const restart = command('restart_service', 'change', { probe: 'service_status' });
const status = command('service_status', 'read');
const catalogue = [
  command('failed_services', 'read', { params: [] }),
  command('service_logs', 'read'),
  status,
  restart,
  command('stop_service', 'critical'),
  command('disk_usage', 'read', { category: 'disk', params: [] }),
  command('vacuum', 'change', { category: 'disk', probe: 'journal_size' }),
  command('journal_size', 'read', { category: 'logs' }),
];

const policy: Policy = {
  ...noPolicy,
  people: [
    { name: 'alice', accounts: ['slack:U1', 'discord:1'] },
    { name: 'bob', accounts: ['slack:U2'] },
    { name: 'carl', accounts: ['slack:U3'] },
  ],
  groups: [
    { name: 'oncall', people: ['bob'], platformGroups: ['slack:S1'] },
    { name: 'dba', people: ['alice'], platformGroups: ['discord:9'] },
  ],
  ask: [
    { name: 'web-ops', who: ['oncall'], risk: ['read', 'change'], hosts: ['@web'], channels: ['slack:C1'] },
    { name: 'reads', who: ['alice', 'bob'], risk: ['read'], hosts: ['all'], categories: ['service'] },
    {
      name: 'dba-all',
      who: ['dba'],
      risk: ['change', 'critical'],
      hosts: ['@db'],
      commands: ['restart_service', 'stop_service'],
    },
  ],
  approve: [
    {
      name: 'web',
      risk: ['change'],
      hosts: ['@web'],
      who: ['oncall'],
      people: 1,
      requesterMay: false,
      waitSeconds: 60,
    },
    {
      name: 'two-teams',
      risk: ['change', 'critical'],
      hosts: ['@db'],
      who: ['oncall', 'dba'],
      each: [
        { who: ['oncall'], people: 1 },
        { who: ['dba'], people: 2 },
      ],
      people: 1,
      requesterMay: true,
      waitSeconds: 60,
    },
  ],
};

describe('the matrix', () => {
  it.each([
    ['oncall', 'restart_service', web, c1, 'ask', 'web'],
    ['oncall', 'service_status', web, c1, 'allow', 'web-ops'],
    ['oncall', 'restart_service', db, c1, 'refuse', 'web-ops'],
    ['oncall', 'restart_service', web, { ...c1, channel: 'C2' }, 'refuse', 'web-ops'],
    ['oncall', 'restart_service', web, undefined, 'refuse', 'web-ops'],
    ['oncall', 'stop_service', web, c1, 'refuse', 'web-ops'],
    ['usergroup', 'restart_service', web, c1, 'ask', 'web'],
    ['usergroup elsewhere', 'restart_service', web, c1, 'refuse', 'default-deny'],
    ['alice', 'service_status', db, c1, 'allow', 'reads'],
    ['alice', 'disk_usage', db, c1, 'refuse', 'reads'],
    ['alice', 'restart_service', db, c1, 'ask', 'two-teams'],
    ['alice', 'stop_service', db, undefined, 'ask', 'two-teams'],
    ['alice', 'stop_service', web, c1, 'refuse', 'dba-all'],
    ['alice', 'vacuum', db, c1, 'refuse', 'dba-all'],
    ['carl', 'service_status', web, c1, 'refuse', 'default-deny'],
    ['mcp', 'service_status', web, undefined, 'refuse', 'default-deny'],
  ] as const)('%s, %s: %#', (who, name, host, conversation, kind, rule) => {
    const asker = {
      oncall: by('slack:U2'),
      usergroup: by('slack:U77', 'slack:S1'),
      'usergroup elsewhere': by('discord:77', 'discord:S1'),
      alice: by('discord:1'),
      carl: by('slack:U3'),
      mcp: by('mcp'),
    }[who];
    const asked = catalogue.find((c) => c.name === name) ?? restart;

    const decision = decide(policy, [asker], { command: asked, host, conversation }, catalogue);

    expect(decision.kind).toBe(kind);
    expect(decision.kind === 'ask' ? decision.rule.name : decision.rule).toBe(rule);
  });
});

describe('a refusal', () => {
  const refused = (who: Asker, what: AskedCommand, host = web, p = policy) => {
    const decision = decide(p, [who], { command: what, host, conversation: c1 }, catalogue);
    if (decision.kind !== 'refuse') throw new Error(`expected a refusal, got ${decision.kind}`);
    return decision;
  };

  it('names who could, the rule that came nearest, and the read that shows the same', () => {
    expect(refused(by('slack:U1'), restart)).toEqual({
      kind: 'refuse',
      rule: 'dba-all',
      reason:
        'No rule lets alice ask for a change on web-1 here. dba-all is for the hosts @db, not web-1. ' +
        'Could ask for it: oncall. Allowed here: service_status.',
      whoCould: ['oncall'],
      nearest: 'service_status',
    });
  });

  it('prefers the probe of the command, whatever its category', () => {
    const vacuum = catalogue.find((c) => c.name === 'vacuum') ?? restart;
    const wide: Policy = {
      ...policy,
      ask: [{ name: 'reads', who: ['alice'], risk: ['read'], hosts: ['all'] }],
    };

    expect(refused(by('slack:U1'), vacuum, web, wide).nearest).toBe('journal_size');
  });

  it('offers nothing that would itself be refused or asked for', () => {
    expect(refused(by('slack:U3'), restart)).toMatchObject({ rule: 'default-deny', whoCould: ['oncall'] });
    expect(refused(by('slack:U3'), restart).nearest).toBeUndefined();
  });

  it('says so when nobody is named who could approve', () => {
    const emptied = { ...policy, approve: policy.approve.map((r) => ({ ...r, who: [] })) };

    expect(refused(by('slack:U2'), restart, web, emptied)).toMatchObject({
      rule: 'web',
      reason: expect.stringMatching(/names nobody who may give it\. Allowed here: service_status\./),
    });
  });
});

describe('the approval rule', () => {
  const rule = (what: AskedCommand, host = db) => {
    const decision = decide(policy, [by('slack:U1')], { command: what, host, conversation: c1 });
    return decision.kind === 'ask' ? decision.rule : decision;
  };

  it('of several groups wants as many people as they have places', () => {
    expect(rule(restart)).toMatchObject({ name: 'two-teams', people: 3 });
  });

  it('never lets the requester of something critical decide', () => {
    expect(rule(restart)).toMatchObject({ requesterMay: true });
    expect(rule(command('stop_service', 'critical'))).toMatchObject({ requesterMay: false });
  });

  it('that the command names counts instead of the first, and a read with one is asked for', () => {
    const wide: Policy = {
      ...policy,
      ask: [{ name: 'all', who: ['bob'], risk: ['read', 'change'], hosts: ['all'] }],
      approve: [
        ...policy.approve.toReversed(),
        {
          name: 'special',
          risk: ['change'],
          hosts: ['@web'],
          who: ['dba'],
          people: 1,
          requesterMay: false,
          waitSeconds: 60,
        },
      ],
    };
    const ask = (over: Partial<AskedCommand>, host = web) =>
      decide(wide, [by('slack:U2')], {
        command: { ...restart, approval: 'special', ...over },
        host,
        conversation: c1,
      });

    expect(ask({})).toMatchObject({ kind: 'ask', rule: { name: 'special' } });
    expect(ask({ risk: 'read' })).toMatchObject({ kind: 'ask', rule: { name: 'special' } });
    expect(ask({}, db)).toMatchObject({ kind: 'refuse', rule: 'special' });
    expect(ask({ risk: 'critical' })).toMatchObject({ kind: 'refuse' });
    expect(ask({ approval: 'gone' })).toMatchObject({ kind: 'refuse', rule: 'gone' });
  });
});

describe('commandsFor', () => {
  it('is what the person would not be refused on some host, in the catalogue’s scope', () => {
    const names = (who: Asker, conversation: Conversation | undefined, hosts = [web, db]) =>
      commandsFor(policy, [who], conversation, catalogue, hosts).map((c) => c.name);

    expect(names(by('slack:U2'), { ...c1, channel: 'C9' })).toEqual([
      'failed_services',
      'service_logs',
      'service_status',
    ]);
    expect(names(by('slack:U2'), c1, [web])).toContain('restart_service');
    expect(names(by('slack:U3'), c1)).toEqual([]);
    expect(commandsFor(policy, [by('slack:U1')], c1, [{ ...status, hosts: ['@db'] }], [web])).toEqual([]);
  });
});

const risks = ['read', 'change', 'critical'] as const;
const someOf = <T>(values: readonly T[]) => fc.subarray([...values]);
const accounts = ['slack:U1', 'slack:U2', 'discord:1', 'discord:2', 'console:owner'];
const askRule = fc.record({
  name: fc.constant('r'),
  who: someOf(['p1', 'p2', 'g1', 'g2', 'slack:U9', 'mcp']),
  risk: someOf(risks),
  hosts: someOf(['all', '@web', '@db', 'web-1']),
  channels: fc.oneof(fc.constant(undefined), someOf(['slack:C1', 'slack', 'console'])),
  commands: fc.oneof(fc.constant(undefined), someOf(['restart_service', 'service_status'])),
}) as fc.Arbitrary<AskRule>;
const anyPolicy: fc.Arbitrary<Policy> = fc.record({
  people: fc.constant([
    { name: 'p1', accounts: ['slack:U1', 'discord:1'] },
    { name: 'p2', accounts: ['slack:U2', 'discord:2'] },
  ]),
  groups: fc
    .tuple(someOf(['p1', 'p2']), someOf(['slack:S1', 'discord:9']))
    .map(([people, platformGroups]) => [
      { name: 'g1', people, platformGroups },
      { name: 'g2', people: [], platformGroups: [] },
    ]),
  ask: fc.array(askRule, { maxLength: 5 }).map((rules) => rules.map((r, i) => ({ ...r, name: `r${i}` }))),
  approve: someOf(['g1', 'p1']).map((who) => [
    {
      name: 'a',
      risk: ['change' as const],
      hosts: ['@web'],
      who,
      people: 1,
      requesterMay: false,
      waitSeconds: 60,
    },
    {
      name: 'b',
      risk: ['change' as const, 'critical' as const],
      hosts: ['all'],
      who: ['p2'],
      people: 1,
      requesterMay: false,
      waitSeconds: 60,
    },
  ]),
  incidentChannels: fc.constant([]),
});
const anyAsked = fc.record({
  command: fc.constantFrom(...catalogue),
  host: fc.constantFrom(web, db),
  conversation: fc.constantFrom(c1, { ...c1, channel: 'C2' }, undefined),
});
const anyAskers = fc.array(
  fc.record({
    account: fc.constantFrom(...accounts, 'slack:U9', 'mcp', 'mcp:ci'),
    groups: someOf(['slack:S1', 'discord:9']),
  }),
  { minLength: 1, maxLength: 3 },
);
const rank = { refuse: 0, ask: 1, allow: 2 } as const;

describe('any policy', () => {
  const verdict = (...args: Parameters<typeof decide>) => rank[decide(...args).kind];

  it('allows no more when an ask rule is removed, or anything is taken out of one of its lists', () => {
    fc.assert(
      fc.property(
        anyPolicy,
        anyAskers,
        anyAsked,
        fc.nat(),
        fc.constantFrom('who', 'risk', 'hosts', 'channels'),
        (p, askers, asked, at, key) => {
          const i = p.ask.length > 0 ? at % p.ask.length : 0;
          const without = { ...p, ask: p.ask.toSpliced(i, 1) };
          const less = {
            ...p,
            ask: p.ask.map((r, n) => (n === i && r[key] ? { ...r, [key]: r[key].slice(1) } : r)),
          };

          expect(verdict(without, askers, asked)).toBeLessThanOrEqual(verdict(p, askers, asked));
          expect(verdict(less, askers, asked)).toBeLessThanOrEqual(verdict(p, askers, asked));
        },
      ),
      { numRuns: runs },
    );
  });

  it('never allows a change without asking, whatever approval rules it has', () => {
    fc.assert(
      fc.property(anyPolicy, anyAskers, anyAsked, (p, askers, asked) => {
        const { kind } = decide(p, askers, asked);

        expect(asked.command.risk === 'read' || kind !== 'allow').toBe(true);
        expect(decide({ ...p, approve: [] }, askers, asked).kind).toBe(
          asked.command.risk === 'read' ? kind : 'refuse',
        );
      }),
      { numRuns: runs },
    );
  });

  it('decides the same when people and groups are added that no rule names', () => {
    fc.assert(
      fc.property(anyPolicy, anyAskers, anyAsked, (p, askers, asked) => {
        const more = {
          ...p,
          people: [...p.people, { name: 'new', accounts: ['slack:NEW'] }],
          groups: [...p.groups, { name: 'newgroup', people: ['p1', 'new'], platformGroups: ['slack:S1'] }],
        };

        expect(decide(more, askers, asked, catalogue)).toEqual(decide(p, askers, asked, catalogue));
      }),
      { numRuns: runs },
    );
  });

  it('decides the same by whichever account of a person', () => {
    fc.assert(
      fc.property(anyPolicy, anyAsked, (p, asked) => {
        const of = (account: string) => decide(p, [by(account)], asked, catalogue);

        expect(of('discord:1')).toEqual(of('slack:U1'));
      }),
      { numRuns: runs },
    );
  });

  it('gives several askers no more than the one of them who has least', () => {
    fc.assert(
      fc.property(anyPolicy, anyAskers, anyAsked, (p, askers, asked) => {
        const least = Math.min(...askers.map((a) => verdict(p, [a], asked)));

        expect(verdict(p, askers, asked)).toBe(least);
      }),
      { numRuns: runs },
    );
  });

  it('names as nearest only what it would allow', () => {
    fc.assert(
      fc.property(anyPolicy, anyAskers, anyAsked, (p, askers, asked) => {
        const decision = decide(p, askers, asked, catalogue);
        const named = decision.kind === 'refuse' ? decision.nearest : undefined;
        const nearest = catalogue.find((c) => c.name === named);

        expect(
          named === undefined ||
            (nearest && decide(p, askers, { ...asked, command: nearest }).kind === 'allow'),
        ).toBeTruthy();
      }),
      { numRuns: runs },
    );
  });
});

describe('a decision at 200 commands and 500 people', () => {
  const many = <T>(n: number, make: (i: number) => T) => Array.from({ length: n }, (_, i) => make(i));
  const commands = many(200, (i) =>
    command(`command_${i}`, i % 4 === 0 ? 'change' : 'read', { category: `c${i % 10}` }),
  );
  const large: Policy = {
    ...noPolicy,
    people: many(500, (i) => ({ name: `p${i}`, accounts: [`slack:U${i}`, `discord:${i}`] })),
    groups: many(20, (i) => ({
      name: `g${i}`,
      people: many(25, (n) => `p${i * 25 + n}`),
      platformGroups: [`slack:S${i}`],
    })),
    ask: many(40, (i) => ({
      name: `r${i}`,
      who: [`g${i % 20}`],
      risk: i % 2 ? (['read', 'change'] as const) : (['read'] as const),
      hosts: [`@t${i % 5}`],
      channels: [`slack:C${i % 7}`],
    })),
    approve: many(10, (i) => ({
      name: `a${i}`,
      risk: ['change'],
      hosts: [`@t${i}`],
      who: [`g${i}`],
      people: 1,
      requesterMay: false,
      waitSeconds: 60,
    })),
  };

  it('takes less than 50 µs in the middle', () => {
    const times: number[] = [];
    const kinds = new Set<string>();
    for (let i = 0; i < 20_000; i++) {
      const asked = {
        command: commands[i % 200] ?? restart,
        host: { name: 'h', tags: [`t${i % 5}`] },
        conversation: { ...c1, channel: `C${i % 7}` },
      };
      const who = [by(`slack:U${(i * 7) % 500}`, `slack:S${i % 20}`)];
      const began = process.hrtime.bigint();
      const decision = decide(large, who, asked, commands);
      times.push(Number(process.hrtime.bigint() - began) / 1000);
      kinds.add(decision.kind);
    }
    const sorted = times.toSorted((a, b) => a - b);
    const at = (q: number) => (sorted[Math.floor(q * sorted.length)] ?? 0).toFixed(1);
    process.stdout.write(`policy decision: median ${at(0.5)} µs, p95 ${at(0.95)} µs, p99 ${at(0.99)} µs\n`);

    expect([...kinds].sort()).toEqual(['allow', 'ask', 'refuse']);
    // Four times the target, for machines that do something else meanwhile.
    expect(Number(at(0.5))).toBeLessThan(200);
  });
});
