/**
 * Which words make the rehearsal model call what, and on which host.
 */
import { describe, expect, it } from 'vitest';
import { createRehearsal, label } from '../../../src/backends/model/rehearsal.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import { ignore, never, turn } from '../../contract/model.ts';
import { answerTo, callsFor, commands, said, toolsFor } from './rehearsal-harness.ts';

describe('other ways to say it', () => {
  it.each([
    ['disk full?', [['check_disk', {}]]],
    ['is nginx up', [['check_service', { service_name: 'nginx' }]]],
    ['Bob: is nginx up?', [['check_service', { service_name: 'nginx' }]]],
    ['status of the ssh service', [['check_service', { service_name: 'ssh' }]]],
    ['is the server up?', [['server_status', {}]]],
    [
      "what's eating memory",
      [
        ['check_memory', {}],
        ['top_memory_processes', {}],
      ],
    ],
    ['how big is /srv/data?', [['check_path_size', { path: '/srv/data' }]]],
    ['how much disk space does /srv/data use', [['check_path_size', { path: '/srv/data' }]]],
    ['largest files in /var', [['largest_files', { parameters: { path: '/var' } }]]],
    ['logs of nginx', [['service_logs', { parameters: { service_name: 'nginx' } }]]],
    ['nginx logs please', [['service_logs', { parameters: { service_name: 'nginx' } }]]],
    ['show the logs of container web', [['docker_logs', { parameters: { container: 'web' } }]]],
    ['show me the logs', [['syslog_recent', {}]]],
    ['top processes', [['top_processes', {}]]],
    ['who is logged in?', [['logged_in_users', {}]]],
    ['listening ports', [['listening_ports', {}]]],
    [
      'open network connections',
      [
        ['listening_ports', {}],
        ['network_connections', {}],
      ],
    ],
    ['docker images', [['docker_images', {}]]],
    ['which containers are there?', [['docker_ps', {}]]],
    ['failed services', [['failed_services', {}]]],
    [
      'disk and memory',
      [
        ['check_disk', {}],
        ['check_memory', {}],
      ],
    ],
    ['ping', [['ping', {}]]],
    ['auth_log', [['auth_log', {}]]],
    ['run uptime', [['uptime', {}]]],
    ['please run service_logs nginx', [['service_logs', { parameters: { service_name: 'nginx' } }]]],
    [
      'service_logs service_name="my unit" lines=5',
      [['service_logs', { parameters: { service_name: 'my unit', lines: '5' } }]],
    ],
    [
      'service_logs service_name=nginx lines=5',
      [['service_logs', { parameters: { service_name: 'nginx', lines: '5' } }]],
    ],
    ['check_disk', [['check_disk', {}]]],
  ])('%s', async (text, calls) => {
    expect(await callsFor(text)).toEqual(calls);
  });

  it.each(commands)('%s by its name is that command or a question for what it lacks', async (name) => {
    const answer = turn(await createRehearsal().next(said(name), ignore, never()));

    if (answer.calls.length === 0) expect(answer.text).toContain(`\`${name}\` needs`);
    else expect(answer.calls[0]?.args.command_name).toBe(name);
  });

  it('says what it can do when it did not understand, and calls nothing', async () => {
    const answer = await answerTo('What is the meaning of life?');

    expect(answer.startsWith(label)).toBe(true);
    expect(answer).toContain('"check the server status"');
    expect(answer).toContain('Hosts here: `local`');
  });
});

describe('hosts', () => {
  const tools = toolsFor(['local', 'web-1', 'db.example']);

  it.each([
    ['disk on web-1?', [['check_disk', { host: 'web-1' }]]],
    ['is nginx running on web-1', [['check_service', { service_name: 'nginx', host: 'web-1' }]]],
    [
      'memory of db.example and web-1',
      [
        ['check_memory', { host: 'web-1' }],
        ['check_memory', { host: 'db.example' }],
      ],
    ],
    ['memory on local', [['check_memory', { host: 'local' }]]],
    ['the local disk', [['check_disk', {}]]],
    ['uptime on all hosts', [['local', 'web-1', 'db.example'].map((host) => ['uptime', { host }])].flat()],
  ])('%s', async (text, calls) => {
    expect(await callsFor(text, tools)).toEqual(calls);
  });

  it('is asked for when the tools need one and none was named', async () => {
    const answer = await answerTo('disk?', toolsFor(['a-1', 'b-1'], true));

    expect(answer).toContain('On which host? There are `a-1` and `b-1`');
  });

  it.each([
    ['how much disk space everywhere?', ['all']],
    ['disk on all hosts', ['all']],
    ['check the memory on @web', ['@web']],
    ['disk usage of @web&eu', ['@web&eu']],
    ['disk on web-1 and db-1', ['web-1', 'db-1']],
  ])('may be a group, and is one call then: %s', async (text, hosts) => {
    const named = { type: 'string', examples: ['web-1', 'db-1', 'all', '@eu', '@web'] };
    const grouped = toolsFor([]).map((t) => {
      const properties = t.inputSchema.properties as JsonObject;
      return { ...t, inputSchema: { ...t.inputSchema, properties: { ...properties, host: named } } };
    });

    const calls = await callsFor(text, grouped);

    expect(calls.map((c) => (c as [string, JsonObject])[1].host)).toEqual(hosts);
  });

  it('is not replaced by another when nobody knows it', async () => {
    const answer = await answerTo('disk on web-9', tools);

    expect(answer).toContain('I know no host `web-9`. The hosts are `local`, `web-1` and `db.example`.');
  });
});
