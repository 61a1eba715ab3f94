/**
 * Policy: default deny, everybody who asked needs the right, and a requester decides only where the rule says so.
 */
import { describe, expect, it } from 'vitest';
import type { Risk } from '../../src/core/command.ts';
import type { Conversation } from '../../src/core/conversation.ts';
import {
  type Asker,
  askerOf,
  isIncidentChannel,
  mayTalk,
  type Policy,
  personOf,
} from '../../src/core/policy.ts';
import { decide } from '../../src/core/policy-decision.ts';
import { mayVote } from '../../src/core/policy-votes.ts';

const policy: Policy = {
  people: [
    { name: 'alice', accounts: ['slack:U1', 'discord:1'] },
    { name: 'bob', accounts: ['slack:U2'] },
  ],
  groups: [{ name: 'oncall', people: ['bob'], platformGroups: ['discord:9'] }],
  ask: [
    { name: 'alice-reads', who: ['alice'], risk: ['read'], hosts: ['all'] },
    {
      name: 'oncall-web',
      who: ['oncall'],
      risk: ['read', 'change', 'critical'],
      hosts: ['@web'],
      channels: ['slack:C1', 'discord'],
    },
  ],
  approve: [
    {
      name: 'own',
      risk: ['change'],
      hosts: ['web-1'],
      who: ['oncall'],
      people: 1,
      requesterMay: true,
      waitSeconds: 60,
    },
    {
      name: 'others',
      risk: ['change', 'critical'],
      hosts: ['@web'],
      who: ['oncall', 'alice'],
      people: 1,
      requesterMay: false,
      waitSeconds: 60,
    },
  ],
  incidentChannels: ['slack:C1'],
};
const nobody: Policy = { people: [], groups: [], ask: [], approve: [], incidentChannels: [] };
const by = (account: string, ...groups: string[]): Asker => ({ account, groups });
const c1: Conversation = { platform: 'slack', channel: 'C1', thread: 't' };
const web = { name: 'web-2', tags: ['web'] };
const some = (risk: Risk) => ({ name: 'c', category: 'service', risk });

describe('decide', () => {
  it.each([
    ['a person by any account', [by('discord:1')], 'read', 'db', undefined, 'allow'],
    ['a group by its people', [by('slack:U2')], 'read', 'web', c1, 'allow'],
    [
      'a group by a platform role',
      [by('discord:7', 'discord:9')],
      'read',
      'web',
      { ...c1, platform: 'discord', channel: '5' },
      'allow',
    ],
    ['a stranger', [by('slack:U3')], 'read', 'db', c1, 'refuse'],
    ['a risk outside the rule', [by('slack:U1')], 'change', 'web', c1, 'refuse'],
    ['a host outside the rule', [by('slack:U2')], 'read', 'db', c1, 'refuse'],
    ['a channel outside the rule', [by('slack:U2')], 'read', 'web', { ...c1, channel: 'C2' }, 'refuse'],
    ['no conversation where a channel is wanted', [by('slack:U2')], 'read', 'web', undefined, 'refuse'],
    ['two askers of whom one has no right', [by('slack:U1'), by('slack:U3')], 'read', 'db', c1, 'refuse'],
    ['no asker at all', [], 'read', 'db', c1, 'refuse'],
    ['a change', [by('slack:U2')], 'change', 'web', c1, 'ask'],
  ] as const)('%s', (_, askers, risk, host, conversation, kind) => {
    const target = host === 'web' ? web : { name: host, tags: [] };

    expect(decide(policy, askers, { command: some(risk), host: target, conversation }).kind).toBe(kind);
  });

  it('wants two people for a critical command, whatever the rule says', () => {
    const decision = decide(policy, [by('slack:U2')], {
      command: some('critical'),
      host: web,
      conversation: c1,
    });

    expect(decision).toMatchObject({ kind: 'ask', rule: { name: 'others', people: 2 } });
  });

  it('takes the first approval rule that covers risk and host', () => {
    const decision = decide(policy, [by('slack:U2')], {
      command: some('change'),
      host: { name: 'web-1', tags: ['web'] },
      conversation: c1,
    });

    expect(decision).toMatchObject({ kind: 'ask', rule: { name: 'own' } });
  });

  it('refuses a change that nobody could approve', () => {
    for (const approve of [[], policy.approve.map((r) => ({ ...r, who: [] }))]) {
      const decision = decide({ ...policy, approve }, [by('slack:U2')], {
        command: some('change'),
        host: web,
        conversation: c1,
      });

      expect(decision).toMatchObject({ kind: 'refuse', reason: expect.stringContaining('names nobody') });
    }
  });

  it('lets nobody do anything by the empty policy', () => {
    expect(
      decide(nobody, [by('console:owner')], { command: some('read'), host: web, conversation: c1 }).kind,
    ).toBe('refuse');
    expect(mayTalk(nobody, by('console:owner'), c1)).toBe(false);
    expect(isIncidentChannel(nobody, c1)).toBe(false);
  });
});

describe('mayVote', () => {
  it.each([
    ['a member of the rule', 'others', 'slack:U2', [], true],
    ['a stranger', 'others', 'slack:U3', [], false],
    ['the requester', 'others', 'slack:U1', ['slack:U1'], false],
    ['the requester by another account', 'others', 'discord:1', ['slack:U1'], false],
    ['the requester where the rule allows it', 'own', 'slack:U2', ['slack:U2'], true],
    ['anybody under a rule that is gone', 'gone', 'slack:U2', [], false],
  ] as const)('%s', (_, rule, voter, requesters, ok) => {
    expect(mayVote(policy, rule, by(voter), requesters).ok).toBe(ok);
  });
});

describe('names', () => {
  it('one person has all their accounts, a stranger is their account', () => {
    expect([personOf(policy, 'discord:1'), personOf(policy, 'slack:U9')]).toEqual(['alice', 'slack:U9']);
  });

  it('an asker carries the platform’s groups of that moment', () => {
    expect(askerOf({ platform: 'discord', id: '7', name: 'x' }, ['9'])).toEqual(by('discord:7', 'discord:9'));
  });

  it('an incident channel is meant by platform and id', () => {
    expect(isIncidentChannel(policy, c1)).toBe(true);
    expect(isIncidentChannel(policy, { ...c1, platform: 'discord' })).toBe(false);
  });
});
