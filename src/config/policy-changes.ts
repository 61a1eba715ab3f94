/**
 * What an edit of policy.yaml changed, in words for the audit: which person, group, rule or quota, not its content.
 */
import { canonical, type Json } from '../core/json.ts';
import type { Policy } from '../core/policy.ts';

export function policyChanges(before: Policy, after: Policy): readonly string[] {
  return [
    ...named('person', before.people, after.people),
    ...named('group', before.groups, after.groups),
    ...named('ask rule', before.ask, after.ask),
    ...named('approval rule', before.approve, after.approve),
    ...named('quota', before.quotas ?? [], after.quotas ?? []),
    ...(['budget', 'admins', 'incidentChannels'] as const).flatMap((part) =>
      text(before[part]) === text(after[part]) ? [] : [`${part} changed`],
    ),
    ...order('approval rules', before.approve, after.approve),
  ];
}

/** An ask rule of several roles is several entries under one name: they are compared together. */
function named(
  kind: string,
  before: readonly { name: string }[],
  after: readonly { name: string }[],
): string[] {
  const entry = (list: readonly { name: string }[], name: string) => list.filter((e) => e.name === name);
  const names = [...new Set([...before, ...after].map((e) => e.name))];
  return names.flatMap((name) => {
    const [was, is] = [entry(before, name), entry(after, name)];
    if (was.length === 0) return [`${kind} ${name} added`];
    if (is.length === 0) return [`${kind} ${name} removed`];
    return text(was) === text(is) ? [] : [`${kind} ${name} changed`];
  });
}

/** The first rule that covers counts, so their order is a right of its own. */
function order(
  what: string,
  before: readonly { name: string }[],
  after: readonly { name: string }[],
): string[] {
  const kept = (list: readonly { name: string }[], other: readonly { name: string }[]) =>
    list.map((e) => e.name).filter((name) => other.some((o) => o.name === name));
  return text(kept(before, after)) === text(kept(after, before)) ? [] : [`order of ${what} changed`];
}

function text(value: unknown): string {
  return canonical((value ?? null) as Json);
}
