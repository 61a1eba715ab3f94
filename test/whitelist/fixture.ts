/**
 * A whitelist server in this process over a pair of in-memory pipes, with a small catalogue, a recording runner and
 * a real data directory; and the worker's MCP client on the other end.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InMemoryTransport } from '@modelcontextprotocol/client';
import { mcpToolsOver } from '../../src/backends/tools.ts';
import type { ApprovalRequest, Grant } from '../../src/core/approval.ts';
import type { CommandResult, CommandSpec, Host, RenderedCommand } from '../../src/core/command.ts';
import type { User } from '../../src/core/conversation.ts';
import { type CallId, callIdFor, runIdFor } from '../../src/core/ids.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { Policy } from '../../src/core/policy.ts';
import type { CommandRunner, ToolOutcome, Tools } from '../../src/core/ports.ts';
import type { SignedRequest, SignedVote, VoteStatement } from '../../src/core/signed.ts';
import { startWhitelistServer, type WhitelistServer } from '../../src/whitelist/start.ts';
import { type FixedClock, fixedClock } from '../fakes/fixed-clock.ts';
import { recordingLogger } from '../fakes/logger.ts';
import { type MemoryAudit, memoryAudit } from '../fakes/memory-audit.ts';
import { owner, signedRequest, testKeys, testSign, thread } from '../fakes/requests.ts';
import { catalogue, host, policy } from './catalogue.ts';

export { catalogue, host, policy, spec, unitParam } from './catalogue.ts';

export const alice: User = { platform: 'console', id: 'alice', name: 'Alice' };
export const bob: User = { platform: 'console', id: 'bob', name: 'Bob' };
export { owner };

/** Keeps what it ran; `answer` may be replaced, `hold` makes runs wait for `release` or their signal. */
export interface RecordingRunner extends CommandRunner {
  readonly ran: { command: RenderedCommand; host: Host; keepAs: string | undefined }[];
  answer: (command: RenderedCommand) => CommandResult;
  hold(): { release(): void };
  /** Resolves when the n-th run has begun. */
  begun(n: number): Promise<void>;
}

function recordingRunner(): RecordingRunner {
  let gate: Promise<void> = Promise.resolve();
  const watchers: { n: number; resolve: () => void }[] = [];
  const runner: RecordingRunner = {
    ran: [],
    answer: (command) => ({
      end: { kind: 'exited', code: 0 },
      stdout: `output of ${command.command}\n`,
      stderr: '',
      truncated: false,
      ms: 3,
      hostKey: 'SHA256:first',
    }),
    hold() {
      let release = () => {};
      gate = new Promise((resolve) => {
        release = resolve;
      });
      return { release };
    },
    begun(n) {
      if (runner.ran.length >= n) return Promise.resolve();
      return new Promise((resolve) => watchers.push({ n, resolve }));
    },
    async run(command, on, signal, _onOutput, keepAs) {
      runner.ran.push({ command, host: on, keepAs });
      for (const w of watchers) if (runner.ran.length >= w.n) w.resolve();
      const aborted = new Promise<'aborted'>((resolve) => {
        if (signal.aborted) resolve('aborted');
        signal.addEventListener('abort', () => resolve('aborted'), { once: true });
      });
      if ((await Promise.race([gate, aborted])) === 'aborted')
        return { end: { kind: 'cancelled', ended: true }, stdout: '', stderr: '', truncated: false, ms: 1 };
      return runner.answer(command);
    },
    async collect() {
      return undefined;
    },
    async close() {},
  };
  return runner;
}

export interface Rig {
  readonly dataDir: string;
  readonly runner: RecordingRunner;
  readonly audit: MemoryAudit;
  readonly clock: FixedClock;
  /** What the server is built from; change it, then `restart`. */
  readonly given: {
    catalogue: readonly CommandSpec[];
    hosts: readonly Host[];
    policy: Policy;
    /** By host: the fingerprints that it may show now. */
    readonly keys: Map<string, readonly string[]>;
  };
  server: WhitelistServer;
  tools: Tools;
  /** A new server over the same data directory, with a client of its own; nothing in memory is kept. */
  restart(): Promise<void>;
  /** One more client of the same server. */
  connect(): Tools;
  close(): Promise<void>;
}

export async function startRig(redact: (text: string) => string = (text) => text): Promise<Rig> {
  const dataDir = mkdtempSync(join(tmpdir(), 'whitelist-'));
  mkdirSync(join(dataDir, 'keys'));
  writeFileSync(join(dataDir, 'keys', 'decision.pub'), testKeys.publicPem);
  const runner = recordingRunner();
  const audit = memoryAudit();
  const clock = fixedClock();
  const given = {
    catalogue,
    hosts: [host] as readonly Host[],
    policy,
    keys: new Map<string, readonly string[]>([[host.name, ['SHA256:first']]]),
  };
  const opened: Tools[] = [];

  const start = () =>
    startWhitelistServer({
      catalogue: given.catalogue,
      hosts: given.hosts,
      policy: () => given.policy,
      runner,
      trustedKeys: async (on) => {
        const fingerprints = given.keys.get(on.name);
        return fingerprints
          ? { ok: true, fingerprints }
          : { ok: false, problem: `The host key of ${on.name} is not known` };
      },
      dataDir,
      audit,
      redact,
      clock,
      logger: recordingLogger(),
    });
  const rig: Rig = {
    dataDir,
    runner,
    audit,
    clock,
    given,
    server: await start(),
    tools: undefined as unknown as Tools,
    async restart() {
      rig.server = await start();
      rig.tools = rig.connect();
    },
    connect() {
      const { server } = rig;
      const tools = mcpToolsOver(
        () => {
          const [near, far] = InMemoryTransport.createLinkedPair();
          server.serve(far);
          return near;
        },
        { logger: recordingLogger(), clock: { now: () => Date.now() } },
      );
      opened.push(tools);
      return tools;
    },
    async close() {
      await Promise.all(opened.map((t) => t.close()));
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
  rig.tools = rig.connect();
  return rig;
}

export const run = runIdFor('console', 'e1');
export const callId: CallId = callIdFor(run, 0);

/** The owner's signed request of this run, a second before now. */
export function asked(clock: FixedClock, user: User = owner, over: { at?: number } = {}): SignedRequest {
  return signedRequest('e1', { user, at: over.at ?? clock.now() - 1000 });
}

export function votedBy(
  user: User,
  approval: ApprovalRequest,
  clock: FixedClock,
  over: Partial<VoteStatement> = {},
): SignedVote {
  return testSign({
    kind: 'vote',
    runId: approval.runId,
    approvalId: approval.id,
    digest: approval.digest,
    verdict: 'approve',
    user,
    groups: [],
    at: clock.now(),
    ...over,
  });
}

/** Calls a tool as the worker does. */
export function call(
  rig: Rig,
  tool: string,
  args: JsonObject,
  over: {
    callId?: CallId;
    requests?: readonly SignedRequest[];
    grant?: Grant;
    signal?: AbortSignal;
    tools?: Tools;
  } = {},
): Promise<ToolOutcome> {
  const request = {
    callId: over.callId ?? callId,
    tool,
    args,
    requests: over.requests ?? [asked(rig.clock)],
    ...(over.grant ? { grant: over.grant } : {}),
  };
  return (over.tools ?? rig.tools).call(request, over.signal ?? new AbortController().signal);
}

export const restart = { command_name: 'restart_service', parameters: { service_name: 'nginx' } };

/** Asks for the restart and returns the question to people. */
export async function askRestart(
  rig: Rig,
  over: { requests?: readonly SignedRequest[] } = {},
): Promise<ApprovalRequest> {
  const outcome = await call(rig, 'execute_command', restart, over);
  if (outcome.kind !== 'approval') throw new Error(`expected an approval, got ${JSON.stringify(outcome)}`);
  return outcome.request;
}

export { thread };
