import { describe, expect, it } from 'vitest';
import { groupsOf, resolveTargets } from '../../src/core/targets.ts';

const inventory = [
  { name: 'web-2', tags: ['web', 'eu'] },
  { name: 'web-1', tags: ['web', 'us'] },
  { name: 'db-1', tags: ['db', 'eu'] },
  { name: 'db-1.x', tags: [] },
];
const named = (expression: string) => {
  const resolved = resolveTargets(expression, inventory);
  return resolved.ok ? resolved.hosts.map((h) => h.name) : resolved.problems;
};

describe('a target expression', () => {
  it.each([
    ['db-1', ['db-1']],
    ['web-1,web-2', ['web-2', 'web-1']],
    ['web-1, db-1', ['web-1', 'db-1']],
    ['@web', ['web-2', 'web-1']],
    ['@web&eu', ['web-2']],
    ['@web&@eu', ['web-2']],
    ['@web,db-1,web-1', ['web-2', 'web-1', 'db-1']],
    ['all', ['web-2', 'web-1', 'db-1', 'db-1.x']],
  ])('%s is %j: each once, in the order of the inventory', (expression, hosts) => {
    expect(named(expression)).toEqual(hosts);
  });

  it.each([
    ['dЬ-1', '"d\\u{42c}-1" is not the name of a host or group: it holds U+042C (Cyrillic).'],
    ['db-1\u200b', 'U+200B (invisible)'],
    ['db-1.', 'There is no host "db-1."; did you mean db-1?'],
    ['DB-1', 'names are in lower case and matched exactly; did you mean db-1?'],
    ['ԁb-1', 'U+0501 (Cyrillic)'],
    ['@wеb', 'U+0435 (Cyrillic)'],
    ['ｗeb-1', 'U+FF57 (Latin)'],
    ['db-1\n', 'U+000A (invisible)'],
    ['db-1;id', 'U+003B (";")'],
    ['../db-1', 'U+002F ("/")'],
    ['db-1\u202e', 'U+202E (invisible)'],
    [' \u00a0db-1', 'U+00A0'],
    ['аll', 'U+0430 (Cyrillic)'],
  ])('that only looks like a name is refused and its characters named: %j', (expression, words) => {
    const resolved = resolveTargets(expression, inventory);

    expect(resolved.ok).toBe(false);
    expect(named(expression).join(' ')).toContain(words);
  });

  it.each([
    ['wbe-1', 'There is no host "wbe-1"; did you mean web-1?'],
    ['payments', 'There is no host "payments"; there is web-2, web-1, db-1, db-1.x.'],
    ['web', 'There is no host "web"; for all hosts with that tag write @web.'],
    ['@wbe', 'No host has the tag "wbe"; did you mean @web?'],
    ['@mail', 'No host has the tag "mail"; there is @db, @eu, @us, @web.'],
    ['@db&us', 'No host has all the tags of "@db&us".'],
    ['@web&', '"@web&" lacks a tag; write it as "@web" or "@web&eu".'],
    ['@', '"@" lacks a tag; write it as "@web" or "@web&eu".'],
    ['', 'A host is missing; write its name, "@tag" or "all".'],
  ])('of nobody, %j, is told in one sentence', (expression, sentence) => {
    expect(named(expression)).toEqual([sentence]);
  });

  it('is refused whole, with all its problems, when one part is wrong', () => {
    expect(resolveTargets('web-1,wbe-2,@nope,DB-1', inventory)).toMatchObject({
      ok: false,
      problems: [
        expect.stringContaining('wbe-2'),
        expect.stringContaining('nope'),
        expect.stringContaining('DB-1'),
      ],
    });
  });

  it('never names another host than one whose name it is', () => {
    const alphabet = ['d', 'b', '-', '1', '.', 'x', 'D', 'Ь', '\u200b', '@', '&', ',', ' '];
    let seed = 7;
    const next = (n: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed % n;
    };
    for (let i = 0; i < 3000; i++) {
      const text = Array.from({ length: 1 + next(7) }, () => alphabet[next(alphabet.length)]).join('');
      const resolved = resolveTargets(text, inventory);
      if (!resolved.ok) continue;
      const parts = text.split(',').map((p) => p.trim());
      for (const host of resolved.hosts)
        expect(
          parts.some((p) => p === host.name || p.startsWith('@')),
          text,
        ).toBe(true);
    }
  });

  it('longer than any inventory needs is refused unread', () => {
    expect(named('a,'.repeat(4000))).toEqual(['A list of hosts may have 4096 characters at most.']);
  });
});

it('the groups to offer are all and the tags; one host alone has none', () => {
  expect(groupsOf(inventory)).toEqual([
    { name: 'all', hosts: 4 },
    { name: '@db', hosts: 1 },
    { name: '@eu', hosts: 2 },
    { name: '@us', hosts: 1 },
    { name: '@web', hosts: 2 },
  ]);
  expect(groupsOf([{ name: 'local', tags: ['x'] }])).toEqual([]);
});
