/**
 * `policy lint`: what loads and still deserves a second look.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { lintPolicy } from '../../src/config/policy-lint.ts';
import { problemLine } from '../../src/config/problem.ts';

const hosts = [{ name: 'web-1', tags: ['web'] }];
const lint = (text: string, inventory: typeof hosts | undefined = hosts) =>
  lintPolicy('policy.yaml', text, {}, inventory);

it('the shipped policy has nothing to look at again', () => {
  const report = lint(readFileSync('config/policy.yaml', 'utf8'));

  expect([report.problems, report.warnings]).toEqual([[], []]);
  expect(report.summary).toBe('1 person, 0 groups, 2 ask rules, 1 approval rule, 0 quotas');
});

it.each([
  ['ask: [{ name: r, who: [mcp], risk: [read], hosts: [all, web-2] }]', 'policy.yaml:1:57 — unknown-host'],
  ['ask: [{ name: r, who: [mcp], risk: [read], hosts: ["@wbe"] }]', 'policy.yaml:1:52 — unknown-host'],
  ['groups: { g: {} }', 'policy.yaml:1:11 — unused: no rule names the group g'],
  ['roles: { r: { risk: [read], hosts: [all] } }', 'policy.yaml:1:10 — unused: no rule gives the role r'],
  ['ask: [{ name: r, who: [], risk: [read], hosts: [all] }]', 'policy.yaml:1:23 — empty-list'],
  [
    'approve:\n  - { name: a, risk: [change], hosts: [all], who: [] }\n  - { name: b, risk: [change], hosts: [local], who: [] }',
    'policy.yaml:3:13 — not-reached: a stands before b',
  ],
])('warns of %j', (text, expected) => {
  const { problems, warnings } = lint(text);

  expect(problems).toEqual([]);
  expect(warnings.map(problemLine).join('\n')).toContain(expected);
});

it('looks at no hosts where there is no inventory to compare with', () => {
  expect(
    lintPolicy('p', 'ask: [{ name: r, who: [mcp], risk: [read], hosts: [x] }]', {}, undefined).warnings,
  ).toEqual([]);
});

it('has no warnings while there are problems', () => {
  const report = lint('asks: []\ngroups: { g: {} }');

  expect([report.problems.length, report.warnings]).toEqual([1, []]);
});
