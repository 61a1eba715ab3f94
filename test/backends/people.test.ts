import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  addPerson,
  checkNewPerson,
  knownPeople,
  openPeople,
  removePerson,
} from '../../src/backends/people.ts';
import { fixedClock } from '../fakes/fixed-clock.ts';

let dir = '';
let problems: string[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'opsagent-people-'));
  problems = [];
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const clock = fixedClock();
const open = () => openPeople(dir, clock, (message) => problems.push(message));

describe('the people of the data directory', () => {
  it('are known by their tokens at once, in an instance that was running before them', () => {
    const { people } = open();
    expect(people.byToken('anything')).toBeUndefined();

    const token = addPerson(dir, 'ada', clock.now());

    expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(people.byToken(token)?.name).toBe('ada');
    expect(people.byToken(`${token}x`)).toBeUndefined();
    removePerson(dir, 'ada');
    expect([people.byToken(token), people.byName('ada')]).toEqual([undefined, undefined]);
  });

  it('are kept without their tokens, in files that only the owner can read', () => {
    const token = addPerson(dir, 'ada', clock.now());
    open().people.used('ada');

    const files = readdirSync(dir);
    expect(files.sort()).toEqual(['people-seen.json', 'people.json']);
    for (const file of files) {
      expect(readFileSync(join(dir, file), 'utf8')).not.toContain(token);
      expect(statSync(join(dir, file)).mode & 0o777).toBe(0o600);
    }
  });

  it('have another key after their name was given again', () => {
    const { people } = open();
    addPerson(dir, 'ada', clock.now());
    const first = people.byName('ada')?.key;
    removePerson(dir, 'ada');
    addPerson(dir, 'ada', clock.now());

    expect(people.byName('ada')?.key).not.toBe(first);
  });

  it.each([
    ['Ada', 'lower-case'],
    ['-ada', 'begins with'],
    ['a b', 'lower-case'],
    ['аda', 'lower-case'],
    ['ada\n', 'lower-case'],
    ['a'.repeat(33), '1 to 32'],
    ['', '1 to 32'],
    ['owner', 'own token'],
    ['0wner', 'looks like owner'],
    ['o-w-n-e-r', 'looks like owner'],
    ['ovvner', 'looks like owner'],
    ['alice', 'there is a alice already'],
    ['a1ice', 'looks like alice'],
    ['al.ice', 'looks like alice'],
    ['m0rna', 'looks like morna'],
    ['moma', 'looks like morna'],
  ])('may not be named %j beside alice and morna', (name, why) => {
    for (const taken of ['alice', 'morna']) addPerson(dir, taken, clock.now());
    const before = readFileSync(join(dir, 'people.json'), 'utf8');

    for (const attempt of [checkNewPerson, (d: string, n: string) => addPerson(d, n, 1)])
      expect(() => attempt(dir, name)).toThrow(why);
    expect(readFileSync(join(dir, 'people.json'), 'utf8')).toBe(before);
  });

  it('are nobody while their file is not one of ours, and it is said once', () => {
    const token = addPerson(dir, 'ada', clock.now());
    const file = join(dir, 'people.json');
    const whole = readFileSync(file, 'utf8');
    const { people } = open();
    for (const broken of ['{', '[]', '{"people":[{"name":"eve","hash":"x","addedAt":1}]}']) {
      writeFileSync(file, broken);
      problems = [];
      const found = [people.byToken(token), people.byName('ada'), people.byName('eve')];
      expect(found).toEqual([undefined, undefined, undefined]);
      expect(problems).toHaveLength(1);
      expect(() => addPerson(dir, 'bob', 1)).toThrow('not a list of people');
    }
    writeFileSync(file, whole);
    expect(people.byToken(token)?.name).toBe('ada');
  });

  it('show when they were last here, but not what an earlier one of the name did', () => {
    const added = clock.now();
    addPerson(dir, 'ada', added);
    expect(knownPeople(dir)).toEqual([{ name: 'ada', addedAt: added }]);

    clock.advance(5_000);
    open().people.used('ada');
    open().people.used('nobody');
    expect(knownPeople(dir)).toEqual([{ name: 'ada', addedAt: added, lastUsedAt: added + 5_000 }]);

    removePerson(dir, 'ada');
    clock.advance(5_000);
    addPerson(dir, 'ada', clock.now());
    expect(knownPeople(dir)).toEqual([{ name: 'ada', addedAt: clock.now() }]);
  });

  it('leaves ended sessions ended over a restart, also when the clock goes back after their time', () => {
    const day = 86_400_000;
    open().endedSessions.add('s1', clock.now() + 1_000);
    clock.advance(59 * day);
    open().endedSessions.add('s2', clock.now() + 1_000);
    expect([open().endedSessions.has('s1'), open().endedSessions.has('s2')]).toEqual([true, true]);

    clock.advance(2 * day);
    open().endedSessions.add('s3', clock.now() + 1_000);
    expect(['s1', 's2', 's3'].map((id) => open().endedSessions.has(id))).toEqual([false, true, true]);
  });

  it('are changed by one at a time', () => {
    writeFileSync(join(dir, 'people.json.lock'), '');

    expect(() => addPerson(dir, 'ada', 1)).toThrow('Somebody else is changing');
    rmSync(join(dir, 'people.json.lock'));
    addPerson(dir, 'ada', 1);
    expect(removePerson(dir, 'bob')).toBe(false);
    expect(readdirSync(dir)).toEqual(['people.json']);
  });
});
