/**
 * Votes: several groups must each approve, one person fills one place however many accounts they have.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ApproveRule, type Asker, noPolicy, type Policy } from '../../src/core/policy.ts';
import { mayVote, placesFilled, stillNeeded } from '../../src/core/policy-votes.ts';

const by = (account: string, ...groups: string[]): Asker => ({ account, groups });
const rule: ApproveRule = {
  name: 'both',
  risk: ['change'],
  hosts: ['all'],
  who: ['oncall', 'dba'],
  each: [
    { who: ['oncall'], people: 1 },
    { who: ['dba'], people: 1 },
  ],
  people: 2,
  requesterMay: true,
  waitSeconds: 60,
};
const policy: Policy = {
  ...noPolicy,
  people: [
    { name: 'ann', accounts: ['slack:ANN', 'discord:1'] },
    { name: 'bob', accounts: ['slack:BOB'] },
    { name: 'dora', accounts: ['slack:DORA'] },
  ],
  groups: [
    { name: 'oncall', people: ['ann', 'bob'], platformGroups: [] },
    { name: 'dba', people: ['ann', 'dora'], platformGroups: ['slack:S9'] },
  ],
  approve: [rule],
};
const ann = by('slack:ANN');
const annOnDiscord = by('discord:1');
const bob = by('slack:BOB');
const dora = by('slack:DORA');
const guest = by('slack:X', 'slack:S9');

describe('places of a rule', () => {
  it.each([
    ['nobody', [], 0],
    ['one', [bob], 1],
    ['two of one group, where each is wanted', [bob, by('slack:Y', 'slack:S9'), dora], 2],
    ['one of each', [bob, dora], 2],
    ['a member by a platform group', [bob, guest], 2],
    ['one person who is in both groups, twice', [ann, annOnDiscord], 1],
    ['one who is in both moves over for one who is in the first only', [ann, bob], 2],
    ['one who is in both moves over for one who is in the second only', [ann, dora], 2],
    ['a stranger', [by('slack:Z')], 0],
  ] as const)('filled by %s', (_, voters, filled) => {
    expect(placesFilled(policy, rule, voters)).toBe(filled);
  });

  it('without groups of its own are for everybody whom it names, and each person has one', () => {
    const { each: _, ...plain } = rule;

    expect(placesFilled(policy, plain, [ann, annOnDiscord])).toBe(1);
    expect(placesFilled(policy, plain, [ann, bob, dora])).toBe(2);
  });

  it('beyond the groups are for anybody of them', () => {
    expect(placesFilled(policy, { ...rule, people: 3 }, [ann, bob, dora])).toBe(3);
  });

  it('that are open are told by group', () => {
    expect(stillNeeded(policy, rule, [bob])).toBe('1 of dba');
    expect(stillNeeded(policy, rule, [])).toBe('1 of oncall and 1 of dba');
    expect(stillNeeded(policy, { ...rule, people: 3 }, [bob, dora])).toBe('1 more of oncall, dba');
  });

  it('never depend on the order of the votes, and one more vote never makes them fewer', () => {
    const voter = fc.constantFrom(ann, annOnDiscord, bob, dora, guest, by('slack:Z'));
    fc.assert(
      fc.property(
        fc.array(voter, { maxLength: 6 }),
        voter,
        fc.integer({ min: 2, max: 4 }),
        (votes, more, people) => {
          const r = { ...rule, people };
          const filled = placesFilled(policy, r, votes);

          expect(placesFilled(policy, r, votes.toReversed())).toBe(filled);
          expect(placesFilled(policy, r, [...votes, more])).toBeGreaterThanOrEqual(filled);
        },
      ),
      { numRuns: process.env.CHECK_DEEP ? 10_000 : 200 },
    );
  });
});

describe('a requester', () => {
  it('may decide on their own change where the rule says so, by any account, and never on something critical', () => {
    expect(mayVote(policy, 'both', annOnDiscord, ['slack:ANN']).ok).toBe(true);
    expect(mayVote(policy, 'both', annOnDiscord, ['slack:ANN'], true).ok).toBe(false);
    expect(
      mayVote({ ...policy, approve: [{ ...rule, requesterMay: false }] }, 'both', ann, ['discord:1']).ok,
    ).toBe(false);
  });
});
