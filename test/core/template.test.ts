/**
 * Templates: only a declared name in bare braces is a placeholder, and its value is never text of the script.
 */
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Param } from '../../src/core/param.ts';
import { displayLine, parseTemplate, renderScript } from '../../src/core/template.ts';

const param = (name: string, optional = false): Param => ({
  name,
  description: '',
  type: { kind: 'text', maxLength: 100 },
  optional,
});
const rules = (source: string, declared: readonly string[] = ['x']) =>
  parseTemplate(source, declared).problems.map((p) => p.rule);
const script = (source: string, ...params: readonly Param[]) =>
  renderScript(
    parseTemplate(
      source,
      params.map((p) => p.name),
    ).template,
    params,
    {},
  ).script;

describe('parseTemplate', () => {
  it.each([
    "docker ps --format 'table {{.Names}}\\t{{.Status}}\\t{{.Ports}}'",
    "awk '{print $1}' /proc/loadavg",
    'find /var -type f -exec du -h {} + 2>/dev/null | sort -rh | head -10',
    'echo ${HOME} ${HOME:-x} "${HOME#/}"',
    'timedatectl | grep "Time zone"',
    "awk '{x}' f",
    'a=$(id -u); echo "$a" # {x} is not here',
    'echo \\{x}',
  ])('keeps %s literal', (source) => {
    const { template, problems } = parseTemplate(source, []);

    expect(problems).toEqual([]);
    expect(renderScript(template, [], {}).script).toBe(source);
  });

  it.each([
    ['du {y} {x}', 'undeclared-placeholder'],
    ['echo "{x}"', 'placeholder-in-quotes'],
    ["echo '{x}'", 'placeholder-in-quotes'],
    ["awk '{x}' /f", 'placeholder-in-quotes'],
    ['echo $(cat {x})', 'placeholder-in-substitution'],
    ['echo `cat {x}`', 'placeholder-in-substitution'],
    ['echo "$(cat {x})"', 'placeholder-in-substitution'],
    ['echo ${A:-{x} }', 'placeholder-in-substitution'],
    ['echo a # {x}', 'placeholder-in-comment'],
    ['cat <<E\n{x}\nE', 'placeholder-in-here-document'],
    ['{x}', 'placeholder-as-command'],
    ['{x} --version', 'placeholder-as-command'],
    ['/usr/bin/{x} a', 'placeholder-as-command'],
    ['ls; {x}', 'placeholder-as-command'],
    ['ls | {x}', 'placeholder-as-command'],
    ['if {x}; then ls; fi', 'placeholder-as-command'],
    ['A=1 {x}', 'placeholder-as-command'],
    ['ls 2>&1 && {x}', 'placeholder-as-command'],
    ['sudo -n {x}', 'placeholder-as-command'],
    ['timeout 5 {x}', 'placeholder-as-command'],
    ['ls | xargs {x}', 'placeholder-as-command'],
    ['sh -c {x}', 'placeholder-as-code'],
    ['docker exec web /bin/bash -c {x}', 'placeholder-as-code'],
    ['eval {x}', 'placeholder-as-code'],
    ['. {x}', 'placeholder-as-code'],
    ['ssh web ls {x}', 'placeholder-as-code'],
    ['find / -exec {x} {} +', 'placeholder-as-code'],
    ['awk {x} /f', 'placeholder-as-code'],
    ['python3 -c {x}', 'placeholder-as-code'],
    ['ls', 'unused-parameter'],
  ])('refuses %j: %s', (source, rule) => {
    expect(rules(source)).toContain(rule);
  });

  it.each(["echo 'a", 'echo "a', 'echo $(ls', 'echo `ls'])('refuses what is never closed: %s', (source) => {
    expect(rules(source, [])).toEqual(['unclosed-quote']);
  });

  it.each([
    'du -sh -- {x}',
    'journalctl --vacuum-size={x}',
    'find {x} -type f -exec du -h {} + 2>/dev/null',
    'find /a -exec ls {} \\; -path {x}',
    "awk '{ print $1 }' {x}",
    'ls | (cd /; cat {x}) > out',
    'a=$(id) && cat {x}',
    'printf %s {x} > "$file"',
    '{ cat {x}; }',
    'for f in {x}; do ls; done',
    'sudo -n systemctl restart {x}',
  ])('accepts %s', (source) => {
    expect(rules(source)).toEqual([]);
  });

  it('says where the problem is', () => {
    expect(parseTemplate('du "{x}"', ['x']).problems[0]?.offset).toBe(4);
  });

  it('takes a placeholder in double quotes only in the predecessor’s dialect', () => {
    const { template, problems } = parseTemplate('echo "Hello {x}!"', ['x'], 'predecessor');

    expect(problems).toEqual([]);
    expect(renderScript(template, [param('x')], { x: '$(id)' })).toMatchObject({
      script: 'echo "Hello ${1}!"',
      args: ['$(id)'],
    });
    expect(parseTemplate("echo '{x}'", ['x'], 'predecessor').problems[0]?.rule).toBe('placeholder-in-quotes');
    expect(parseTemplate('sh -c "ls {x}"', ['x'], 'predecessor').problems[0]?.rule).toBe(
      'placeholder-as-code',
    );
  });
});

describe('renderScript', () => {
  it('numbers placeholders in the order the parameters are declared', () => {
    expect(script('a {y} {x} {y}', param('x'), param('y'))).toBe('a "$2" "$1" "$2"');
  });

  it('makes an optional parameter that is missing no word at all', () => {
    const { template } = parseTemplate('printf "[%s]" a {x} b', ['x']);
    const run = (values: Record<string, string>) => {
      const rendered = renderScript(template, [param('x', true)], values);
      return execFileSync('/bin/sh', ['-c', rendered.script, 'sh', ...rendered.args], { encoding: 'utf8' });
    };

    expect(run({})).toBe('[a][b]');
    expect(run({ x: 'c d' })).toBe('[a][c d][b]');
  });

  it('keeps working past nine parameters', () => {
    const names = Array.from({ length: 11 }, (_, i) => `p${i}`);
    const { template } = parseTemplate(`printf '%s,' ${names.map((n) => `{${n}}`).join(' ')}`, names);
    const values = Object.fromEntries(names.map((n, i) => [n, String(i)]));
    const rendered = renderScript(
      template,
      names.map((n) => param(n)),
      values,
    );

    const out = execFileSync('/bin/sh', ['-c', rendered.script, 'sh', ...rendered.args], {
      encoding: 'utf8',
    });

    expect(out).toBe('0,1,2,3,4,5,6,7,8,9,10,');
  });

  it('never holds a value, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const { template } = parseTemplate('echo {x}', ['x']);

        expect(renderScript(template, [param('x')], { x: value })).toMatchObject({
          script: 'echo "$1"',
          args: [value],
        });
      }),
    );
  });
});

describe('displayLine', () => {
  const line = (source: string, values: Record<string, string>) =>
    displayLine(parseTemplate(source, Object.keys(values), 'predecessor').template, values);

  it('quotes a value only where a shell would want it', () => {
    expect(line('du -sh -- {x}', { x: '/var/log' })).toBe('du -sh -- /var/log');
    expect(line('du -sh -- {x}', { x: "/srv/My File's" })).toBe("du -sh -- '/srv/My File'\\''s'");
    expect(line('echo "Hi {x}"', { x: 'a "$b"' })).toBe('echo "Hi a \\"\\$b\\""');
  });

  it('shows what could not be seen', () => {
    expect(line('ls {x}', { x: 'a\u202eb\nc' })).toBe("ls 'a\\u202eb\\nc'");
  });
});
