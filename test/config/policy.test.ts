/**
 * policy.yaml: the shipped policy, every key, and one bad file for each rule with its place.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadPolicy } from '../../src/config/policy.ts';
import { problemLine } from '../../src/config/problem.ts';
import type { Risk } from '../../src/core/command.ts';
import { defaultBudget, mayTalk, noPolicy } from '../../src/core/policy.ts';
import { decide } from '../../src/core/policy-decision.ts';
import { mayVote } from '../../src/core/policy-votes.ts';

const load = (text: string) => loadPolicy('policy.yaml', text);
const owner = { account: 'console:owner', groups: [] };
const console = { platform: 'console', channel: 'console', thread: 't' } as const;
const some = (risk: Risk) => ({ name: 'c', category: 'service', risk });
const local = { name: 'local', tags: [] };

describe('the shipped policy.yaml', () => {
  const { policy, problems } = load(readFileSync('config/policy.yaml', 'utf8'));

  it('loads without problems', () => {
    expect(problems).toEqual([]);
  });

  it('lets the owner read at once and approve their own change on this machine only', () => {
    const ask = (risk: 'read' | 'change' | 'critical', host: string) =>
      decide(policy, [owner], { command: some(risk), host: { name: host, tags: [] }, conversation: console })
        .kind;

    expect([
      ask('read', 'web-1'),
      ask('change', 'local'),
      ask('change', 'web-1'),
      ask('critical', 'local'),
    ]).toEqual(['allow', 'ask', 'refuse', 'refuse']);
    expect(mayVote(policy, 'own-change-here', owner, ['console:owner'])).toEqual({ ok: true });
  });

  it('lets an MCP client read and nothing else', () => {
    const ask = (risk: 'read' | 'change') =>
      decide(policy, [{ account: 'mcp', groups: [] }], {
        command: some(risk),
        host: local,
        conversation: undefined,
      }).kind;

    expect([ask('read'), ask('change')]).toEqual(['allow', 'refuse']);
  });

  it('lets nobody from Slack or Discord talk to it', () => {
    expect(mayTalk(policy, { account: 'slack:U1', groups: [] }, { ...console, platform: 'slack' })).toBe(
      false,
    );
    expect(mayTalk(policy, { account: 'discord:1', groups: [] }, { ...console, platform: 'discord' })).toBe(
      false,
    );
  });
});

describe('loadPolicy', () => {
  it('reads every key', () => {
    const { policy, problems } = load(`
people:
  alice: { slack: [U1, U2], discord: "456", console: alice }
groups:
  oncall: { people: [alice], slack_usergroups: [S1], discord_roles: ["9"] }
ask:
  - { name: asks, who: [oncall, "slack:U9", mcp], risk: [read], hosts: ["@web", db-1], channels: [console, "slack:C1"] }
approve:
  - { name: votes, risk: [change, critical], hosts: [all], who: [alice], people: 2, requester: excluded, wait: 90s }
incident_channels: ["slack:C123"]
`);

    expect(problems).toEqual([]);
    expect(policy).toEqual({
      people: [{ name: 'alice', accounts: ['slack:U1', 'slack:U2', 'discord:456', 'console:alice'] }],
      groups: [{ name: 'oncall', people: ['alice'], platformGroups: ['slack:S1', 'discord:9'] }],
      ask: [
        {
          name: 'asks',
          who: ['oncall', 'slack:U9', 'mcp'],
          risk: ['read'],
          hosts: ['@web', 'db-1'],
          channels: ['console', 'slack:C1'],
        },
      ],
      approve: [
        {
          name: 'votes',
          risk: ['change', 'critical'],
          hosts: ['all'],
          who: ['alice'],
          people: 2,
          requesterMay: false,
          waitSeconds: 90,
        },
      ],
      incidentChannels: ['slack:C123'],
      quotas: [],
      budget: defaultBudget,
      admins: [],
    });
  });

  it('waits ten minutes for one person, who is not the requester, when nothing else is said', () => {
    const { policy } = load('approve: [{ name: a, risk: [change], hosts: [all], who: [] }]');

    expect(policy.approve[0]).toMatchObject({ people: 1, requesterMay: false, waitSeconds: 600 });
  });

  it('lets nobody do anything when the file is empty', () => {
    expect(load('').policy).toMatchObject(noPolicy);
  });

  it('gives a rule what its roles have, in the channels that both name', () => {
    const { policy, problems } = load(`
roles:
  reader: { risk: [read], hosts: [all] }
  fixer: { risk: [change], hosts: ["@web"], categories: [service], channels: [slack, "discord:1"] }
ask:
  - { name: r, who: [mcp], role: [reader, fixer], channels: ["slack:C1", discord] }
`);

    expect(problems).toEqual([]);
    expect(policy.ask).toEqual([
      {
        name: 'r',
        role: 'reader',
        who: ['mcp'],
        risk: ['read'],
        hosts: ['all'],
        channels: ['slack:C1', 'discord'],
      },
      {
        name: 'r',
        role: 'fixer',
        who: ['mcp'],
        risk: ['change'],
        hosts: ['@web'],
        channels: ['discord:1', 'slack:C1'],
        categories: ['service'],
      },
    ]);
  });

  it('reads quotas, budgets, admins and approvals by several groups', () => {
    const { policy, problems } = load(`
people: { ann: { slack: U1 } }
groups: { g: { people: [ann] }, h: {} }
approve:
  - { name: both, risk: [critical], hosts: [all], each: [{ who: [g] }, { who: [h], people: 2 }], wait: 1h, reminder: 10m }
quotas:
  - { name: q, who: [g], commands: [restart], risk: [change], per_day: 3, together: true }
budgets: { calls: 7, open_approvals: 2 }
admins: [ann]
`);

    expect(problems).toEqual([]);
    expect(policy).toMatchObject({
      approve: [
        {
          who: ['g', 'h'],
          people: 3,
          each: [
            { who: ['g'], people: 1 },
            { who: ['h'], people: 2 },
          ],
          waitSeconds: 3600,
          reminderSeconds: 600,
        },
      ],
      quotas: [{ name: 'q', who: ['g'], commands: ['restart'], risk: ['change'], perDay: 3, together: true }],
      budget: { ...defaultBudget, calls: 7, openApprovals: 2 },
      admins: ['ann'],
    });
  });

  it('misses an approval rule that a command names, at the command’s place', () => {
    const approvals = [{ rule: 'four-eyes', command: 'reboot', where: 'commands.yaml:7:5' }];
    const { problems } = loadPolicy('policy.yaml', 'approve: []', { approvals });

    expect(problems.map(problemLine)).toEqual([
      'commands.yaml:7:5 — missing-rule: reboot wants the approval rule four-eyes, which policy.yaml does not have — add it under approve, or remove approval from the command',
    ]);
  });

  const known = { commands: ['restart', 'status'], categories: ['service'] };
  const people = 'people: { alice: { slack: U1 } }\n';
  it.each([
    ['peoples: {}', 'policy.yaml:1:1 — unknown-key: peoples is not a key here — did you mean people?'],
    [
      'people: { alice: { slak: U1 } }',
      'policy.yaml:1:20 — unknown-key: slak is not a key here — did you mean slack?',
    ],
    ['people: { alice: { discord: 456 } }', 'policy.yaml:1:29'],
    ['people: { Alice: {} }', 'policy.yaml:1:11 — bad-name'],
    [
      'people: { alice: { slack: "u 1" } }',
      'policy.yaml:1:27 — bad-value: people.alice.slack is not a Slack user id',
    ],
    ['people: { mcp: {} }', 'reserved-name'],
    [
      'people: { a: { slack: U1 }, b: { slack: U1 } }',
      'policy.yaml:1:32 — duplicate-account: slack:U1 belongs to a already',
    ],
    ['people: { a: {} }\ngroups: { a: {} }', 'duplicate-name'],
    ['groups: { g: { people: [bob] } }', 'policy.yaml:1:25 — undefined-name'],
    [
      `${people}ask: [{ name: r, who: [alise], risk: [read], hosts: [all] }]`,
      'policy.yaml:2:24 — undefined-name: "alise" is neither a person, a group nor an account — did you mean alice?',
    ],
    ['ask: [{ name: r, who: ["slack:u1"], risk: [read], hosts: [all] }]', 'undefined-name'],
    ['ask: [{ name: r, who: [mcp], risk: [write], hosts: [all] }]', 'policy.yaml:1:37 — bad-value'],
    ['ask: [{ name: r, who: [mcp], risk: [read], hosts: ["*"] }]', 'bad-value'],
    ['ask: [{ name: r, who: [mcp], risk: [read], hosts: [all], channels: ["irc:x"] }]', 'bad-value'],
    ['ask: [{ name: r, who: [mcp], risk: [read] }]', 'missing-key: ask[1].hosts is missing'],
    [
      'ask:\n  - { name: r, who: [mcp], risk: [read], hosts: [all] }\n  - { name: r, who: [mcp], risk: [read], hosts: [all] }',
      'policy.yaml:3:13 — duplicate-name',
    ],
    ['approve: [{ name: r, who: [mcp], risk: [change], hosts: [all] }]', 'mcp-approves'],
    ['approve: [{ name: r, who: [], risk: [read], hosts: [all] }]', 'a read needs no approval'],
    [
      'approve: [{ name: r, who: [], risk: [change, critical], hosts: [all], requester: allowed }]',
      'policy.yaml:1:82 — requester-approves',
    ],
    ['approve: [{ name: r, who: [], risk: [change], hosts: [all], people: 0 }]', 'bad-value'],
    [
      'approve: [{ name: r, who: [], risk: [change], hosts: [all], wait: soon }]',
      'write it as 90s, 10m or 2h',
    ],
    ['approve: [{ name: r, who: [], risk: [change], hosts: [all], wait: 5s }]', 'use 30s to 24h'],
    ['incident_channels: [C1]', 'policy.yaml:1:21 — bad-value'],
    [
      'ask: [{ name: r, who: [mcp], role: reder }]\nroles: { reader: { risk: [read], hosts: [all] } }',
      'policy.yaml:1:36 — undefined-name: there is no role reder — did you mean reader?',
    ],
    ['roles: { reader: { risk: [read] } }', 'policy.yaml:1:18 — missing-key: roles.reader.hosts is missing'],
    ['roles: { reader: { risk: [read], hosts: [all], who: [] } }', 'policy.yaml:1:48 — unknown-key'],
    [
      'roles: { a: { risk: [read], hosts: [all] } }\nask:\n  - { name: r, who: [mcp], role: a, hosts: [all] }',
      'policy.yaml:3:37 — role-and-rights',
    ],
    [
      'ask: [{ name: r, who: [mcp], hosts: [all], commands: [restrat] }]',
      'missing-key: ask[1].risk is missing',
    ],
    [
      'ask: [{ name: r, who: [mcp], risk: [read], hosts: [all], commands: [restrat] }]',
      'policy.yaml:1:69 — undefined-name: commands.yaml has no command restrat — did you mean restart?',
    ],
    [
      'quotas: [{ name: q, per_day: 1, categories: [servce] }]',
      'policy.yaml:1:46 — undefined-name: commands.yaml has no category servce — did you mean service?',
    ],
    [
      'approve: [{ name: r, risk: [change], hosts: [all] }]',
      'policy.yaml:1:11 — missing-key: approve[1].who is missing',
    ],
    [
      'approve: [{ name: r, risk: [change], hosts: [all], who: [], each: [{ who: [] }] }]',
      'policy.yaml:1:61 — who-and-each',
    ],
    [
      'approve: [{ name: r, risk: [change], hosts: [all], each: [{ who: [nobody-known] }] }]',
      'policy.yaml:1:67 — undefined-name',
    ],
    ['approve: [{ name: r, risk: [change], hosts: [all], each: [] }]', 'bad-value'],
    [
      'approve: [{ name: r, risk: [change], hosts: [all], who: [], wait: 1m, reminder: 2m }]',
      'policy.yaml:1:81 — bad-value: reminder is out of range',
    ],
    ['quotas: [{ name: q, who: [bob], per_day: 1 }]', 'policy.yaml:1:27 — undefined-name'],
    ['quotas: [{ name: q, per_day: -1 }]', 'policy.yaml:1:30 — bad-value'],
    ['quotas: [{ name: q }]', 'missing-key: quotas[1].per_day is missing'],
    [
      'quotas:\n  - { name: q, per_day: 1 }\n  - { name: q, per_day: 2 }',
      'policy.yaml:3:13 — duplicate-name: there is another quota named q',
    ],
    ['budgets: { calls: 0 }', 'policy.yaml:1:19 — bad-value: budgets.calls is out of range'],
    ['budgets: { cals: 1 }', 'policy.yaml:1:12 — unknown-key: cals is not a key here — did you mean calls?'],
    ['admins: [bob]', 'policy.yaml:1:10 — undefined-name'],
    ['admins: [mcp]', 'policy.yaml:1:10 — mcp-approves'],
  ])('%#: refuses %j: %s', (text, expected) => {
    const { policy, problems } = loadPolicy('policy.yaml', text, known);

    expect(problems.map(problemLine).join('\n')).toContain(expected);
    expect(policy).toBe(noPolicy);
  });
});
