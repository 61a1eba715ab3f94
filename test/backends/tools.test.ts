import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, InMemoryTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as LegacyStdio } from '@modelcontextprotocol/sdk/client/stdio.js';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readAudit } from '../../src/backends/audit-read.ts';
import { verifyAudit } from '../../src/backends/audit-verify.ts';
import { createMcpTools, mcpToolsOver } from '../../src/backends/tools.ts';
import { callIdFor } from '../../src/core/ids.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { ToolRequest, Tools } from '../../src/core/ports.ts';
import { type ToolsHarness, toolsContract } from '../contract/tools.ts';
import { until } from '../contract/until.ts';
import { recordingLogger } from '../fakes/logger.ts';
import { signedRequest, testKeys } from '../fakes/requests.ts';
import { scriptedTools } from '../fakes/scripted-tools.ts';
import { alice, owner, restart, run, startRig, votedBy } from '../whitelist/fixture.ts';

const built = join(import.meta.dirname, '../../node_modules/.cache/opsagent-whitelist-entry');
const entry = join(built, 'test/backends/whitelist-entry.js');

beforeAll(() => {
  const tsc = join(import.meta.dirname, '../../node_modules/.bin/tsc');
  const config = join(built, 'tsconfig.json');
  mkdirSync(built, { recursive: true });
  writeFileSync(
    config,
    JSON.stringify({
      extends: '../../../test/tsconfig.json',
      compilerOptions: { rootDir: '../../..', outDir: '.', noEmit: false, noCheck: true, sourceMap: false },
      include: [],
      files: ['../../../test/backends/whitelist-entry.ts'],
    }),
  );
  execFileSync(tsc, ['-p', config]);
}, 60_000);
afterAll(() => rmSync(built, { recursive: true, force: true }));

const clock = { now: () => Date.now() };
const readsAndChanges = (now: () => number = clock.now) => {
  let n = 0;
  const request = (tool: string, args: JsonObject): ToolRequest => ({
    callId: callIdFor(run, n++),
    tool,
    args,
    requests: [signedRequest('e1', { user: owner, at: now() })],
  });
  return { read: () => request('check_disk', {}), change: () => request('execute_command', restart) };
};

/** A data directory and clients of servers over it. */
function childRig() {
  const dataDir = mkdtempSync(join(tmpdir(), 'tools-'));
  mkdirSync(join(dataDir, 'keys'));
  writeFileSync(join(dataDir, 'keys', 'decision.pub'), testKeys.publicPem);
  const opened: Tools[] = [];
  const file = (name: string) => join(dataDir, name);
  return {
    dataDir,
    runs: () => (existsSync(file('ran')) ? readFileSync(file('ran'), 'utf8').split('\n').length - 1 : 0),
    pid: () => Number(readFileSync(file('pid'), 'utf8')),
    hold() {
      writeFileSync(file('hold'), '');
      return { release: () => rmSync(file('hold'), { force: true }) };
    },
    connect(more: { readonly callTimeoutMs?: number } = {}) {
      const tools = createMcpTools({
        ...more,
        command: process.execPath,
        args: [entry, dataDir],
        env: { MARK: 'x' },
        logger: recordingLogger(),
      });
      opened.push(tools);
      return tools;
    },
    async close() {
      rmSync(file('hold'), { force: true });
      await Promise.all(opened.map((t) => t.close()));
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

toolsContract('over MCP to a child process', async (): Promise<ToolsHarness> => {
  const rig = childRig();
  return {
    tools: rig.connect(),
    ...readsAndChanges(),
    answer: (request, verdict) => ({
      sealed: request.sealed,
      votes: [votedBy(alice, request, { now: clock.now, advance() {} }, { verdict })],
    }),
    runs: rig.runs,
    hold: rig.hold,
    begun: (n) => until(`run ${n}`, () => rig.runs() >= n),
    async die() {
      process.kill(rig.pid(), 'SIGKILL');
    },
    close: rig.close,
  };
});

toolsContract('over MCP in memory', async (): Promise<ToolsHarness> => {
  const rig = await startRig();
  rig.clock.advance(Date.now() - rig.clock.now());
  let far: InMemoryTransport | undefined;
  const tools = mcpToolsOver(
    () => {
      const [near, other] = InMemoryTransport.createLinkedPair();
      far = other;
      rig.server.serve(other);
      return near;
    },
    { logger: recordingLogger() },
  );
  return {
    tools,
    // The server's clock stands still.
    ...readsAndChanges(rig.clock.now),
    answer: (request, verdict) => ({
      sealed: request.sealed,
      votes: [votedBy(alice, request, rig.clock, { verdict })],
    }),
    runs: () => rig.runner.ran.length,
    hold: rig.runner.hold,
    begun: rig.runner.begun,
    async die() {
      await far?.close();
    },
    async close() {
      await tools.close();
      await rig.close();
    },
  };
});

toolsContract('scripted', async (): Promise<ToolsHarness> => {
  const tools = scriptedTools();
  return {
    tools,
    ...readsAndChanges(),
    answer: (request, verdict) => ({
      sealed: request.sealed,
      votes: [votedBy(alice, request, { now: clock.now, advance() {} }, { verdict })],
    }),
    runs: () => tools.ran.length,
    hold: tools.hold,
    begun: tools.begun,
    die: async () => tools.die(),
    close: () => tools.close(),
  };
});

describe('a whitelist server as a child', () => {
  let rig: ReturnType<typeof childRig>;
  beforeEach(() => {
    rig = childRig();
  });
  afterEach(() => rig.close());
  const never = new AbortController().signal;
  const requests = readsAndChanges();
  const approve = async (tools: Tools): Promise<ToolRequest> => {
    const change = requests.change();
    const outcome = await tools.call(change, never);
    if (outcome.kind !== 'approval') throw new Error(`expected a question, got ${JSON.stringify(outcome)}`);
    const { request } = outcome;
    const votes = [votedBy(alice, request, { now: clock.now, advance() {} })];
    return { ...change, grant: { sealed: request.sealed, votes } };
  };

  it('is started once for many calls, without a sibling that only answers for its version', async () => {
    const tools = rig.connect();

    await Promise.all([tools.list(), tools.call(requests.read(), never), tools.call(requests.read(), never)]);

    expect(verifyAudit(join(rig.dataDir, 'audit'))).toMatchObject([
      { writer: 'whitelist', ok: true, lines: 6 },
    ]);
  });

  it('killed while a change runs: the next one says that the outcome is unknown, and never runs it', async () => {
    const tools = rig.connect();
    const change = await approve(tools);
    rig.hold();
    const outcome = tools.call(change, never);
    await until('the run', () => rig.runs() === 1);

    process.kill(rig.pid(), 'SIGKILL');

    expect(await outcome).toMatchObject({ kind: 'unavailable' });
    expect(await tools.call(change, never)).toMatchObject({ kind: 'lost' });
    expect(rig.runs()).toBe(1);
  });

  it('left by its worker while a change runs: it finishes, and another server gives the result', async () => {
    const first = rig.connect();
    const change = await approve(first);
    const held = rig.hold();
    const cut = first.call(change, never);
    await until('the run', () => rig.runs() === 1);
    const closing = first.close();
    expect(await cut).toMatchObject({ kind: 'unavailable' });

    const second = rig.connect().call(change, never);
    await until('the audit of the other server', () => readAudit(join(rig.dataDir, 'audit')).length >= 2);
    held.release();

    expect(await second).toMatchObject({
      kind: 'result',
      result: { ran: [{ end: { kind: 'exited', code: 0 } }] },
    });
    expect(rig.runs()).toBe(1);
    await closing;
  }, 15_000);

  it('is waited for while it says how a change comes along, however long that takes', async () => {
    const tools = rig.connect({ callTimeoutMs: 1_600 });
    const change = await approve(tools);
    const held = rig.hold();
    const began = Date.now();
    const outcome = tools.call(change, never);
    await until('longer than the time-out', () => Date.now() - began > 2_500);
    held.release();

    expect(await outcome).toMatchObject({
      kind: 'result',
      result: { ran: [{ end: { kind: 'exited', code: 0 } }] },
    });
    expect(rig.runs()).toBe(1);
  });

  it('ends by itself when its worker has gone and nothing runs', async () => {
    const tools = rig.connect();
    await tools.list();
    const pid = rig.pid();

    await tools.close();

    expect(() => process.kill(pid, 0)).toThrow();
  });

  it('that cannot be started is unavailable, in words', async () => {
    const tools = createMcpTools({ command: '/does/not/exist', args: [], logger: recordingLogger() });

    const outcome = await tools.call(requests.read(), never);

    expect(outcome).toMatchObject({ kind: 'unavailable', problem: { code: 'tools-unavailable' } });
    await tools.close();
  });

  it('serves an MCP client of the 2025 protocol that is not ours', async () => {
    const client = new LegacyClient({ name: 'other', version: '1' });
    await client.connect(new LegacyStdio({ command: process.execPath, args: [entry, rig.dataDir] }));

    const { tools } = await client.listTools();
    const disk = await client.callTool({
      name: 'execute_command',
      arguments: { command_name: 'disk_usage' },
    });
    const change = await client.callTool({ name: 'execute_command', arguments: restart });

    expect(tools).toHaveLength(13);
    expect(disk.structuredContent).toMatchObject({
      ran: [{ command: 'disk_usage', end: { kind: 'exited', code: 0 } }],
    });
    expect(change).toMatchObject({ isError: true, structuredContent: { approval_required: true } });
    expect(rig.runs()).toBe(1);
    await client.close();
  });

  it('serves an MCP client of the current protocol that is not ours, whatever it answers to questions', async () => {
    const client = new Client(
      { name: 'other', version: '1' },
      { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode: 'auto' } },
    );
    client.setRequestHandler('elicitation/create', async () => ({ action: 'accept', content: {} }));
    await client.connect(new StdioClientTransport({ command: process.execPath, args: [entry, rig.dataDir] }));

    const change = await client.callTool({ name: 'execute_command', arguments: restart });
    const signed = await client.callTool({
      name: 'execute_command',
      arguments: restart,
      _meta: { 'opsagent/call': callIdFor(run, 99), 'opsagent/requests': requests.read().requests },
    });

    expect(change).toMatchObject({ isError: true, structuredContent: { approval_required: true } });
    expect(signed).toMatchObject({ isError: true });
    expect(rig.runs()).toBe(0);
    await client.close();
  });
});
