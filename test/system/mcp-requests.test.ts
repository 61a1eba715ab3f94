/**
 * What an MCP client beside a really started instance asks for: `opsagent mcp` over stdio, people at the console and on
 * the command line, and every process killed in between.
 */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ListedApproval } from '../../src/core/open-approvals.ts';
import type { Decided } from '../../src/core/ports.ts';
import { until } from '../contract/until.ts';
import { needs } from '../needs.ts';
import { type Sshd, startSshd } from '../twins/sshd.ts';
import { main, newProgram, type Program, patienceMs, type Started } from './program.ts';

const limit = 90_000;

const policy = `
people:
  owner: { console: owner }
ask:
  - { name: owner-asks, who: [owner], risk: [read, change], hosts: [all] }
  - { name: clients-ask, who: [mcp], risk: [read, change], hosts: [all], channels: [console] }
approve:
  - { name: owner-approves, risk: [change], hosts: [all], who: [owner], people: 1, wait: 10m }
mcp_requests: { in: console }
`;

needs('redis-server', 'sshd')('a client beside a started instance', () => {
  let program: Program;
  let started: Started;
  let sshd: Sshd;
  let client: Client;
  beforeAll(async () => {
    program = await newProgram();
    const config = join(program.dir, 'config');
    mkdirSync(config);
    copyFileSync(join(import.meta.dirname, '../../config/commands.yaml'), join(config, 'commands.yaml'));
    writeFileSync(join(config, 'policy.yaml'), policy);
    // A host that stays the same over restarts, so that an approval does.
    sshd = await startSshd();
    const { port, user, clientKeyFile: key, hostKeySha256 } = sshd;
    const host = {
      name: 'box',
      address: '127.0.0.1',
      port,
      user,
      key,
      host_key: hostKeySha256,
      tier: 'test',
    };
    writeFileSync(join(config, 'hosts.yaml'), JSON.stringify({ hosts: [host] }));
    client = await connect(program);
  }, limit);
  afterAll(async () => {
    await client.close();
    await program.close();
    await sshd.stop();
  });

  it(
    'is told that nobody looks, then has its request approved on the command line, and gets its result after a kill of everything',
    async () => {
      const kept = await call(client, 'execute_command', {
        command_name: 'practice_change',
        reason: 'a try',
      });
      const id = kept.data.request_id;
      expect(kept).toMatchObject({ isError: false, data: { status: 'waiting', approval_required: true } });
      expect(kept.text).toContain('no bot looks here');

      started = await program.start();
      const [listed] = await open(program, 1);
      expect(listed).toMatchObject({ card: { requestedBy: { name: 'MCP client' }, agentReason: 'a try' } });
      const approvalId = listed?.card.approvalId ?? '';
      await client.close();
      started.child.kill('SIGKILL');
      await started.ended;

      started = await program.start();
      expect((await program.run('approvals', 'approve', approvalId, '--yes')).code).toBe(0);
      started.child.kill('SIGKILL');
      await started.ended;
      started = await program.start();
      client = await connect(program);
      const result = await call(client, 'get_result', { request_id: id, wait_seconds: 20 });
      const again = await call(client, 'get_result', { request_id: id });

      // Killed between its record and its start on the host, nobody can know; it is then said and not run again.
      expect(['done', 'lost']).toContain(result.data.status);
      if (result.data.status === 'done')
        expect(result.data.ran).toMatchObject([
          { command: 'practice_change', end: { kind: 'exited', code: 0 } },
        ]);
      expect(again.data.status).toBe(result.data.status);
      // A start that the kill called off before it began has a line too; what came to its end did so once.
      const ended = audited(program).filter((e) => e.kind === 'command.ended' && e.data?.end === 'exited');
      expect(ended.length).toBeLessThanOrEqual(1);
    },
    limit,
  );

  it(
    'hears that it was denied at the console, and why',
    async () => {
      const { request_id: id } = (await call(client, 'execute_command', { command_name: 'practice_change' }))
        .data;
      const [listed] = await open(program, 1);
      const { approvalId: approval, digest } = listed?.card ?? { approvalId: '', digest: '' };

      const decided = await program.api<Decided>('/api/decide', {
        approval,
        digest,
        verdict: 'deny',
        reason: 'not now',
        id: 'deny-it-now',
      });
      const result = await call(client, 'get_result', { request_id: id, wait_seconds: 20 });

      expect(decided.kind).toBe('counted');
      expect(result).toMatchObject({ isError: true, data: { status: 'denied' } });
      expect(result.text).toContain('not now');
    },
    limit,
  );
});

async function connect({ dir, env }: Program): Promise<Client> {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [main, 'mcp'],
    cwd: dir,
    env: Object.fromEntries(Object.entries(env).flatMap(([k, v]) => (v === undefined ? [] : [[k, v]]))),
    stderr: 'ignore',
  });
  const client = new Client({ name: 'somebody-else', version: '1.0.0' });
  await client.connect(transport);
  return client;
}

async function call(client: Client, name: string, args: object) {
  const result = await client.callTool({ name, arguments: { ...args } });
  const [content] = result.content as { text: string }[];
  const data = result.structuredContent as { request_id: string; status: string; ran: object[] };
  return { text: content?.text ?? '', isError: result.isError === true, data };
}

/** The open approvals, once there are so many. */
async function open(program: Program, n: number): Promise<readonly ListedApproval[]> {
  let listed: readonly ListedApproval[] = [];
  await until(
    'the approval to be asked',
    async () => {
      const { approvals = [] } = await program.api<{ approvals?: ListedApproval[] }>('/api/approvals');
      listed = approvals;
      return listed.length >= n;
    },
    patienceMs,
  );
  return listed;
}

interface Line {
  readonly kind: string;
  readonly data?: { readonly end?: string };
}

function audited({ dataDir }: Program): readonly Line[] {
  const file = join(dataDir, 'audit', `${new Date().toISOString().slice(0, 10)}.whitelist.jsonl`);
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}
