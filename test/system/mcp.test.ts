/**
 * `opsagent mcp` for clients that are not ours: one built on the SDK's v1 line, as most are today.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main, newProgram, type Program } from './program.ts';

describe('opsagent mcp, driven by a v1 client', () => {
  let program: Program;
  let client: Client;
  beforeAll(async () => {
    program = await newProgram();
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [main, 'mcp'],
      cwd: program.dir,
      env: Object.fromEntries(
        Object.entries(program.env).flatMap(([k, v]) => (v === undefined ? [] : [[k, v]])),
      ),
      stderr: 'ignore',
    });
    client = new Client({ name: 'somebody-else', version: '1.0.0' });
    await client.connect(transport);
  }, 60_000);
  afterAll(async () => {
    await client.close();
    await program.close();
  });

  const execute = (args: object) => client.callTool({ name: 'execute_command', arguments: { ...args } });

  it("lists the predecessor's nine tools and ours, each read marked as such", async () => {
    const { tools } = await client.listTools();

    expect(tools.map((t) => t.name).sort()).toEqual([
      'check_disk',
      'check_memory',
      'check_path_size',
      'check_service',
      'execute_command',
      'explain',
      'get_result',
      'list_commands',
      'list_hosts',
      'ping',
      'read_output',
      'server_status',
      'system_overview',
    ]);
    expect(tools.find((t) => t.name === 'check_disk')?.annotations?.readOnlyHint).toBe(true);
    expect(tools.find((t) => t.name === 'execute_command')?.annotations?.readOnlyHint).toBe(false);
  });

  it('runs disk_usage over SSH', async () => {
    const result = await execute({ command_name: 'disk_usage' });

    expect(result.isError).toBeFalsy();
    expect(result.structuredContent).toMatchObject({
      ran: [{ host: 'local', end: { kind: 'exited', code: 0 } }],
    });
    expect(JSON.stringify(result.content)).toContain('/');
  });

  it.each(['practice_change', 'vacuum_journal'])('refuses %s and says how to ask for it', async (command) => {
    const result = await execute({ command_name: command });

    expect(result.isError).toBe(true);
    expect(result.structuredContent).toMatchObject({ approval_required: true });
    expect(readdirSync(join(program.dataDir, 'spent'))).toEqual([]);
  });

  it.each([
    { command_name: 'reboot' },
    { command_name: 'disk_usage', script: 'id' },
    { command_name: '__proto__' },
    { command_name: 'disk_usage_path', parameters: { path: '-rf', extra: '1' } },
    { command_name: 'uptime; id' },
  ])('refuses %j', async (args) => {
    const result = await execute(args).catch((error: Error) => ({ isError: true, content: error.message }));

    expect(result.isError).toBe(true);
    expect(JSON.stringify(result.content)).not.toContain('uid=');
  });
});
