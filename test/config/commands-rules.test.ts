/**
 * commands.yaml: what later keys mean (types, sudo, probe, undo, examples, floor), one bad file for each of their
 * rules with its place, and what the command line says of it.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadCatalogue } from '../../src/config/commands.ts';
import { problemLine } from '../../src/config/problem.ts';
import { displayLine, renderScript } from '../../src/core/template.ts';
import { main } from '../../src/main.ts';

const load = (text: string) => loadCatalogue('commands.yaml', text);
const entry = (lines: string) => `commands:
  - name: sample
    description: A sample
    category: system
${lines.replace(/^/gm, '    ')}
`;
const first = (lines: string) => load(entry(lines)).commands[0];
const ours = (type: string, template = 'tool {x}', more = '') =>
  `command_template: ${template}\nparameters:\n  x: { description: d, ${type} }${more}`;
const second = (more: string) =>
  `  - { name: other, description: d, category: c, command_template: df, ${more} }\n`;

describe('an entry of ours', () => {
  it('keeps what it says about approval, probe, undo and sudo', () => {
    const { commands, problems } = load(
      `${entry('command_template: tool\nrisk: change\napproval: two people\nprobe: other\nundo: back\nsudo: true')}${second('risk: read')}  - { name: back, description: d, category: c, command_template: tool back, risk: change, undo: sample }\n`,
    );

    expect(problems).toEqual([]);
    expect(commands[0]).toMatchObject({ approval: 'two people', probe: 'other', undo: 'back', sudo: true });
  });

  it('renders sudo: true as exactly sudo -n -- before the command', () => {
    const spec = first(
      `${ours('type: unit', 'systemctl restart {x} | tail -n 5')}\nrisk: change\nsudo: true`,
    );

    expect(spec && renderScript(spec.template, spec.params, { x: 'a' }).script).toBe(
      'sudo -n -- systemctl restart "$1" | tail -n 5',
    );
    expect(spec && displayLine(spec.template, { x: 'a' }, spec.params)).toBe(
      'sudo -n -- systemctl restart a | tail -n 5',
    );
  });

  it('makes each of several values a word of its own', () => {
    const spec = first(ours('type: path, several: 3', 'du -s {x} /end'));
    if (!spec) throw new Error('it has problems');

    expect(renderScript(spec.template, spec.params, { x: '/a b\n/c' })).toMatchObject({
      script: 'du -s "$1" "$2" /end',
      args: ['/a b', '/c'],
    });
    expect(displayLine(spec.template, { x: '/a b\n/c' }, spec.params)).toBe("du -s '/a b' /c /end");
  });

  it('takes a type from the description where the name tells none', () => {
    const spec = first(`command_template: tool {a} {b} {c} {d} {e} {f}
parameters: { a: Path to look at, b: Name of the service, c: Number of lines, d: PID of it, e: TCP port, f: Words }`);

    expect(spec?.params.map((p) => p.type.kind)).toEqual(['path', 'unit', 'integer', 'pid', 'port', 'text']);
  });

  it('leaves examples in people’s own words alone', () => {
    const { problems } = load(
      entry(
        `${ours('type: unit')}\nexamples: [Restart a=b please, sample of a thing]\nexample_usage: sample`,
      ),
    );

    expect(problems).toEqual([]);
  });
});

describe('the floor at load', () => {
  it('is named on the command, which still loads', () => {
    const spec = first('command_template: mkfs.ext4 /dev/sdb1\nrisk: critical');

    expect(spec?.floor).toBe('writes-a-disk: mkfs.ext4 changes a disk');
  });

  it('leaves journalctl --vacuum a change', () => {
    const spec = first('command_template: journalctl --vacuum-time=7d');

    expect(spec).toMatchObject({ risk: 'change' });
    expect(spec?.floor).toBeUndefined();
  });
});

describe('a bad commands.yaml', () => {
  it.each([
    [entry('command_template: df {x}\nprobe: x'), 'commands.yaml:5:26 — undeclared-placeholder'],
    [entry(`command_template: 'echo "{y}"'`), 'commands.yaml:5:30 — undeclared-placeholder'],
    [entry(ours('type: path', 'cat < {x}')), 'commands.yaml:5:29 — placeholder-in-redirection'],
    [entry(ours('type: path', 'echo a > {x}')), 'commands.yaml:5:32 — placeholder-in-redirection'],
    [entry(ours('type: unit', 'ls --{x}')), 'commands.yaml:5:28 — placeholder-in-option'],
    [entry(ours('type: unit', 'ls -n{x}')), 'commands.yaml:5:23 — placeholder-in-option'],
    [entry(ours('type: path', 'bash {x}')), 'commands.yaml:5:28 — placeholder-as-code'],
    [entry(ours('type: path', 'ls | xargs sh {x}')), 'commands.yaml:5:37 — placeholder-as-code'],
    [entry(ours('type: path', 'find /a -exec sh -c {x} +')), 'commands.yaml:5:43 — placeholder-as-code'],
    [entry(ours('type: path', 'cat `ls {x}`')), 'commands.yaml:5:31 — placeholder-in-substitution'],
    [
      entry(`command_template: echo '{x}'\nparameters: { x: d }`),
      'commands.yaml:5:29 — placeholder-in-quotes',
    ],
    [entry(ours('type: text')), 'commands.yaml:7:10 — missing-key: x needs a pattern'],
    [entry(ours("type: text, pattern: 'a+'")), 'commands.yaml:7:49 — unanchored-pattern'],
    [entry(ours("type: text, pattern: '^a\\$'")), 'commands.yaml:7:49 — unanchored-pattern'],
    [entry(ours("type: text, pattern: '^(a)\\1$'")), 'commands.yaml:7:49 — bad-pattern'],
    [entry(ours('type: duration, max: 5')), 'commands.yaml:7:49 — bad-range: max of x is not a duration'],
    [entry(ours('type: port, max: 70000')), 'commands.yaml:7:45 — bad-range'],
    [entry(ours('type: integer, max: many')), 'commands.yaml:7:48 — bad-range: max of x is not a number'],
    [entry(ours('type: path, unit: days')), 'commands.yaml:7:46 — wrong-key: unit means nothing'],
    [entry(ours('type: path, several: 1')), 'commands.yaml:7:49 — bad-value'],
    [entry(ours('type: path, several: true', 'tool --x={x}')), 'commands.yaml:5:23 — several-in-word'],
    [entry('command_template: df\ntimeout: 1.5'), 'commands.yaml:6:14 — bad-value'],
    [entry('command_template: df\nstdin: x'), 'commands.yaml:6:5 — unknown-key: stdin'],
    [entry('command_template: a && b\nsudo: true\nrisk: change'), 'commands.yaml:5:23 — sudo-not-simple'],
    [entry('command_template: sudo a\nsudo: true\nrisk: change'), 'commands.yaml:5:23 — sudo-twice'],
    [
      entry('command_template: tool\nprobe: othr') + second('risk: read'),
      'commands.yaml:6:12 — bad-probe: sample: there is no command othr — did you mean other?',
    ],
    [
      entry('command_template: tool\nprobe: other') + second('risk: change'),
      'commands.yaml:6:12 — bad-probe: sample: other is a change, not a read',
    ],
    [
      entry('command_template: df\nprobe: other') + second('risk: read'),
      'commands.yaml:6:12 — bad-probe: sample: a read has no probe',
    ],
    [
      `${entry('command_template: tool\nprobe: other')}  - { name: other, description: d, category: c, command_template: "ls {p}", parameters: { p: A path } }`,
      'commands.yaml:6:12 — bad-probe: sample: other takes p, which this command does not have',
    ],
    [
      entry('command_template: tool\nundo: sample'),
      'commands.yaml:6:11 — bad-undo: sample: it cannot reverse itself',
    ],
    [
      entry('command_template: tool\nundo: other') + second('risk: read'),
      'commands.yaml:6:11 — bad-undo: sample: other is a read',
    ],
    [
      entry(ours('type: unit', 'tool {x}', '\nexamples: [fine, sample x=-a]')),
      'commands.yaml:8:22 — bad-example: sample: the example would be refused: x begins with "-"',
    ],
    [entry(ours('type: unit', 'tool {x}', '\nexamples: [sample y=a]')), 'commands.yaml:8:16 — bad-example'],
    [
      entry(ours('type: unit', 'tool {x}', '\nexamples: [sample x=a now]')),
      'has a word that is no key=value',
    ],
    [entry(ours('type: unit', 'tool {x}', '\nexamples: [other x=a]')), 'the example runs other'],
    [entry(ours('type: unit', 'tool {x}', '\nexamples: [sample]')), 'x is missing'],
    [entry('command_template: df\napproval: ""'), 'commands.yaml:6:15 — bad-value'],
  ])('%#: is refused with place and rule: %j → %s', (text, expected) => {
    const { commands, problems } = load(text);

    expect(problems.map(problemLine).join('\n')).toContain(expected);
    expect(commands.map((c) => c.name)).not.toContain('sample');
  });

  it('is reported in the order of the file, all of it at once', () => {
    const { problems } = load(
      entry(ours('type: text', 'df {y}', '\nprobe: other\nexamples: [sample z=1]')) +
        second('risks: x') +
        second('probe: nothing').replace('other', 'third'),
    );

    expect(problems.map((p) => p.rule)).toEqual([
      'unused-parameter',
      'undeclared-placeholder',
      'missing-key',
      'bad-example',
      'unknown-key',
      'bad-probe',
    ]);
  });
});

describe('opsagent commands lint and render', () => {
  const dir = mkdtempSync(join(tmpdir(), 'opsagent-lint-'));
  const before = process.exitCode;
  afterAll(() => {
    process.exitCode = before;
    rmSync(dir, { recursive: true });
  });

  async function ops(...argv: string[]) {
    const write = process.stdout.write.bind(process.stdout);
    const writeErr = process.stderr.write.bind(process.stderr);
    let out = '';
    const take = ((chunk: string) => {
      out += chunk;
      return true;
    }) as typeof process.stdout.write;
    process.stdout.write = take;
    process.stderr.write = take;
    try {
      await main(argv);
    } finally {
      process.stdout.write = write;
      process.stderr.write = writeErr;
    }
    return { out, code: process.exitCode };
  }

  it('prints every problem with its place and ends with exit code 2', async () => {
    const file = join(dir, 'bad.yaml');
    writeFileSync(file, entry('command_template: df {a} {b}'));

    const { out, code } = await ops('commands', 'lint', file);

    expect(code).toBe(2);
    expect(out).toContain(`${file}:5:26 — undeclared-placeholder: sample: {a}`);
    expect(out).toContain(`${file}:5:30 — undeclared-placeholder: sample: {b}`);
  });

  it('says the risk of each command and why, inferred types, the floor and what to look at again', async () => {
    const file = join(dir, 'good.yaml');
    writeFileSync(
      file,
      `${entry('command_template: rm -rf {path}\nparameters: { path: What }')}  - { name: wipe, description: d, category: c, command_template: wipefs -a /dev/sdb }
  - { name: show, description: d, category: c, command_template: docker inspect web }
  - { name: disk, description: d, category: c, command_template: df -h }
`,
    );

    const { out, code } = await ops('commands', 'lint', file);
    const { commands } = JSON.parse((await ops('commands', 'lint', file, '--json')).out);

    expect(code).toBe(0);
    expect(out).toContain('path taken for path (an absolute path)');
    expect(out).toContain('floor-by-value: refused at run with some values (removes-a-root: rm removes /');
    expect(out).toContain('floor: never runs — writes-a-disk: wipefs changes a disk');
    expect(out).toContain('shows-environment');
    expect(commands.map((c: { risk: string; why: string }) => `${c.risk}, ${c.why}`)).toEqual([
      'change, not stated, and not made wholly of known read-only tools',
      'change, not stated, and not made wholly of known read-only tools',
      'change, not stated, and not made wholly of known read-only tools',
      'read, made wholly of known read-only tools',
    ]);
  });

  it('shows what would be sent, and refuses what would be refused', async () => {
    const good = await ops('commands', 'render', 'disk_usage_path', 'path=/srv/My Files/ü', '--json');
    const shown = JSON.parse(good.out);
    const bad = await ops('commands', 'render', 'disk_usage_path', 'path=-delete');

    expect(shown).toMatchObject({
      line: "du -sh -- '/srv/My Files/ü'",
      script: 'du -sh -- "$1"',
      args: ['/srv/My Files/ü'],
      risk: 'read',
    });
    expect(shown.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(shown.sent).toMatch(/^\/usr\/bin\/env -i .* sh [A-Za-z0-9+/= ]+$/);
    const words: string[] = shown.sent.split(' sh ').at(-1).split(' ');
    const script = words.map((word) => Buffer.from(word, 'base64').toString('utf8')).join('');
    expect(script).toMatch(/run \d+ 'du -sh -- "\$1"' '\/srv\/My Files\/ü'/);
    expect([good.code, bad.code]).toEqual([0, 2]);
    expect(bad.out).toContain('path begins with "-"');
  });
});
