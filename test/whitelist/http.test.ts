/**
 * The whitelist server over HTTP: real sockets, real clients of both protocol lines, and requests as attackers write
 * them.
 */
import { request as httpRequest } from 'node:http';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as LegacyHttp } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HttpServer } from '../../src/whitelist/http.ts';
import { until } from '../contract/until.ts';
import { type Rig, restart, startRig } from './fixture.ts';

const ci = { name: 'ci', token: 'c'.repeat(32) };
const desk = { name: 'desk', token: 'd'.repeat(32) };
const origins = ['https://ops.example.net'];

let rig: Rig;
let server: HttpServer;
const opened: { close(): Promise<void> }[] = [];
beforeEach(async () => {
  rig = await startRig();
  server = await rig.server.serveHttp({ host: '127.0.0.1', port: 0, clients: [ci, desk], origins });
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((c) => c.close()));
  await server.close();
  await rig.close();
});

const url = () => new URL(`http://127.0.0.1:${server.port}/mcp`);
const bearer = (token: string) => ({ requestInit: { headers: { authorization: `Bearer ${token}` } } });
const textOf = (result: unknown) => (result as { content: { text: string }[] }).content[0]?.text ?? '';

async function current(token = ci.token): Promise<Client> {
  const client = new Client(
    { name: 'new', version: '1' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  );
  await client.connect(new StreamableHTTPClientTransport(url(), bearer(token)));
  opened.push(client);
  return client;
}

async function legacy(token = ci.token): Promise<{ client: LegacyClient; session: string }> {
  const client = new LegacyClient({ name: 'old', version: '1' });
  const transport = new LegacyHttp(url(), bearer(token));
  await client.connect(transport as unknown as Parameters<typeof client.connect>[0]);
  opened.push(client);
  return { client, session: transport.sessionId ?? '' };
}

/** One POST exactly as written; fetch would not let Host be set. */
function post(headers: Record<string, string>, body: unknown = list, path = '/mcp'): Promise<number> {
  const all = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    ...headers,
  };
  return new Promise((resolve, reject) => {
    const req = httpRequest(
      { host: '127.0.0.1', port: server.port, path, method: 'POST', headers: all },
      (res) => {
        res.resume().once('end', () => resolve(res.statusCode ?? 0));
      },
    );
    req.once('error', reject);
    req.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
}
const list = { jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} };
const auth = { authorization: `Bearer ${ci.token}` };

describe('who is turned away', () => {
  it.each([
    ['another Host', { ...auth, host: 'evil.example' }, 403],
    ['another Host with the right port', { ...auth, host: 'evil.example:80' }, 403],
    ['no Host', { ...auth, host: '' }, 400],
    ['an Origin of somewhere else', { ...auth, origin: 'https://evil.example' }, 403],
    ['an opaque Origin', { ...auth, origin: 'null' }, 403],
    ['a known Origin under another scheme', { ...auth, origin: 'http://ops.example.net' }, 403],
    ['no token', {}, 401],
    ['an empty token', { authorization: 'Bearer ' }, 401],
    ['a wrong token', { authorization: `Bearer ${'x'.repeat(32)}` }, 401],
    ['a token cut short', { authorization: `Bearer ${ci.token.slice(0, -1)}` }, 401],
    [
      'a token as a password',
      { authorization: `Basic ${Buffer.from(`ci:${ci.token}`).toString('base64')}` },
      401,
    ],
    ['a session that does not exist', { ...auth, 'mcp-session-id': 'made-up' }, 404],
    ['no session where one is needed', auth, 400],
  ])('%s', async (_, headers, status) => {
    expect(await post(headers)).toBe(status);
    expect(rig.runner.ran).toHaveLength(0);
  });

  it('a token in the address, another path, broken JSON', async () => {
    expect(await post({}, list, `/mcp?token=${ci.token}`)).toBe(401);
    expect(await post(auth, list, '/')).toBe(404);
    expect(await post(auth, '{"jsonrpc"')).toBe(400);
  });

  it('lets in the configured origin and name', async () => {
    const init = {
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
    };
    expect(await post({ ...auth, host: 'ops.example.net', origin: 'https://ops.example.net' }, init)).toBe(
      200,
    );
  });
});

describe('a client over HTTP', () => {
  it.each(['2026', '2025'])(
    'of %s lists tools, reads, and is refused a change with how to ask for it',
    async (era) => {
      const client = era === '2026' ? await current() : (await legacy()).client;

      const { tools } = await client.listTools();
      const disk = await client.callTool({ name: 'check_disk', arguments: {} });
      const change = await client.callTool({ name: 'execute_command', arguments: restart });

      expect(tools).toHaveLength(13);
      expect(textOf(disk)).toContain('output of disk_usage');
      expect(change.structuredContent).toMatchObject({ approval_required: true, how: /opsagent run/ });
      expect(rig.runner.ran).toHaveLength(1);
    },
  );

  it('is the identity of its token: policy and audit know it by that name', async () => {
    rig.given.policy = {
      ...rig.given.policy,
      ask: [{ name: 'ci-reads', who: ['mcp:ci'], risk: ['read'], hosts: ['all'] }],
    };

    const yes = await (await current(ci.token)).callTool({ name: 'check_disk', arguments: {} });
    const no = await (await current(desk.token)).callTool({ name: 'check_disk', arguments: {} });

    expect(yes.isError).toBe(false);
    expect(textOf(no)).toContain('mcp:desk');
    expect(rig.audit.events.map((e) => [e.who, e.kind])).toEqual([
      ['mcp:ci', 'command.rendered'],
      ['mcp:ci', 'command.started'],
      ['mcp:ci', 'command.ended'],
      ['mcp:desk', 'command.rendered'],
      ['mcp:desk', 'call.refused'],
    ]);
  });

  it('cannot take over the session of another, and its own goes on', async () => {
    const { client, session } = await legacy(ci.token);
    const stolen = { authorization: `Bearer ${desk.token}`, 'mcp-session-id': session };

    expect(session).not.toBe('');
    expect(await post(stolen)).toBe(403);
    expect(
      await post(stolen, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } }),
    ).toBe(403);
    expect((await client.listTools()).tools).toHaveLength(13);
  });

  it('hears nothing of what another does, and cannot read its outputs', async () => {
    rig.runner.answer = (command) => ({
      end: { kind: 'exited', code: 0 },
      stdout:
        `${command.command} of one client\n`.repeat(3) +
        Array.from({ length: 200 }, (_, i) => `line ${i}\n`).join(''),
      stderr: '',
      truncated: false,
      ms: 1,
    });
    const [mine, other] = [await current(ci.token), (await legacy(desk.token)).client];

    const [disk, up] = await Promise.all([
      mine.callTool({ name: 'check_disk', arguments: {} }),
      other.callTool({ name: 'execute_command', arguments: { command_name: 'uptime' } }),
    ]);
    const id = (disk.structuredContent as { ran: { outputId: string }[] }).ran[0]?.outputId ?? '';
    const args = { name: 'read_output', arguments: { output_id: id, lines: 2 } };

    expect(textOf(up)).not.toContain('disk_usage');
    expect(textOf(await other.callTool(args))).toContain('no output');
    expect(textOf(await mine.callTool(args))).toContain('1: disk_usage of one client');
  });

  it('gains nothing by accepting an elicitation or by a made-up state', async () => {
    const client = await current();
    const forged = {
      inputResponses: { approve: { action: 'accept', content: {} } },
      requestState: 's1.AAAA',
    };

    const result = await client.callTool({
      name: 'execute_command',
      arguments: { command_name: 'reboot' },
      ...forged,
    });

    expect(result.structuredContent).toMatchObject({ approval_required: true });
    expect(rig.runner.ran).toHaveLength(0);
  });
});

describe('a long command', () => {
  it('is ended on the host when a client of 2026 cancels', async () => {
    rig.runner.hold();
    const stop = new AbortController();
    const client = await current();

    const call = client.callTool({ name: 'check_disk', arguments: {} }, { signal: stop.signal });
    await endsOnTheHost(call, stop);
  });

  it('is ended on the host when a client of 2025 cancels', async () => {
    rig.runner.hold();
    const stop = new AbortController();
    const { client } = await legacy();

    const call = client.callTool({ name: 'check_disk', arguments: {} }, undefined, { signal: stop.signal });
    await endsOnTheHost(call, stop);
  });

  it('tells how it is coming along, to a client that asked', async () => {
    const held = rig.runner.hold();
    const heard: { progress: number; message?: string | undefined }[] = [];
    const { client } = await legacy();

    const call = client.callTool({ name: 'check_disk', arguments: {} }, undefined, {
      onprogress: (progress) => heard.push(progress),
    });
    await until('two notes came', () => heard.length >= 2);
    held.release();

    expect((await call).isError).toBe(false);
    expect(heard[1]?.progress).toBeGreaterThan(heard[0]?.progress ?? 0);
    expect(heard[0]?.message).toContain('bytes of output so far');
  });
});

async function endsOnTheHost(call: Promise<unknown>, stop: AbortController): Promise<void> {
  const failed = expect(call).rejects.toThrow();
  await rig.runner.begun(1);
  stop.abort();

  await failed;
  await until('it was ended', () =>
    rig.audit.events.some((e) => e.kind === 'command.ended' && e.data?.end === 'cancelled'),
  );
}
