/**
 * Hosts by name or by group: `web-1`, `web-1,db-1`, `@web`, `@web&eu`, `all`. Names are ids of the inventory, matched
 * exactly: nothing is trimmed, folded or guessed into another host, and what only looks like one is named and refused.
 */
import { didYouMean } from './nearest-name.ts';
import { visible } from './visible.ts';

/** What resolving needs of a host of the inventory. */
export interface Target {
  readonly name: string;
  readonly tags: readonly string[];
}

export type Resolved<T extends Target> =
  /** At least one, each once, in the order of the inventory. */
  | { readonly ok: true; readonly hosts: readonly T[] }
  /** Every problem, a sentence each. */
  | { readonly ok: false; readonly problems: readonly string[] };

export const longestExpression = 4096;

/** The hosts that an expression names; the parts between commas are taken together. */
export function resolveTargets<T extends Target>(expression: string, inventory: readonly T[]): Resolved<T> {
  if (expression.length > longestExpression)
    return { ok: false, problems: [`A list of hosts may have ${longestExpression} characters at most.`] };
  const parts = expression.split(',').map((part) => part.replace(/^ +| +$/g, ''));
  const found = new Set<T>();
  const problems: string[] = [];
  for (const part of parts) {
    const resolved = resolvePart(part, inventory);
    if (typeof resolved === 'string') problems.push(resolved);
    else for (const host of resolved) found.add(host);
  }
  if (problems.length > 0) return { ok: false, problems: [...new Set(problems)] };
  return { ok: true, hosts: inventory.filter((host) => found.has(host)) };
}

/** Every group there is, for offering them: `all`, then the tags by name. */
export function groupsOf(
  inventory: readonly Target[],
): readonly { readonly name: string; readonly hosts: number }[] {
  if (inventory.length < 2) return [];
  const tags = [...new Set(inventory.flatMap((host) => host.tags))].sort();
  return [
    { name: 'all', hosts: inventory.length },
    ...tags.map((tag) => ({
      name: `@${tag}`,
      hosts: inventory.filter((host) => host.tags.includes(tag)).length,
    })),
  ];
}

function resolvePart<T extends Target>(part: string, inventory: readonly T[]): readonly T[] | string {
  if (part === '') return 'A host is missing; write its name, "@tag" or "all".';
  const names = inventory.map((host) => host.name);
  const strange = strangeIn(part, names);
  if (strange !== undefined) return strange;
  if (part === 'all') return inventory;
  if (part.startsWith('@')) return resolveTags(part, inventory);

  const host = inventory.find(({ name }) => name === part);
  if (host) return [host];
  if (inventory.some(({ tags }) => tags.includes(part)))
    return `There is no host ${shown(part)}; for all hosts with that tag write @${part}.`;
  const meant = didYouMean(part, names);
  if (meant !== undefined) return `There is no host ${shown(part)}; did you mean ${meant}?`;
  const known = names.length <= 8 ? `; there is ${names.join(', ')}` : '';
  return `There is no host ${shown(part)}${known}.`;
}

/** `@web&eu`: the hosts that have every one of these tags. */
function resolveTags<T extends Target>(part: string, inventory: readonly T[]): readonly T[] | string {
  const tags = part
    .slice(1)
    .split('&')
    .map((tag) => tag.replace(/^@/, ''));
  const known = [...new Set(inventory.flatMap((host) => host.tags))].sort();
  for (const tag of tags) {
    if (tag === '') return `${shown(part)} lacks a tag; write it as "@web" or "@web&eu".`;
    if (known.includes(tag)) continue;
    const meant = didYouMean(tag, known);
    const instead = meant
      ? `; did you mean @${meant}?`
      : known.length > 0 && known.length <= 8
        ? `; there is ${known.map((k) => `@${k}`).join(', ')}.`
        : '.';
    return `No host has the tag ${shown(tag)}${instead}`;
  }
  const hosts = inventory.filter((host) => tags.every((tag) => host.tags.includes(tag)));
  return hosts.length > 0 ? hosts : `No host has all the tags of ${shown(part)}.`;
}

/** What no name or tag can hold: named by code point, so that a look-alike is seen for what it is. */
function strangeIn(part: string, names: readonly string[]): string | undefined {
  const strange = [...new Set(part)].filter((character) => !/^[a-z0-9._@&-]$/.test(character));
  if (strange.length === 0) return undefined;
  if (strange.every((character) => /[A-Z]/.test(character))) {
    const meant = didYouMean(part, names);
    const instead = meant === undefined ? '.' : `; did you mean ${meant}?`;
    return `There is no host or group ${shown(part)}: names are in lower case and matched exactly${instead}`;
  }
  const what = strange.slice(0, 5).map(codePoint).join(', ');
  return `${shown(part)} is not the name of a host or group: it holds ${what}.`;
}

const scripts = ['Cyrillic', 'Greek', 'Armenian', 'Cherokee', 'Han', 'Hebrew', 'Arabic', 'Latin'];

/** `U+042C (Cyrillic)`. */
function codePoint(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const script = scripts.find((name) => new RegExp(`\\p{Script=${name}}`, 'u').test(character));
  const drawn = code > 0x20 && code < 0x7f ? `"${character}"` : undefined;
  const invisible = visible(character, { keepNewlines: false }) !== character;
  const kind = drawn ?? (invisible ? 'invisible' : (script ?? 'not a letter of a name'));
  return `U+${code.toString(16).toUpperCase().padStart(4, '0')} (${kind})`;
}

/** Quoted, cut, and with everything beyond ASCII as its escape: a look-alike must not look alike in the message. */
function shown(text: string): string {
  const cut = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  const escaped = [...visible(cut, { keepNewlines: false })].map((character) => {
    const code = character.codePointAt(0) ?? 0;
    return code < 0x7f || character === '…' ? character : `\\u{${code.toString(16)}}`;
  });
  return `"${escaped.join('')}"`;
}
