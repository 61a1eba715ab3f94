import { Client, InMemoryTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport as LegacyPipe } from '@modelcontextprotocol/sdk/inMemory.js';
import { createMcpHandler } from '@modelcontextprotocol/server';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mcpToolsOver } from '../../src/backends/tools.ts';
import { recordingLogger } from '../fakes/logger.ts';
import { asked, call, callId, catalogue, host, policy, type Rig, restart, startRig } from './fixture.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await startRig();
});
afterEach(() => rig.close());

/** A client that knows nothing of us. */
async function stranger(capabilities = {}): Promise<Client> {
  const [near, far] = InMemoryTransport.createLinkedPair();
  rig.server.serve(far);
  const client = new Client(
    { name: 'stranger', version: '1' },
    { capabilities, versionNegotiation: { mode: 'auto' } },
  );
  await client.connect(near);
  return client;
}

const textOf = (result: unknown) => (result as { content: { text: string }[] }).content[0]?.text ?? '';

describe('the tool list', () => {
  it('has all its tools, strict, with annotations and output schemas', async () => {
    const client = await stranger();

    const { tools } = await client.listTools();

    expect(tools.map((t) => t.name)).toEqual([
      'ping',
      'server_status',
      'execute_command',
      'check_disk',
      'check_memory',
      'check_service',
      'check_path_size',
      'system_overview',
      'list_commands',
      'list_hosts',
      'explain',
      'get_result',
      'read_output',
    ]);
    for (const tool of tools) {
      expect(tool.inputSchema).toMatchObject({ type: 'object', additionalProperties: false });
      expect(tool.outputSchema).toBeDefined();
    }
    const execute = tools.find((t) => t.name === 'execute_command');
    expect(execute?.annotations).toMatchObject({ readOnlyHint: false, destructiveHint: true });
    expect(execute?.inputSchema.properties?.command_name).toMatchObject({
      enum: catalogue.map((c) => c.name),
    });
    expect(tools.find((t) => t.name === 'check_disk')?.annotations).toMatchObject({ readOnlyHint: true });
  });

  it('requires the host when there are several and none is the default', async () => {
    rig.given.hosts = [host, { ...host, name: 'web-1', tags: ['web'] }];
    await rig.restart();
    const client = await stranger();

    const { tools } = await client.listTools();

    expect(tools.find((t) => t.name === 'check_disk')?.inputSchema.required).toContain('host');
    expect(textOf(await client.callTool({ name: 'check_disk', arguments: {} }))).toMatch(/host/);
    expect(rig.runner.ran).toHaveLength(0);
  });
});

describe('a client without a signed request', () => {
  it('runs a read', async () => {
    const client = await stranger();

    const result = await client.callTool({ name: 'check_disk', arguments: {} });

    expect(result.isError).toBe(false);
    expect(textOf(result)).toContain('output of disk_usage');
    expect(result.structuredContent).toMatchObject({
      ran: [{ command: 'disk_usage', host: 'local', end: { kind: 'exited' } }],
    });
  });

  it.each(catalogue.filter((c) => c.risk !== 'read').map((c) => c.name))(
    'is refused %s and told how to ask for it',
    async (command) => {
      const client = await stranger({ elicitation: { form: {} } });
      const params = command === 'restart_service' ? { parameters: { service_name: 'nginx' } } : {};

      const result = await client.callTool({
        name: 'execute_command',
        arguments: { command_name: command, ...params },
      });

      expect(result.isError).toBe(true);
      expect(textOf(result)).toContain('Approval required');
      expect(result.structuredContent).toMatchObject({ approval_required: true, command, host: 'local' });
      expect(textOf(result)).toContain(`opsagent run ${command} --host local`);
      expect(rig.runner.ran).toHaveLength(0);
      expect(rig.audit.events).toMatchObject([
        { kind: 'command.rendered', who: 'mcp', data: { command } },
        { kind: 'call.refused', who: 'mcp', data: { command } },
      ]);
    },
  );

  it('gains nothing by a call id, an accepted elicitation, votes without a request or a made-up state', async () => {
    const client = await stranger({ elicitation: { form: {} } });
    const answered = {
      inputResponses: { approve: { action: 'accept', content: {} } },
      requestState: 's1.AAAA',
    };
    const base = { name: 'execute_command', arguments: { command_name: 'reboot' } };

    const answers = await Promise.all([
      client.callTool({ ...base, _meta: { 'opsagent/call': callId } }),
      client.callTool({ ...base, ...answered }),
      client.callTool({ ...base, _meta: { 'opsagent/requests': [] } }),
    ]);

    for (const answer of answers) expect(textOf(answer)).toContain('Approval required');
    expect(rig.runner.ran).toHaveLength(0);
  });

  it.each([
    { script: 'id' },
    { __proto__x: 'id' },
    { parameters: { constructor: 'id', service_name: 'a' }, command_name: 'restart_service' },
    { parameters: JSON.parse('{"__proto__": "id"}') as object },
    { parameters: { service_name: { a: 1 } } },
    { command_name: 'rm' },
    { command_name: 'reboot; id' },
    { host: 'LOCAL' },
  ])('cannot smuggle anything past the schema: %j', async (extra) => {
    const client = await stranger();

    const result = await client.callTool({
      name: 'execute_command',
      arguments: { command_name: 'reboot', ...extra },
    });

    expect(result.isError).toBe(true);
    expect(rig.runner.ran).toHaveLength(0);
  });

  it.each([
    [{ command_name: 'rm' }, 'command_name: there is no "rm" here'],
    [{ command_name: 'service_restart' }, 'there is no "service_restart" here; there is'],
    [{ command_name: 'reboot', host: 'web-9' }, 'host: There is no host "web-9"; there is local.'],
    [{}, 'command_name: a name is missing'],
  ])('is told of an unknown name in a sentence: %j', async (args, told) => {
    const client = await stranger();

    const result = await client.callTool({ name: 'execute_command', arguments: args });

    expect(textOf(result)).toContain(told);
  });

  it('is refused when its signed request was not made by the bot', async () => {
    const client = await stranger();
    const forged = { ...asked(rig.clock), signature: Buffer.alloc(64).toString('base64') };

    const result = await client.callTool({
      name: 'check_disk',
      arguments: {},
      _meta: { 'opsagent/call': callId, 'opsagent/requests': [forged] },
    });

    expect(textOf(result)).toContain('signature');
    expect(rig.runner.ran).toHaveLength(0);
    expect(rig.audit.events).toMatchObject([{ kind: 'call.refused' }]);
  });

  it('may speak the protocol of 2025', async () => {
    const [near, far] = LegacyPipe.createLinkedPair();
    rig.server.serve(far);
    const client = new LegacyClient({ name: 'old', version: '1' }, { capabilities: { elicitation: {} } });
    await client.connect(near);

    const disk = await client.callTool({ name: 'check_disk', arguments: {} });
    const change = await client.callTool({ name: 'execute_command', arguments: restart });

    expect(textOf(disk)).toContain('output of disk_usage');
    expect(textOf(change)).toContain('Approval required');
    await client.close();
  });
});

describe('the tools', () => {
  it('ping answers, and with a host asks the host', async () => {
    const client = await stranger();

    expect(textOf(await client.callTool({ name: 'ping', arguments: { message: 'hi' } }))).toBe('pong: hi');
    expect(rig.runner.ran).toHaveLength(0);
    expect(textOf(await client.callTool({ name: 'ping', arguments: { host: 'local' } }))).toContain(
      'output of hostname',
    );
  });

  it('check_service hands its value to the only parameter of service_status', async () => {
    const client = await stranger();

    await client.callTool({ name: 'check_service', arguments: { service_name: 'nginx' } });

    expect(rig.runner.ran[0]?.command).toMatchObject({ command: 'service_status', args: ['nginx'] });
  });

  it('says what is wrong with a value, and runs nothing', async () => {
    const client = await stranger();

    const result = await client.callTool({ name: 'check_service', arguments: { service_name: '-Hevil' } });

    expect(result.isError).toBe(true);
    expect(textOf(result)).toContain('service_name');
    expect(rig.runner.ran).toHaveLength(0);
  });

  it('system_overview runs its commands at once and says which the catalogue lacks', async () => {
    const client = await stranger();
    const held = rig.runner.hold();

    const answer = client.callTool({ name: 'system_overview', arguments: {} });
    await rig.runner.begun(4);
    held.release();
    const result = await answer;

    expect(result.structuredContent).toMatchObject({
      ran: [
        { command: 'hostname' },
        { command: 'uptime' },
        { command: 'disk_usage' },
        { command: 'memory_usage' },
      ],
      not_run: [{ command: 'top_processes' }, { command: 'failed_services' }],
    });
    expect(textOf(result)).toContain('top_processes was not run: not in the catalogue');
  });

  it('list_commands shows a person what they may ask for, and a stranger only reads', async () => {
    const client = await stranger();

    const forStranger = await client.callTool({ name: 'list_commands', arguments: {} });
    const forOwner = await call(rig, 'list_commands', { category: 'service' });

    expect(textOf(forStranger)).not.toContain('restart_service');
    expect(textOf(forStranger)).not.toContain('only_web');
    expect(forOwner).toMatchObject({ kind: 'result' });
    if (forOwner.kind === 'result')
      expect(forOwner.result.text).toContain('restart_service(service_name): What');
  });

  it('server_status tells the hosts and whether the asked one answers', async () => {
    const client = await stranger();

    const result = await client.callTool({ name: 'server_status', arguments: {} });

    expect(result.structuredContent).toMatchObject({
      server: 'opsagent',
      hosts: ['local'],
      commands: catalogue.length,
    });
    expect(textOf(result)).toContain('output of uptime');
  });

  it('a policy that cannot be read refuses, without saying why to the model', async () => {
    const broken = await startRig();
    Object.defineProperty(broken.given, 'policy', {
      get() {
        throw new Error('secret path in /etc');
      },
    });

    const outcome = await call(broken, 'check_disk', {});

    expect(outcome).toMatchObject({ kind: 'refused' });
    expect(JSON.stringify(outcome)).not.toContain('/etc');
    expect(broken.runner.ran).toHaveLength(0);
    await broken.close();
  });
});

describe('over an HTTP handler', () => {
  it('the worker gets its question to people just the same', async () => {
    const handler = createMcpHandler(rig.server.factory);
    const tools = mcpToolsOver(
      () =>
        new StreamableHTTPClientTransport(new URL('http://whitelist.invalid/mcp'), {
          fetch: (url, init) => handler.fetch(new Request(url, init)),
        }),
      { logger: recordingLogger() },
    );

    const outcome = await call(rig, 'execute_command', restart, { tools });

    expect(outcome).toMatchObject({
      kind: 'approval',
      request: { callId, rule: { name: policy.approve[0]?.name } },
    });
    await tools.close();
  });
});
