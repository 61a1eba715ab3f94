/**
 * policy.yaml while it is edited: taken when whole and good, kept as it was otherwise, told once.
 */
import { mkdtempSync, renameSync, rmSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadPolicy } from '../../src/config/policy.ts';
import { createLivePolicy, type LivePolicy, settleMs } from '../../src/config/policy-live.ts';
import { problemLine } from '../../src/config/problem.ts';
import { sha256 } from '../../src/core/json.ts';

const first = `people: { ann: { slack: U1 }, bob: { slack: U2 } }
ask:
  - { name: reads, who: [ann], risk: [read], hosts: [all] }
approve:
  - { name: a, risk: [change], hosts: [all], who: [bob] }
`;
const start = 1_800_000_000_000;
let dir = '';
let file = '';
let now = start;
let live: LivePolicy;
let loaded: { hash: string; changes: readonly string[] }[];
let refused: string[][];

const edit = (text: string, at = now) => {
  writeFileSync(file, text);
  utimesSync(file, at / 1000, at / 1000);
};
const names = () => live.now().people.map((p) => p.name);

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'policy-live-'));
  file = join(dir, 'policy.yaml');
  now = start;
  loaded = [];
  refused = [];
  edit(first, now - 60_000);
  live = createLivePolicy({
    source: { path: file, shown: 'policy.yaml', hash: sha256(first), known: { commands: ['restart'] } },
    policy: loadPolicy('policy.yaml', first).policy,
    clock: { now: () => now },
    onLoaded: (l) => loaded.push(l),
    onRefused: (problems) => refused.push(problems.map(problemLine)),
  });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('an edit of policy.yaml', () => {
  it('takes effect at the next question, once, with its hash and what changed', () => {
    const edited = first.replace(', bob: { slack: U2 }', '').replace('[bob]', '[ann]');
    edit(edited);
    now += settleMs;

    expect(names()).toEqual(['ann']);
    live.now();
    expect(loaded).toEqual([
      { hash: sha256(edited), changes: ['person bob removed', 'approval rule a changed'] },
    ]);
    expect([live.hash(), live.problems()]).toEqual([sha256(edited), []]);
  });

  it('that is wrong is not taken: the old one stays, told once with its line', () => {
    edit(`${first}aks: []\n`);
    now += settleMs;

    expect(names()).toEqual(['ann', 'bob']);
    live.now();
    expect(refused).toHaveLength(1);
    expect(refused[0]?.[0]).toMatch(
      /^policy\.yaml:6:1 — unknown-key: aks is not a key here — did you mean ask\?/,
    );
    expect(live.problems().map(problemLine)).toEqual(refused[0]);
    expect(loaded).toEqual([]);
  });

  it('that names a command which the catalogue does not have is not taken', () => {
    edit(first.replace('hosts: [all] }\napprove', 'hosts: [all], commands: [restrat] }\napprove'));
    now += settleMs;

    live.now();
    expect(refused[0]?.[0]).toMatch(
      /policy\.yaml:3:\d+ — undefined-name: .*restrat — did you mean restart\?/,
    );
  });

  it('that takes back a wrong one leaves nothing to tell', () => {
    edit('ask: 5\n');
    now += settleMs;
    live.now();
    edit(first, now);
    now += settleMs;

    expect([names(), live.problems(), loaded]).toEqual([['ann', 'bob'], [], []]);
  });

  it('takes no effect while it is being written, however its beginning reads', () => {
    const whole = `${first}quotas:\n  - { name: q, per_day: 1 }\n`;
    edit('people: { ann: { slack: U1 } }\n');
    expect(names()).toEqual(['ann', 'bob']);
    now += settleMs - 1;
    expect(names()).toEqual(['ann', 'bob']);
    edit(whole);
    now += settleMs - 1;
    expect(live.now().quotas).toEqual([]);
    now += 1;

    expect(live.now().quotas).toHaveLength(1);
    expect(loaded).toHaveLength(1);
  });

  it('by another file that takes its name counts, even of the same size and time', () => {
    const other = join(dir, 'new');
    writeFileSync(other, first.replaceAll('bob', 'eve'));
    utimesSync(other, (start - 60_000) / 1000, (start - 60_000) / 1000);
    live.now();
    renameSync(other, file);

    expect(names()).toEqual(['ann', 'eve']);
  });

  it('by taking the file away changes nothing, and is told when it stays away', () => {
    unlinkSync(file);
    expect([names(), refused]).toEqual([['ann', 'bob'], []]);
    now += settleMs;

    expect(names()).toEqual(['ann', 'bob']);
    expect(refused[0]?.[0]).toMatch(/policy\.yaml — the file is gone/);
    edit(first.replaceAll('bob', 'eve'), now - settleMs);
    expect(names()).toEqual(['ann', 'eve']);
  });

  it('that changes only the order of approval rules is told as that', () => {
    const rule = '  - { name: b, risk: [change], hosts: [all], who: [ann] }\n';
    edit(first + rule);
    now += settleMs;
    live.now();
    edit(first.replace('  - { name: a', `${rule}  - { name: a`), now);
    now += settleMs;
    live.now();

    expect(loaded.map((l) => l.changes)).toEqual([
      ['approval rule b added'],
      ['order of approval rules changed'],
    ]);
  });
});
