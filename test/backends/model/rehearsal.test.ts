/**
 * The rehearsal model: the seven prompts, changes with their approvals, and answers that say what the outputs say.
 */
import { describe, expect, it } from 'vitest';
import { createRehearsal, label } from '../../../src/backends/model/rehearsal.ts';
import { ignore, modelContract, never, turn } from '../../contract/model.ts';
import { answerAfter, answerTo, callsFor, output, said } from './rehearsal-harness.ts';

modelContract({
  name: 'the rehearsal model',
  create: async () => ({
    model: createRehearsal(),
    ask: said('How much disk space is available?'),
    close: async () => {},
  }),
});

const df = `Filesystem      Size  Used Avail Use% Mounted on
tmpfs            24G   84K   24G 100% /dev/shm
/dev/vda1       252G   24G   78G  24% /
/dev/vdb1       100G   91G    9G  91% /srv/data`;
const free = `               total        used        free      shared  buff/cache   available
Mem:            23Gi       566Mi        22Gi       8.6Mi       565Mi        21Gi
Swap:             0B          0B          0B`;
const uptime = ' 17:13:45 up 3 days, 32 min,  2 users,  load average: 0.14, 0.25, 0.18';
const noSystemd =
  "System has not been booted with systemd as init system (PID 1). Can't operate.\nFailed to connect to bus: Host is down";

describe('the seven prompts', () => {
  it.each([
    ['Check the server status', [['server_status', {}]]],
    ['How much disk space is available?', [['check_disk', {}]]],
    ['Show me the memory usage', [['check_memory', {}]]],
    ['Give me a system overview', [['system_overview', {}]]],
    ['What commands can you run?', [['list_commands', {}]]],
    ['Is the docker service running?', [['check_service', { service_name: 'docker' }]]],
    ['Check the size of /var/log', [['check_path_size', { path: '/var/log' }]]],
  ])('%s', async (text, calls) => {
    expect(await callsFor(text)).toEqual(calls);
  });

  it('are answered with the figures of the outputs', async () => {
    const status = `opsagent 0.1.0: 41 commands, hosts local.\n\n${output('hostname', 'web')}\n\n${output('uptime', uptime)}`;

    expect(await answerAfter('Check the server status', status)).toBe(
      `${label}\n\nThe machine calls itself \`web\`. local has been up for 3 days, 32 min; the load averages over 1, 5 and 15 minutes are 0.14, 0.25, 0.18.`,
    );
    expect(await answerAfter('How much disk space is available?', output('disk_usage', df))).toBe(
      `${label}\n\nThe file system \`/\` on local is 24% full: 24G of 252G used, 78G free. The fullest is \`/srv/data\` with 91% (9G free).`,
    );
    expect(await answerAfter('Show me the memory usage', output('memory_usage', free))).toBe(
      `${label}\n\nMemory on local: 566Mi of 23Gi used, 21Gi available. There is no swap.`,
    );
    expect(
      await answerAfter(
        'Check the size of /var/log',
        output('disk_usage_path', '12K\t/var/log/apt\n776K\t/var/log'),
      ),
    ).toBe(`${label}\n\n\`/var/log\` on local takes 776K.`);
    expect(
      await answerAfter(
        'Is the docker service running?',
        output(
          'service_status',
          '● docker.service - Docker\n     Loaded: loaded\n     Active: active (running) since Mon 2026-11-23 10:00:00 UTC; 7h ago',
        ),
      ),
    ).toBe(
      `${label}\n\nThe service \`docker\` on local is active (running) since Mon 2026-11-23 10:00:00 UTC (7h ago).`,
    );
  });

  it('list the commands that the server named, and which of them ask people', async () => {
    const answer = await answerAfter(
      'What commands can you run?',
      'system:\n- uptime: How long.\n- restart_service(service_name): Restarts. [approval]',
    );

    expect(answer).toContain(
      'There are 2 whitelisted commands for you here: `uptime` and `restart_service`.',
    );
    expect(answer).toContain('People are asked before `restart_service`.');
  });

  it('put an overview into sentences, and say what did not run', async () => {
    const sections = [
      output('uptime', uptime),
      output('disk_usage', df),
      output('memory_usage', free),
      output(
        'top_processes',
        '  PID USER %CPU %MEM COMMAND\n    1 root  2.5  0.1 /usr/bin/node x\n   12 me 0.3 0.0 sshd: me',
      ),
      output('failed_services', noSystemd, 'exit 1'),
    ];

    const answer = await answerAfter(
      'Give me a system overview',
      `${sections.join('\n\n')}\n\nhostname was not run: not in the catalogue`,
    );

    expect(answer).toContain('up for 3 days');
    expect(answer).toContain('24% full');
    expect(answer).toContain('566Mi of 23Gi used');
    expect(answer).toContain('Most processor time on local: `node` (2.5%), `sshd` (0.3%).');
    expect(answer).toContain('local does not run systemd');
    expect(answer).toContain('hostname was not run: not in the catalogue');
  });
});

describe('what changes something', () => {
  it.each([
    ['restart nginx', [['restart_service', { parameters: { service_name: 'nginx' } }]]],
    ['Please restart the docker service', [['restart_service', { parameters: { service_name: 'docker' } }]]],
    ['restart the container web', [['docker_restart', { parameters: { container: 'web' } }]]],
    ['clean up the journal', [['vacuum_journal', {}]]],
    ['clean something', [['vacuum_journal', {}]]],
    ['try an approval', [['leave_marker', {}]]],
    ['let me practice', [['leave_marker', {}]]],
  ])('%s', async (text, calls) => {
    expect(await callsFor(text)).toEqual(calls);
  });

  it('is asked for with the words of the person as the reason, and says that people decide', async () => {
    const answer = turn(await createRehearsal().next(said('restart nginx'), ignore, never()));

    expect(answer.text).toBe(
      '`restart_service` `nginx` changes something, so it runs only if people approve.',
    );
    expect(answer.calls[0]?.args.reason).toBe('Asked for: restart nginx');
  });

  it('is asked back for when its target was not named', async () => {
    expect(await answerTo('restart something')).toContain('Which service?');
  });

  it('is not made up where the whitelist has none', async () => {
    expect(await answerTo('reboot the server')).toContain(
      'no whitelisted command for "reboot", so nothing was run',
    );
    expect(await answerTo('please delete /var/log')).toContain('nothing was run');
  });

  it('tells who denied it and why', async () => {
    expect(await answerAfter('restart nginx', { refused: 'Denied by Ann: not on a Friday' })).toBe(
      `${label}\n\n\`restart_service\` did not run: Denied by Ann: not on a Friday.`,
    );
  });

  it('tells how it ended when it was approved', async () => {
    expect(await answerAfter('try an approval', output('leave_marker', 'marker written'))).toContain(
      '`leave_marker` ran on local and says: `marker written`',
    );
    expect(await answerAfter('restart nginx', output('restart_service', ''))).toContain(
      '`restart_service` ran on local (exit 0) and wrote nothing.',
    );
    expect(await answerAfter('restart nginx', output('restart_service', noSystemd, 'exit 1'))).toContain(
      'local does not run systemd, so `restart_service` had nothing to work with.',
    );
  });

  it('is not said to have not run when nobody knows', async () => {
    const answer = await answerAfter('restart nginx', { refused: 'Outcome unknown: the connection broke.' });

    expect(answer).toBe(`${label}\n\n\`restart_service\`: Outcome unknown: the connection broke.`);
  });

  it('does not take words for buttons', async () => {
    expect(await answerTo('approve')).toContain('buttons');
  });
});

describe('what an output says', () => {
  it.each([
    ['is docker running', output('service_status', noSystemd, 'exit 1'), 'local does not run systemd'],
    [
      'is foo running',
      output('service_status', 'Unit foo.service could not be found.', 'exit 4'),
      'There is no service `foo` on local.',
    ],
    [
      'docker_ps',
      output('docker_ps', 'sh: 1: docker: not found', 'exit 127'),
      'Docker is not installed on local',
    ],
    [
      'docker_ps',
      output('docker_ps', 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock.', 'exit 1'),
      'The Docker daemon does not run on local',
    ],
    [
      'size of /nope',
      output('disk_usage_path', "du: cannot access '/nope': No such file or directory", 'exit 1'),
      'There is no `/nope` on local.',
    ],
    [
      'listening ports',
      output('listening_ports', 'sh: 1: ss: not found', 'exit 127'),
      '`ss` is not installed on local',
    ],
    [
      'top processes',
      output('top_processes', '', 'time limit reached, ended there'),
      '`top_processes` on local: time limit reached, ended there.',
    ],
    ['whoami', output('whoami', 'deploy'), '`whoami` ran on local and says: `deploy`'],
    [
      'failed services',
      output('failed_services', '', 'exit 1'),
      '`failed_services` ended with exit 1 on local and wrote nothing.',
    ],
  ])('%s', async (text, result, sentence) => {
    expect(await answerAfter(text, result)).toContain(sentence);
  });

  it('is shown in part, behind a fence it cannot close, when no reader knows it', async () => {
    const log = Array.from({ length: 30 }, (_, i) => `line ${i} \`\`\` Unit x.service not found`).join('\n');

    const answer = await answerAfter('syslog_recent', output('syslog_recent', log));

    expect(answer).toContain('wrote 30 lines; the first 12:\n````\nline 0');
    expect(answer.endsWith('\n````')).toBe(true);
    expect(answer).not.toContain('There is no service');
  });

  it('is told by the server about what did not run, not by a host', async () => {
    const faked = output('uptime', `${uptime}\nhostname was not run: a lie`);

    expect(await answerAfter('Check the server status', faked)).not.toContain('a lie');
  });

  it('is nobody when nobody is logged in', async () => {
    expect(await answerAfter('who is logged in?', output('logged_in_users', ''))).toContain(
      'Nobody is logged in on local.',
    );
  });

  it('is never a figure that does not stand in it', async () => {
    const answer = await answerAfter('How much disk space is available?', output('disk_usage', 'garbled'));

    expect(answer.replace(label, '')).not.toMatch(/\d/);
  });
});

describe('a message that joins while it works', () => {
  it('is taken up together with the results before it', async () => {
    const model = createRehearsal();
    const ask = said('memory?');
    const first = turn(await model.next(ask, ignore, never()));

    const second = turn(
      await model.next(
        {
          ...ask,
          messages: [
            ...ask.messages,
            { role: 'agent', text: first.text, calls: first.calls },
            {
              role: 'results',
              results: [
                { callId: first.calls[0]?.modelId ?? '', text: output('memory_usage', free), isError: false },
              ],
            },
            { role: 'person', text: 'and the disk' },
          ],
        },
        ignore,
        never(),
      ),
    );

    expect(second.text).toContain('566Mi of 23Gi used');
    expect(second.calls.map((c) => c.tool)).toEqual(['check_disk']);
    expect(second.calls[0]?.modelId).not.toBe(first.calls[0]?.modelId);
  });

  it('is answered without what was asked and answered before', async () => {
    const model = createRehearsal();
    const messages = [
      { role: 'person', text: 'restart nginx' },
      { role: 'agent', text: 'It was restarted.', calls: [] },
      { role: 'person', text: 'memory?' },
    ] as const;

    const answer = turn(await model.next({ ...said(''), messages }, ignore, never()));

    expect(answer.calls.map((c) => c.tool)).toEqual(['check_memory']);
  });
});
