/**
 * The tools that run nothing: what there is, what one command is, and what a command printed earlier.
 */
import { Client, InMemoryTransport } from '@modelcontextprotocol/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callIdFor, runIdFor } from '../../src/core/ids.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { signedRequest } from '../fakes/requests.ts';
import { call, host, owner, policy, type Rig, run, spec, startRig } from './fixture.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await startRig();
});
afterEach(() => rig.close());

async function stranger(): Promise<Client> {
  const [near, far] = InMemoryTransport.createLinkedPair();
  rig.server.serve(far);
  const client = new Client({ name: 'stranger', version: '1' });
  await client.connect(near);
  return client;
}
const textOf = (result: unknown) => (result as { content: { text: string }[] }).content[0]?.text ?? '';
const prints = (stdout: string) => {
  rig.runner.answer = () => ({
    end: { kind: 'exited', code: 0 },
    stdout,
    stderr: '',
    truncated: false,
    ms: 1,
  });
};
const log = Array.from(
  { length: 3000 },
  (_, i) => `entry ${i + 1} ${i % 500 === 499 ? 'ERROR' : 'fine'}`,
).join('\n');
const asPerson = async (tool: string, args: JsonObject, over: Parameters<typeof call>[3] = {}) => {
  const outcome = await call(rig, tool, args, { callId: callIdFor(run, 7), ...over });
  if (outcome.kind === 'refused') return outcome.reason;
  if (outcome.kind !== 'result') throw new Error(outcome.kind);
  return outcome.result.text;
};
/** Runs a read whose output is long, and tells its id. */
const longRead = async () => {
  prints(log);
  const outcome = await call(rig, 'check_disk', {}, { callId: callIdFor(run, 1) });
  if (outcome.kind !== 'result') throw new Error(outcome.kind);
  const [ran] = outcome.result.ran;
  return { id: ran?.outputId ?? '', text: outcome.result.text, ran };
};

describe('a long output', () => {
  it('is cut in the middle with a line that names its id, for the model and for people', async () => {
    const { id, text, ran } = await longRead();

    expect(id).toMatch(/^o[0-9a-f]{12}$/);
    expect(text).toContain(`left out; read_output ${id} has all of it …]`);
    expect(text).toContain(`output_id="${id}"`);
    expect(ran?.output).toContain(`read_output ${id}`);
    expect(ran?.gap?.lines).toBeGreaterThan(1000);
    expect(text.length).toBeLessThan(13_000);
  });

  it('is read on in pages by its conversation, and nothing runs for it', async () => {
    const { id } = await longRead();

    const page = await asPerson('read_output', { output_id: id, from_line: 1500, lines: 3 });
    const errors = await asPerson('read_output', { output_id: id, grep: '/ERROR$/' });

    expect(page).toContain('lines 1500 to 1502 of 3000; go on with from_line=1503');
    expect(page).toContain('1501: entry 1501 fine');
    expect(errors.match(/ERROR/g)).toHaveLength(6);
    expect(rig.runner.ran).toHaveLength(1);
  });

  it('is for no other conversation and no other client', async () => {
    const { id } = await longRead();
    const elsewhere = { platform: 'console', channel: 'console', thread: 't2' } as const;
    const other = runIdFor('console', 'e2');
    const request = signedRequest('e2', { user: owner, conversation: elsewhere, at: rig.clock.now() - 1 });
    const over = { requests: [request], callId: callIdFor(other, 0) };

    expect(await asPerson('read_output', { output_id: id }, over)).toContain('no output');
    expect(
      textOf(await (await stranger()).callTool({ name: 'read_output', arguments: { output_id: id } })),
    ).toContain('no output');
  });

  it('of one client is for no second connection', async () => {
    prints(log);
    const client = await stranger();
    const disk = await client.callTool({ name: 'check_disk', arguments: {} });
    const { ran } = disk.structuredContent as { ran: { outputId: string; output: string }[] };
    const args = { name: 'read_output', arguments: { output_id: ran[0]?.outputId ?? '', lines: 1 } };

    expect(textOf(await client.callTool(args))).toContain('1: entry 1 fine');
    expect(textOf(await (await stranger()).callTool(args))).toContain('no output');
    expect(ran[0]?.output).toMatch(/^<output id=/);
  });

  it('is not read on by somebody who may no longer run the command there', async () => {
    const { id } = await longRead();
    rig.given.policy = { ...policy, ask: [] };

    expect(await asPerson('read_output', { output_id: id })).toMatch(/No rule lets/);
  });

  it('fits the room that the worker says is left', async () => {
    prints(log);

    const outcome = await rig.tools.call(
      {
        callId: callIdFor(run, 2),
        tool: 'check_disk',
        args: {},
        requests: [signedRequest('e1', { user: owner, at: rig.clock.now() })],
        budget: 1500,
      },
      new AbortController().signal,
    );

    expect(outcome).toMatchObject({ kind: 'result' });
    if (outcome.kind === 'result') expect(outcome.result.text.length).toBeLessThan(2000);
  });

  it.each([{ output_id: '../../etc/passwd' }, { output_id: 'o000000000000', from_line: 0 }, { grep: 'x' }])(
    'is not reached by %j',
    async (args) => {
      const result = await (await stranger()).callTool({ name: 'read_output', arguments: args });

      expect(result.isError).toBe(true);
    },
  );
});

describe('explain', () => {
  it('says what a command runs, its parameters, its risk, where it may run and who approves', async () => {
    const text = await asPerson('explain', { command_name: 'restart_service' });

    expect(text).toContain('systemctl restart {service_name}');
    expect(text).toContain('the name of a systemd unit');
    expect(text).toContain('Risk: change');
    expect(text).toContain('On local: approval, 1 of Alice, Bob must approve');
    expect(rig.runner.ran).toHaveLength(0);
  });

  it('lists the choices of a parameter, there and in the schema of execute_command', async () => {
    const type = { kind: 'choice', values: ['short', 'long'] } as const;
    const params = [{ name: 'how', description: 'How', type, optional: false }];
    rig.given.catalogue = [...rig.given.catalogue, spec('list_it', 'ls {how}', { params })];
    await rig.restart();
    const client = await stranger();

    const { structuredContent } = await client.callTool({
      name: 'explain',
      arguments: { command_name: 'list_it' },
    });
    const execute = (await client.listTools()).tools.find((t) => t.name === 'execute_command');

    expect(structuredContent).toMatchObject({ parameters: [{ name: 'how', choices: ['short', 'long'] }] });
    expect(execute?.inputSchema.properties?.parameters).toMatchObject({
      additionalProperties: false,
      properties: { how: { enum: ['short', 'long'] } },
    });
  });
});

describe('list_hosts', () => {
  it('shows a person the hosts they may use and for what, and a stranger only reads', async () => {
    rig.given.hosts = [host, { ...host, name: 'web-1', tags: ['web'] }];
    rig.given.policy = {
      ...policy,
      ask: [
        { name: 'all', who: ['Owner'], risk: ['read', 'change'], hosts: ['local'] },
        { name: 'mcp', who: ['mcp'], risk: ['read'], hosts: ['@web'] },
      ],
    };
    await rig.restart();

    expect(await asPerson('list_hosts', {})).toBe('- local: dev, db; read, change');
    expect(textOf(await (await stranger()).callTool({ name: 'list_hosts', arguments: {} }))).toBe(
      '- web-1: dev, web; read',
    );
  });
});
