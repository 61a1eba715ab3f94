/**
 * commands.yaml: the shipped file, the predecessor's format, and one bad file for each rule with its place.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadCatalogue } from '../../src/config/commands.ts';
import { problemLine } from '../../src/config/problem.ts';
import { checkParams } from '../../src/core/params.ts';
import { renderScript } from '../../src/core/template.ts';

const load = (text: string) => loadCatalogue('commands.yaml', text);
const entry = (lines: string) => `commands:
  - name: sample
    description: A sample
    category: system
${lines.replace(/^/gm, '    ')}
`;
const first = (lines: string) => load(entry(lines)).commands[0];

describe('the shipped commands.yaml', () => {
  const { commands, problems } = load(readFileSync('config/commands.yaml', 'utf8'));

  it('loads without problems', () => {
    expect(problems).toEqual([]);
  });

  it('has every command that the manual names', () => {
    const names =
      'hostname uptime whoami uname date timezone syslog_recent auth_log dmesg_recent logged_in_users last_logins sudo_users disk_usage disk_usage_path disk_inodes largest_files memory_usage memory_detailed top_processes top_memory_processes process_count process_tree network_interfaces listening_ports network_connections network_stats dns_servers routing_table service_status failed_services active_services service_logs journal_size docker_ps docker_ps_all docker_stats docker_images docker_logs docker_volumes docker_networks restart_service docker_restart vacuum_journal practice_change';

    expect(commands.map((c) => c.name).sort()).toEqual(names.split(' ').sort());
  });

  it('asks for approval for exactly the commands that act', () => {
    expect(commands.filter((c) => c.risk !== 'read').map((c) => c.name)).toEqual([
      'restart_service',
      'vacuum_journal',
      'docker_restart',
      'practice_change',
    ]);
  });

  it('refuses options, patterns and traversal in every parameter of every command', () => {
    const hostile = [
      '-delete',
      '--files0-from=/etc/passwd',
      '-Hevil',
      '*',
      '../../root/.ssh',
      '@file',
      '+x',
      'a\nb',
      '',
    ];
    for (const { params } of commands)
      for (const { name } of params)
        for (const value of hostile) {
          const checked = checkParams(params, { [name]: value });

          expect(
            checked.ok
              ? []
              : checked.problems.filter((p) => p.startsWith(`${name} `) && !p.includes('missing')),
          ).toHaveLength(1);
        }
  });

  it('keeps Go templates byte for byte', () => {
    const docker = commands.find((c) => c.name === 'docker_ps');

    expect(docker && renderScript(docker.template, [], {}).script).toBe(
      "docker ps --format 'table {{.Names}}\\t{{.Image}}\\t{{.Status}}\\t{{.Ports}}'",
    );
  });
});

describe('an entry of the predecessor', () => {
  it('types its parameters by name', () => {
    const spec = first(`command_template: tool {path} {service_name} {container_name} {lines} {pattern}
parameters:
  path: A folder
  service_name: A service
  container_name: A container
  lines: How many
  pattern: What to look for
dangerous: false
requires_confirmation: false
example_usage: try it`);

    expect(spec?.params.map((p) => p.type.kind)).toEqual(['path', 'unit', 'container', 'integer', 'text']);
    expect(spec).toMatchObject({ examples: ['try it'], risk: 'change', timeoutSeconds: 30, hosts: [] });
  });

  it('may name a parameter inside double quotes', () => {
    const spec = first('command_template: \'echo "Hello {name}"\'\nparameters: { name: Who }');

    expect(spec && renderScript(spec.template, spec.params, { name: 'x' }).script).toBe('echo "Hello ${1}"');
  });

  it('renders find with {} exactly', () => {
    const spec = first(
      'command_template: find {path} -type f -exec du -h {} + 2>/dev/null | sort -rh | head -10\nparameters: { path: Where }',
    );

    expect(spec?.risk).toBe('read');
    expect(spec && renderScript(spec.template, spec.params, { path: '/x' }).script).toBe(
      'find "$1" -type f -exec du -h {} + 2>/dev/null | sort -rh | head -10',
    );
  });
});

describe('the risk of an entry', () => {
  it.each([
    'df -h',
    'ps aux | grep -v root | wc -l',
    'timedatectl | grep "Time zone"',
    'free -h 2>/dev/null',
    "awk '{print $1}' /proc/loadavg",
    'systemctl status ssh',
    'journalctl -n 50 --no-pager',
    'docker volume ls',
    'ip addr show',
    'find /var -type f -size +1M',
    'hostname',
    'date',
    'docker logs web 2>&1',
  ])('is read without being stated: %s', (template) => {
    expect(first(`command_template: ${JSON.stringify(template)}`)?.risk).toBe('read');
  });

  it.each([
    'reboot',
    'df -h; reboot',
    'find /var -delete',
    'find / -exec rm {} +',
    'journalctl --vacuum-time=1d',
    'dmesg -C',
    'date -s 10:00',
    'hostname evil',
    'ip link set eth0 down',
    'echo a > /etc/x',
    'cat $(ls)',
    'cat `ls`',
    'sort -o /etc/x /etc/y',
    "awk 'BEGIN{system(1)}'",
    'ss -K',
    'systemctl restart ssh',
    'docker exec web ls',
    'sed -i s/a/b/ /x',
    'xargs rm',
    'ls & reboot',
    'cat "$HOME"',
    'uniq a b',
    'sudo ls',
    'ls 2>/dev/null/x',
    'systemctl -H evil status x',
    'journalctl --rotate',
    'journalctl --rot',
    'journalctl --vac=1d',
    'journalctl --flush',
    'ip addr add 10.0.0.1/8 dev lo',
    'ip addr del 10.0.0.1/8 dev lo',
    'ip -b /srv/batch',
    'dmesg -c',
    'dmesg --cle',
    'date --set=10:00',
    'sort --outp=/etc/x /etc/y',
    'ls | sort --co=/srv/x',
    'find / -fprint /etc/x',
    'find / -execdir ls {} +',
    'ls | xargs find',
    'ls | xargs sort',
    'ls | tee /srv/x',
    'resolvectl dns eth0 1.1.1.1',
    'docker -H tcp://evil ps',
    'awk \'BEGIN{f="sys" "tem"; @f("id")}\'',
    'bash -c ls',
    'crontab -r',
    'ls > x',
    'ls >| x',
    'ls &',
    'x=1 ls',
    'who; (ls)',
  ])('is a change without being stated: %s', (template) => {
    expect(first(`command_template: ${JSON.stringify(template)}`)?.risk).toBe('change');
  });

  it('is a change when the predecessor calls it dangerous or wants confirmation', () => {
    expect(first('command_template: df\ndangerous: true')?.risk).toBe('change');
    expect(first('command_template: df\nrequires_confirmation: true')?.risk).toBe('change');
  });

  it('is what the author states', () => {
    expect(first('command_template: reboot\nrisk: critical')?.risk).toBe('critical');
    expect(first('command_template: mytool\nrisk: read')?.risk).toBe('read');
  });
});

describe('a bad commands.yaml', () => {
  const ours = (type: string, template = 'tool {x}') =>
    `command_template: ${template}\nparameters:\n  x: { description: d, ${type} }`;

  it.each([
    [
      entry('command_template: df\nrisks: read'),
      'commands.yaml:6:5 — unknown-key: risks is not a key here — did you mean risk?',
    ],
    [
      entry(ours('type: path, root: [/]')),
      'commands.yaml:7:40 — unknown-key: root is not a key here — did you mean roots?',
    ],
    [entry('command_template: df\ncommand_template: du'), 'commands.yaml:6:5 — duplicate-key'],
    [
      `${entry('command_template: df')}  - { name: sample, description: d, category: c, command_template: df }`,
      'commands.yaml:6:13 — duplicate-name',
    ],
    [entry('risk: read'), 'commands.yaml:2:5 — missing-key: commands[1].command_template is missing'],
    [
      entry('command_template: 5'),
      'commands.yaml:5:23 — bad-value: commands[1].command_template is a number, not text — put it in quotes',
    ],
    [entry('command_template: df\nrisk: low'), 'commands.yaml:6:11 — bad-value'],
    [entry('command_template: df\ntimeout: 0'), 'commands.yaml:6:14 — bad-value'],
    [entry('command_template: df {path}'), 'commands.yaml:5:26 — undeclared-placeholder'],
    [entry(ours('type: text', '\'echo "{x}"\'')), 'commands.yaml:5:30 — placeholder-in-quotes'],
    [entry(ours('type: text', '|\n  ls\n  {x}')), 'commands.yaml:7:7 — placeholder-as-command'],
    [entry(ours('type: text', 'echo $(cat {x})')), 'commands.yaml:5:34 — placeholder-in-substitution'],
    [entry(ours('type: text', 'sh -c {x}')), 'commands.yaml:5:29 — placeholder-as-code'],
    [entry(ours('type: text', 'df')), 'commands.yaml:5:23 — unused-parameter'],
    [entry('command_template: "df \'"'), 'unclosed-quote'],
    [entry(ours('type: text, optional: true', 'tool --x={x}')), 'commands.yaml:5:23 — optional-in-word'],
    [entry('command_template: df\nrisk: read\ndangerous: true'), 'commands.yaml:6:11 — risk-conflict'],
    [entry(ours('type: word')), 'commands.yaml:7:34 — bad-value'],
    [entry(ours('type: unit, min: 1')), 'commands.yaml:7:45 — wrong-key'],
    [entry(ours('type: integer')), 'commands.yaml:7:10 — missing-key: x needs a max'],
    [entry(ours('type: integer, min: -1, max: 3')), 'bad-range'],
    [entry(ours('type: integer, min: 5, max: 3')), 'bad-range'],
    [entry(ours('type: choice')), 'missing-key: x needs its values'],
    [entry(ours('type: choice, values: [--all]')), 'bad-choice'],
    [entry(ours('type: path, roots: [srv]')), 'bad-root'],
    [entry(ours("type: text, pattern: '(?=a)'")), 'commands.yaml:7:49 — bad-pattern'],
    [entry(ours('type: integer, max: 9, default: 10')), 'bad-default'],
    [entry('command_template: df {9}\nparameters: { "9": d }'), 'bad-name'],
    [
      entry('command_template: tool {constructor}\nparameters: { constructor: d }'),
      'commands.yaml:6:19 — bad-name',
    ],
    [
      entry('command_template: df\nparameters: { __proto__: d }'),
      'commands.yaml:6:19 — unknown-key: __proto__',
    ],
    [entry('command_template: "a\\u202eb"'), 'commands.yaml:5:23 — bad-value'],
    [entry('command_template: df\nhosts: ["web 1"]'), 'bad-value'],
    [
      'commands:\n  - { name: Dup, description: d, category: c, command_template: df }',
      'commands.yaml:2:13 — bad-value: commands[1].name is not a command name',
    ],
    ['commands: {}', 'commands.yaml:1:11 — bad-value: commands is a map, not a list'],
    ['command: []', 'unknown-key: command is not a key here — did you mean commands?'],
    ['commands: [', 'commands.yaml:1:12 — yaml'],
    ['', 'missing-key: commands is missing'],
    ['commands: []\n---\ncommands: []', 'yaml'],
  ])('%#: is refused with place and rule: %j → %s', (text, expected) => {
    const { commands, problems } = load(text);

    expect(problems.map(problemLine).join('\n')).toContain(expected);
    expect(commands.filter((c) => c.name !== 'sample' || !expected.includes('duplicate-name'))).toEqual([]);
  });

  it('reports every problem at once', () => {
    const { problems } = load(
      `${entry('command_template: df {a}')}  - { name: b, description: d, category: c, command_template: "{x}" , parameters: { x: d } }`,
    );

    expect(problems.map((p) => p.rule)).toEqual(['undeclared-placeholder', 'placeholder-as-command']);
  });
});
