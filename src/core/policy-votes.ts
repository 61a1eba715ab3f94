/**
 * Whose vote counts under an approval rule, and when enough people have voted. Asked at the click and again before
 * anything runs, each time of the policy as it is then.
 */
import { type ApproveRule, type Asker, isAmong, type Policy, personOf } from './policy.ts';

/** May this person vote under this rule? Askers of the run may not, unless the rule says so. */
export function mayVote(
  policy: Policy,
  ruleName: string,
  voter: Asker,
  requesters: readonly string[],
  critical = false,
): { readonly ok: true } | { readonly ok: false; readonly reason: string } {
  const rule = policy.approve.find((r) => r.name === ruleName);
  if (!rule) return { ok: false, reason: `The approval rule ${ruleName} is no longer in policy.yaml.` };
  if (!isAmong(policy, rule.who, voter)) {
    const named = rule.who.length > 0 ? rule.who.join(', ') : 'nobody';
    return { ok: false, reason: `You are not among those who may decide this (${named}).` };
  }
  const person = personOf(policy, voter.account);
  const asked = requesters.some((account) => personOf(policy, account) === person);
  if (asked && (critical || !rule.requesterMay))
    return { ok: false, reason: 'You asked for this yourself, so somebody else has to decide.' };
  return { ok: true };
}

/** How many of the rule's places these people fill, each person one place only however many accounts they have. */
export function placesFilled(policy: Policy, rule: ApproveRule, voters: readonly Asker[]): number {
  const places = placesOf(rule);
  const people = new Map<string, Asker[]>();
  for (const voter of voters) {
    const name = personOf(policy, voter.account);
    people.set(name, [...(people.get(name) ?? []), voter]);
  }
  const fits = [...people.values()].map((accounts) =>
    places.flatMap((who, i) => (accounts.some((a) => isAmong(policy, who, a)) ? [i] : [])),
  );
  // Whoever fits two places moves to the other one when somebody comes who fits only the first.
  const taken = new Map<number, number>();
  const seat = (person: number, tried: Set<number>): boolean =>
    (fits[person] ?? []).some((place) => {
      if (tried.has(place)) return false;
      tried.add(place);
      const sitting = taken.get(place);
      if (sitting !== undefined && !seat(sitting, tried)) return false;
      taken.set(place, person);
      return true;
    });
  return fits.filter((_, person) => seat(person, new Set())).length;
}

/** What is still missing, in words: "one of dba", "2 of oncall". */
export function stillNeeded(policy: Policy, rule: ApproveRule, voters: readonly Asker[]): string {
  const filled = placesFilled(policy, rule, voters);
  const open = (rule.each ?? []).filter((e) => {
    const own = { ...rule, people: e.people, each: [e] };
    return placesFilled(policy, own, voters) < e.people;
  });
  if (open.length === 0) return `${placesOf(rule).length - filled} more of ${rule.who.join(', ')}`;
  return open.map((e) => `${e.people} of ${e.who.join(', ')}`).join(' and ');
}

/** One list of names for each approval that is wanted. */
function placesOf(rule: ApproveRule): readonly (readonly string[])[] {
  const each = (rule.each ?? []).flatMap((e) => Array.from({ length: e.people }, () => e.who));
  const more = Math.max(0, rule.people - each.length);
  return [...each, ...Array.from({ length: more }, () => rule.who)];
}
