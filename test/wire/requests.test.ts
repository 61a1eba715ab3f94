/**
 * What MCP clients ask for and people approve, from the client's call to its result: a real whitelist server over HTTP
 * and a real data directory, bot and worker as the composition root puts them together, over fakes of Redis and chat.
 */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  linkSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openRequestFiles } from '../../src/backends/request-files.ts';
import { createApprovalList } from '../../src/bot/approvals.ts';
import { takeClientRequest } from '../../src/bot/client-requests.ts';
import { createInbox } from '../../src/bot/inbox.ts';
import { runOfClientRequest } from '../../src/core/client-request.ts';
import { callIdFor, type RunId } from '../../src/core/ids.ts';
import { defaultBudget } from '../../src/core/policy.ts';
import type { Decided } from '../../src/core/ports.ts';
import { pendingApprovals, type Run } from '../../src/core/run.ts';
import type { HttpServer } from '../../src/whitelist/http.ts';
import { watchRequests } from '../../src/wire/requests.ts';
import { createAdvancer } from '../../src/worker/advance.ts';
import { until } from '../contract/until.ts';
import { recordingLogger } from '../fakes/logger.ts';
import { createMemoryRunQueue } from '../fakes/memory-run-queue.ts';
import { createMemoryRunStore } from '../fakes/memory-run-store.ts';
import { type Room, recordingChat } from '../fakes/recording-chat.ts';
import { signedRequest, testSign } from '../fakes/requests.ts';
import { scriptedModel } from '../fakes/scripted-model.ts';
import { alice, bob, call, policy, type Rig, restart, startRig, votedBy } from '../whitelist/fixture.ts';

const ci = { name: 'ci', token: 'c'.repeat(32) };
const desk = { name: 'desk', token: 'd'.repeat(32) };
const letClientsAsk = {
  ...policy,
  ask: [
    ...policy.ask,
    { name: 'clients', who: ['mcp'], risk: ['read', 'change', 'critical'], hosts: ['all'] },
  ],
} as const;

let rig: Rig;
let server: HttpServer;
/** What Redis and the chat keep over every restart. */
let runs: Map<RunId, string>;
let room: Room;
let team: Team | undefined;
const opened: Client[] = [];
beforeEach(async () => {
  rig = await startRig();
  rig.given.policy = letClientsAsk;
  runs = new Map();
  room = { posts: [], replies: [] };
  await listen();
});
afterEach(async () => {
  await hangUp();
  await team?.stop();
  team = undefined;
  await rig.close();
});

async function listen(): Promise<void> {
  server = await rig.server.serveHttp({ host: '127.0.0.1', port: 0, clients: [ci, desk], origins: [] });
}

async function hangUp(): Promise<void> {
  await Promise.all(opened.splice(0).map((c) => c.close()));
  await server.close();
}

async function connect({ token } = ci): Promise<Client> {
  const client = new Client(
    { name: 'elsewhere', version: '1' },
    { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode: { pin: '2026-07-28' } } },
  );
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${server.port}/mcp`), { requestInit }),
  );
  opened.push(client);
  return client;
}

type Team = Awaited<ReturnType<typeof startTeam>>;

/** A bot, and unless told otherwise a worker, over what is kept. */
async function startTeam({ worker = true } = {}) {
  const { clock, audit } = rig;
  const logger = recordingLogger();
  const store = createMemoryRunStore(runs);
  const queue = createMemoryRunQueue(clock);
  const parts = { store, queue, audit, clock, policy: () => rig.given.policy, sign: testSign };
  const files = await openRequestFiles(rig.dataDir, logger);
  const advancer = createAdvancer({
    ...parts,
    model: scriptedModel([]),
    tools: rig.tools,
    adapters: new Map([['console', recordingChat(room)]]),
    logger,
    budget: () => defaultBudget,
    name: 'w',
  });
  const inbox = createInbox({ ...parts, commands: () => [], hosts: () => [], order: rig.tools.order });
  if (worker) {
    void queue.consume((id) => advancer.advance(id));
    // As the sweep of a worker that starts: what was under way goes on.
    for (const id of await store.due(clock.now(), 100)) await queue.advance(id);
  }
  const watch = watchRequests({ files, take: (request) => takeClientRequest(parts, request), clock, logger });
  const runOf = (id: string): Promise<Run | undefined> => store.load(runOfClientRequest(id));
  return {
    logger,
    inbox,
    approvals: createApprovalList({ store, clock, policy: parts.policy }),
    runOf,
    /** The run, once people are asked. */
    async waits(id: string): Promise<Run> {
      let run: Run | undefined;
      await until('the card', async () => {
        run = await runOf(id);
        return run !== undefined && pendingApprovals(run).length > 0;
      });
      if (!run) throw new Error('no run');
      return run;
    },
    async decide(
      id: string,
      user: typeof alice,
      verdict: 'approve' | 'deny',
      reason?: string,
    ): Promise<Decided> {
      const run = await runOf(id);
      const [approval] = run ? pendingApprovals(run) : [];
      if (!approval) throw new Error('nothing is asked');
      const { digest } = approval;
      const why = reason ? { reason } : {};
      const eventId = `click-${user.id}`;
      return inbox.decided({
        eventId,
        approvalId: approval.id,
        verdict,
        digest,
        user,
        groups: [],
        at: clock.now(),
        ...why,
      });
    },
    /** The bot looks no more; the worker goes on. */
    lookAway: () => watch.stop(),
    async stop() {
      await watch.stop();
      await queue.idle();
      advancer.abandon();
    },
  };
}

interface Answer {
  readonly text: string;
  readonly isError: boolean;
  readonly data: {
    readonly request_id: string;
    readonly status: string;
    readonly needs?: string;
    readonly approval_required?: boolean;
  };
}

async function callTool(client: Client, name: string, args: object, more: object = {}): Promise<Answer> {
  const result = await client.callTool({ name, arguments: { ...args }, ...more });
  const [content] = result.content as { text: string }[];
  return {
    text: content?.text ?? '',
    isError: result.isError === true,
    data: (result.structuredContent ?? {}) as Answer['data'],
  };
}
const ask = (client: Client, service = 'nginx') =>
  callTool(client, 'execute_command', {
    ...restart,
    parameters: { service_name: service },
    reason: 'it hangs',
  });
const resultOf = (client: Client, id: string, seconds = 0) =>
  callTool(client, 'get_result', { request_id: id, wait_seconds: seconds });
const fileOf = (id: string) => join(rig.dataDir, 'requests', `${id}.json`);

describe('a client whose account may ask', () => {
  it('has its request kept, put before people, and gets the result once they approved', async () => {
    team = await startTeam();
    const client = await connect();

    const asked = await ask(client);
    const { request_id: id } = asked.data;
    const run = await team.waits(id);
    await until('the state', async () => (await resultOf(client, id)).data.needs === '1 of Alice, Bob');
    expect(asked).toMatchObject({ isError: false, data: { approval_required: true, status: 'waiting' } });
    expect(asked.text).toContain('systemctl restart nginx');
    expect(asked.text).toContain('Nothing has run');
    expect(asked.text).not.toContain('no bot');
    expect(rig.runner.ran).toHaveLength(0);

    const decided = await team.decide(id, alice, 'approve');
    const result = await resultOf(client, id, 5);

    expect(decided.kind).toBe('counted');
    expect(result).toMatchObject({ isError: false, data: { status: 'done', request_id: id } });
    expect(result.text).toContain('output of restart_service');
    expect(result.data).toMatchObject({ ran: [{ command: 'restart_service', host: 'local' }] });
    expect(run.requests[0]?.statement.user).toEqual({ platform: 'mcp', id: 'ci', name: 'MCP client ci' });
    expect(run.conversation).toEqual({ platform: 'console', channel: 'console', thread: 'mcp-ci' });
    expect(rig.audit.events.filter((e) => /^request\./.test(e.kind))).toMatchObject([
      { kind: 'request.kept', who: 'mcp:ci', data: { request: id, command: 'restart_service' } },
      { kind: 'request.accepted', who: 'mcp:ci', data: { request: id } },
    ]);
  });

  it('asks again for the result as often as it likes, and it ran once', async () => {
    team = await startTeam();
    const client = await connect();
    const { request_id: id } = (await ask(client)).data;
    await team.waits(id);
    await team.decide(id, alice, 'approve');

    const first = await resultOf(client, id, 5);
    const [second, third] = await Promise.all([resultOf(client, id), resultOf(await connect(), id)]);

    expect([second.data.status, third.data.status]).toEqual(['done', 'done']);
    expect(first.text).toContain('output of restart_service');
    expect(rig.runner.ran).toHaveLength(1);
  });

  it('is shown to people in its own name, with its reason, and not to those who may not decide', async () => {
    team = await startTeam();
    const { request_id: id } = (await ask(await connect())).data;
    await team.waits(id);

    const [listed] = await team.approvals.open({ user: alice, groups: [] });
    const stranger = { platform: 'console', id: 'nobody', name: 'Nobody' } as const;

    expect(listed).toMatchObject({
      mayDecide: true,
      card: { requestedBy: { name: 'MCP client ci' }, agentReason: 'it hangs' },
    });
    expect(await team.approvals.open({ user: stranger, groups: [] })).toEqual([]);
    expect(await team.decide(id, stranger, 'approve')).toMatchObject({ kind: 'refused' });
  });

  it('gets the same id for the same question, and one of its own for another', async () => {
    const client = await connect();

    const [a, b, other] = [await ask(client), await ask(client), await ask(client, 'cron')];

    expect(b.data.request_id).toBe(a.data.request_id);
    expect(other.data.request_id).not.toBe(a.data.request_id);
    expect(rig.audit.events.filter((e) => e.kind === 'request.kept')).toHaveLength(2);
  });

  it('gets a new id for the same question once the first has its result, though the bot has not said so yet', async () => {
    team = await startTeam();
    const client = await connect();
    const { request_id: id } = (await ask(client)).data;
    await team.waits(id);
    await team.lookAway();
    await team.decide(id, alice, 'approve');
    await until('the result', async () => (await resultOf(client, id)).data.status === 'done');

    const again = await ask(client);

    expect(again.data.status).toBe('waiting');
    expect(again.data.request_id).not.toBe(id);
  });

  it('may have twenty open, and another client is not held up by them', async () => {
    const client = await connect();
    for (let n = 0; n < 20; n++) await ask(client, `unit-${n}`);

    const more = await ask(client, 'unit-20');
    const others = await ask(await connect(desk), 'unit-20');

    expect(more.isError).toBe(true);
    expect(more.text).toContain('20 requests of mcp:ci wait');
    expect(others.data.status).toBe('waiting');
  });

  it('reads on in a long output of what was approved, and no other client does', async () => {
    rig.runner.answer = () => ({
      end: { kind: 'exited', code: 0 },
      stdout: Array.from({ length: 3000 }, (_, i) => `line ${i}`).join('\n'),
      stderr: '',
      truncated: false,
      ms: 1,
    });
    team = await startTeam();
    const client = await connect();
    const { request_id: id } = (await ask(client)).data;
    await team.waits(id);
    await team.decide(id, alice, 'approve');

    const { data } = await resultOf(client, id, 5);
    const outputId = (data as unknown as { ran: { outputId: string }[] }).ran[0]?.outputId;
    const page = { output_id: outputId, from_line: 2000, lines: 2 };

    expect((await callTool(client, 'read_output', page)).text).toContain('line 1999');
    expect((await callTool(await connect(desk), 'read_output', page)).text).toContain('no output');
  });
});

describe('a request that does not run', () => {
  it('is denied with the reason', async () => {
    team = await startTeam();
    const client = await connect();
    const { request_id: id } = (await ask(client)).data;
    await team.waits(id);

    await team.decide(id, bob, 'deny', 'not during the sale');
    const result = await resultOf(client, id, 5);

    expect(result).toMatchObject({ isError: true, data: { status: 'denied' } });
    expect(result.text).toContain('Denied by Bob: not during the sale');
    expect(rig.runner.ran).toHaveLength(0);
  });

  it('expires with nobody to look at it, which the client is told at once, and is not asked about later', async () => {
    const client = await connect();

    const asked = await ask(client);
    const { request_id: id } = asked.data;
    rig.clock.advance(600_001);
    const late = await resultOf(client, id);
    team = await startTeam();
    await until('the bot to close it', () =>
      readdirSync(join(rig.dataDir, 'requests')).includes(`${id}.state`),
    );

    expect(asked.text).toContain('nobody is being asked');
    expect(late).toMatchObject({ isError: true, data: { status: 'expired' } });
    expect(await team.runOf(id)).toBeUndefined();
    expect((await resultOf(client, id)).data.status).toBe('expired');
  });

  it('expires before people, and a later vote is none', async () => {
    team = await startTeam();
    const client = await connect();
    const { request_id: id } = (await ask(client)).data;
    await team.waits(id);
    rig.clock.advance(600_001);

    const decided = await team.decide(id, alice, 'approve');

    expect(decided.kind).toBe('late');
    expect((await resultOf(client, id, 5)).data.status).toBe('expired');
    expect(rig.runner.ran).toHaveLength(0);
  });

  it('is refused where the account may not ask, with who may', async () => {
    rig.given.policy = policy;

    const refused = await ask(await connect());

    expect(refused).toMatchObject({ isError: true, data: { approval_required: true } });
    expect(refused.data.request_id).toBeUndefined();
    expect(refused.text).toContain('No rule lets mcp:ci ask for a change on local');
    expect(readdirSync(join(rig.dataDir, 'requests'))).toEqual([]);
  });

  it('is refused where its rule names another place than the one in which people are asked', async () => {
    const clients = letClientsAsk.ask.at(-1);
    if (!clients) throw new Error('no rule');
    const rules = [...policy.ask, { ...clients, channels: ['slack:C1'] }];
    rig.given.policy = { ...policy, ask: rules };
    const elsewhere = await ask(await connect());
    rig.given.policy = {
      ...policy,
      ask: rules,
      clientsIn: { platform: 'slack', channel: 'C1', thread: '1712345678.000100' },
    };

    const there = await ask(await connect());

    expect(elsewhere.text).toContain('clients holds in slack:C1, not here');
    expect(there.data.status).toBe('waiting');
  });

  it('is refused once the account may no longer ask, though people approved it', async () => {
    team = await startTeam();
    const client = await connect();
    const { request_id: id } = (await ask(client)).data;
    await team.waits(id);
    rig.given.policy = policy;

    await team.decide(id, alice, 'approve');
    const result = await resultOf(client, id, 5);

    expect(result).toMatchObject({ isError: true, data: { status: 'refused' } });
    expect(rig.runner.ran).toHaveLength(0);
  });

  it('is not kept where the audit log cannot be written', async () => {
    const client = await connect();
    rig.audit.full = true;

    const refused = await ask(client);

    expect(refused).toMatchObject({ isError: true });
    expect(readdirSync(join(rig.dataDir, 'requests'))).toEqual([]);
  });

  it('is refused while all changes are stopped', async () => {
    writeFileSync(join(rig.dataDir, 'freeze.json'), JSON.stringify({ frozen: true, by: 'Owner' }));

    const refused = await ask(await connect());

    expect(refused.isError).toBe(true);
    expect(refused.text).toContain('All changes are stopped by Owner');
    expect(readdirSync(join(rig.dataDir, 'requests'))).toEqual([]);
  });
});

describe('nobody but people approves', () => {
  it('lets a client clear nothing by accepting an elicitation, with a made-up state or with votes', async () => {
    team = await startTeam();
    const client = await connect();
    const { request_id: id } = (await ask(client)).data;
    const [approval] = pendingApprovals(await team.waits(id));
    if (!approval) throw new Error('nothing is asked');
    const accepted = {
      inputResponses: { approve: { action: 'accept', content: {} } },
      requestState: approval.sealed,
    };
    const votes = { _meta: { 'opsagent/votes': [votedBy(alice, approval, rig.clock)] } };

    const again = await callTool(client, 'execute_command', restart, accepted);
    const voted = await callTool(client, 'execute_command', restart, votes);
    const result = await callTool(client, 'get_result', { request_id: id }, accepted);

    expect(again.data).toMatchObject({ status: 'waiting', request_id: id });
    expect(voted.isError).toBe(true);
    expect(result.data.status).toBe('waiting');
    expect(rig.runner.ran).toHaveLength(0);
  });

  it('counts no vote in the name of a client, even one that the bot signed', async () => {
    team = await startTeam();
    const { request_id: id } = (await ask(await connect())).data;
    const run = await team.waits(id);
    const [approval] = pendingApprovals(run);
    if (!approval) throw new Error('nothing is asked');
    const client = { platform: 'mcp', id: 'ci', name: 'MCP client ci' } as const;

    const outcome = await call(
      rig,
      'execute_command',
      { ...restart, host: 'local', reason: 'it hangs' },
      {
        callId: approval.callId,
        requests: run.requests,
        grant: { sealed: approval.sealed, votes: [votedBy(client, approval, rig.clock)] },
      },
    );

    expect(outcome).toMatchObject({ kind: 'refused' });
    expect(rig.runner.ran).toHaveLength(0);
  });
});

describe('whose request it is', () => {
  it('tells another client nothing, not even that there is one', async () => {
    team = await startTeam();
    const { request_id: id } = (await ask(await connect())).data;
    await team.waits(id);
    await team.decide(id, alice, 'approve');
    await resultOf(await connect(), id, 5);

    const stolen = await resultOf(await connect(desk), id);
    const unknown = await resultOf(await connect(desk), `q${'0'.repeat(20)}`);

    expect(stolen.text).toBe(`There is no request ${id} of yours here.`);
    expect(unknown.text).toBe(`There is no request q${'0'.repeat(20)} of yours here.`);
    expect(stolen.data).toEqual({});
  });

  it('tells our own worker nothing: it has results of its own', async () => {
    const { request_id: id } = (await ask(await connect())).data;

    const outcome = await call(
      rig,
      'get_result',
      { request_id: id },
      { requests: [signedRequest('e1', { at: rig.clock.now() })] },
    );

    expect(outcome).toMatchObject({ kind: 'refused', reason: `There is no request ${id} of yours here.` });
  });
});

describe('a file that somebody else put there', () => {
  const refused = async (why: string) => {
    team = await startTeam();
    await until('the bot to refuse it', () => JSON.stringify(team?.logger.lines).includes(why));
    expect(runs.size).toBe(0);
  };
  const kept = async () => (await ask(await connect())).data.request_id;

  it('is not believed under another id: a copy asks nothing twice', async () => {
    const id = await kept();
    copyFileSync(fileOf(id), fileOf(`q${'1'.repeat(20)}`));
    chmodSync(fileOf(`q${'1'.repeat(20)}`), 0o600);
    rmSync(fileOf(id));

    await refused('it is a copy of another');
  });

  it('is not believed when others may write it', async () => {
    chmodSync(fileOf(await kept()), 0o666);

    await refused('others than its owner may read or write it');
  });

  it('is not believed as a link to another file', async () => {
    const id = await kept();
    renameSync(fileOf(id), join(rig.dataDir, 'elsewhere'));
    symlinkSync(join(rig.dataDir, 'elsewhere'), fileOf(id));

    await refused('it cannot be opened (ELOOP)');
  });

  it('is not believed with a second name', async () => {
    const id = await kept();
    linkSync(fileOf(id), join(rig.dataDir, 'elsewhere'));

    await refused('it has another name elsewhere');
  });

  it('is not believed with fields of its own', async () => {
    const id = await kept();
    writeFileSync(
      fileOf(id),
      JSON.stringify({ ...JSON.parse(readFileSync(fileOf(id), 'utf8')), approved: true }),
    );

    await refused('it is not a request');
  });

  it('is not believed in a folder into which others may write', async () => {
    await kept();
    chmodSync(join(rig.dataDir, 'requests'), 0o777);

    await refused('others than its owner may look into it');
  });

  it.skipIf(process.getuid?.() !== 0)('is not believed when it belongs to another login', async () => {
    chownSync(fileOf(await kept()), 65534, 65534);

    await refused('it belongs to another login');
  });

  it('runs nothing a second time when it is put back after its end', async () => {
    team = await startTeam();
    const client = await connect();
    const id = (await ask(client)).data.request_id;
    const text = readFileSync(fileOf(id), 'utf8');
    await team.waits(id);
    await team.decide(id, alice, 'approve');
    await resultOf(client, id, 5);
    await team.stop();
    rmSync(fileOf(id));
    rmSync(join(rig.dataDir, 'requests', `${id}.state`), { force: true });
    writeFileSync(fileOf(id), text, { mode: 0o600 });

    team = await startTeam();
    await until('the bot to look at it', () =>
      readdirSync(join(rig.dataDir, 'requests')).includes(`${id}.state`),
    );

    expect((await resultOf(client, id)).data.status).toBe('done');
    expect(rig.runner.ran).toHaveLength(1);
  });
});

describe('when every process dies', () => {
  it('goes on after the approval: the result comes to a new connection, and it ran once', async () => {
    team = await startTeam({ worker: false });
    const { request_id: id } = (await ask(await connect())).data;
    await until('the run', async () => (await team?.runOf(id)) !== undefined);
    await team.stop();
    team = await startTeam();
    await team.waits(id);
    await team.stop();
    // Approved while no worker runs; then all of them are gone.
    team = await startTeam({ worker: false });
    await team.decide(id, alice, 'approve');
    await team.stop();
    await hangUp();
    await rig.restart();
    await listen();
    expect(rig.runner.ran).toHaveLength(0);

    team = await startTeam();
    const result = await resultOf(await connect(), id, 5);
    await team.stop();
    await hangUp();
    await rig.restart();
    await listen();
    const again = await resultOf(await connect(), id);

    expect(result.text).toContain('output of restart_service');
    expect(again.data.status).toBe('done');
    expect(rig.runner.ran).toHaveLength(1);
  });

  it('says that the outcome is unknown where a change was begun and nobody is left who could know', async () => {
    team = await startTeam();
    const client = await connect();
    const { request_id: id } = (await ask(client)).data;
    await team.waits(id);
    await team.stop();
    const gone = { pid: 1, started: '0', machine: 'gone' };
    const callId = callIdFor(runOfClientRequest(id), 0);
    writeFileSync(
      join(rig.dataDir, 'spent', callId),
      JSON.stringify({ at: rig.clock.now(), callId, owner: gone }),
    );

    const result = await resultOf(client, id);

    expect(result).toMatchObject({ isError: true, data: { status: 'lost' } });
  });
});
