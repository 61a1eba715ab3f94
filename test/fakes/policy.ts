/**
 * A small team for tests: ann and bob are on call, carl may only read, everybody else is a stranger.
 */
import type { User } from '../../src/core/conversation.ts';
import type { Policy } from '../../src/core/policy.ts';

const slackUser = (id: string, name: string): User => ({ platform: 'slack', id, name });
export const ann = slackUser('U_ANN', 'ann');
export const bob = slackUser('U_BOB', 'bob');
export const carl = slackUser('U_CARL', 'carl');
export const stranger = slackUser('U_STRANGER', 'stranger');

export const teamPolicy: Policy = {
  people: [
    { name: 'ann', accounts: ['slack:U_ANN', 'discord:1'] },
    { name: 'bob', accounts: ['slack:U_BOB'] },
    { name: 'carl', accounts: ['slack:U_CARL'] },
    { name: 'owner', accounts: ['console:owner'] },
  ],
  groups: [{ name: 'oncall', people: ['ann', 'bob'], platformGroups: ['discord:role-ops'] }],
  ask: [
    { name: 'oncall-asks', who: ['oncall'], risk: ['read', 'change', 'critical'], hosts: ['all'] },
    { name: 'carl-reads', who: ['carl'], risk: ['read'], hosts: ['@web'], channels: ['slack:C1'] },
    { name: 'owner-asks', who: ['owner'], risk: ['read', 'change'], hosts: ['all'], channels: ['console'] },
  ],
  approve: [
    {
      name: 'own-change-here',
      risk: ['change'],
      hosts: ['local'],
      who: ['owner'],
      people: 1,
      requesterMay: true,
      waitSeconds: 600,
    },
    {
      name: 'oncall-approves',
      risk: ['change', 'critical'],
      hosts: ['all'],
      who: ['oncall'],
      people: 1,
      requesterMay: false,
      waitSeconds: 600,
    },
  ],
  incidentChannels: ['slack:C_INCIDENTS'],
};
