/**
 * Tools without a server: answers as told, asks for an approval where told, runs an approved call once by its id.
 */
import { type ApprovalRequest, approvalDigest } from '../../src/core/approval.ts';
import type { CommandEnd, RanCommand } from '../../src/core/command.ts';
import { approvalIdFor, type CallId, runIdOf } from '../../src/core/ids.ts';
import { digestOf } from '../../src/core/json.ts';
import type { ToolOutcome, ToolRequest, ToolSpec, Tools } from '../../src/core/ports.ts';
import type { SignedOrder } from '../../src/core/signed.ts';
import type { CallResult } from '../../src/core/tool-call.ts';

export interface ScriptedTools extends Tools {
  /** Every call as it came, and those that ran. */
  readonly calls: ToolRequest[];
  readonly ran: ToolRequest[];
  /** The orders that were handed over; all are obeyed. */
  readonly orders: SignedOrder[];
  /** What a run leaves behind; by default one command that ends with exit 0. */
  answer: (request: ToolRequest) => CallResult | Promise<CallResult>;
  /** Which calls are put to people first; by default `execute_command`. */
  asks: (request: ToolRequest) => boolean;
  /** Makes runs wait until released, stopped or dead. */
  hold(): { release(): void };
  /** Resolves when the n-th run has begun. */
  begun(n: number): Promise<void>;
  /** Calls under way become unavailable; approved ones that had begun are lost. */
  die(): void;
}

const specs: readonly ToolSpec[] = ['check_disk', 'execute_command'].map((name) => ({
  name,
  description: `What ${name} does`,
  inputSchema: { type: 'object', properties: {} },
}));

export interface ScriptedToolsOptions {
  readonly tools?: readonly ToolSpec[];
  readonly now?: () => number;
  readonly waitMs?: number;
  /** Changes parts of the question to people. */
  readonly approval?: (request: ToolRequest) => Partial<ApprovalRequest>;
}

export function scriptedTools(options: ScriptedToolsOptions = {}): ScriptedTools {
  const now = options.now ?? (() => 0);
  const spent = new Map<CallId, Promise<ToolOutcome>>();
  const watchers: { n: number; resolve: () => void }[] = [];
  let gate: Promise<void> = Promise.resolve();
  let death = trigger();

  const run = async (request: ToolRequest, signal: AbortSignal): Promise<ToolOutcome> => {
    tools.ran.push(request);
    for (const w of watchers) if (tools.ran.length >= w.n) w.resolve();
    const stopped = new Promise<'stopped'>((resolve) => {
      signal.addEventListener('abort', () => resolve('stopped'), { once: true });
    });
    const how = await Promise.race([gate, stopped, death.fired]);
    if (how === 'dead') return unavailable;
    if (how === 'stopped')
      return { kind: 'result', result: ranOne(request, { kind: 'cancelled', ended: true }) };
    return { kind: 'result', result: await tools.answer(request) };
  };

  const tools: ScriptedTools = {
    calls: [],
    ran: [],
    answer: (request) => ranOne(request, { kind: 'exited', code: 0 }),
    asks: (request) => request.tool === 'execute_command',
    list: async () => options.tools ?? specs,
    async call(request, signal) {
      tools.calls.push(request);
      if (signal.aborted)
        return { kind: 'refused', reason: 'It was stopped before it began; nothing has run.' };
      if (!tools.asks(request)) return run(request, signal);
      const begun = spent.get(request.callId);
      if (begun) return begun;
      if (!request.grant) return { kind: 'approval', request: question(request, now(), options) };
      const verdicts = request.grant.votes.map((v) => v.statement.verdict);
      if (verdicts.length === 0 || verdicts.includes('deny'))
        return { kind: 'refused', reason: 'It was denied.' };
      const outcome = run(request, signal);
      spent.set(request.callId, outcome);
      return outcome;
    },
    hold() {
      const held = trigger();
      gate = held.fired.then(() => undefined);
      return { release: held.fire };
    },
    begun(n) {
      if (tools.ran.length >= n) return Promise.resolve();
      return new Promise((resolve) => watchers.push({ n, resolve }));
    },
    die() {
      death.fire();
      death = trigger();
      for (const id of spent.keys())
        spent.set(id, Promise.resolve({ kind: 'lost', reason: 'The server died while it ran.' }));
    },
    orders: [],
    async order(order) {
      tools.orders.push(order);
      return { ok: true, text: `${order.statement.order} obeyed` };
    },
    async close() {
      death.fire();
    },
  };
  return tools;
}

const unavailable: ToolOutcome = {
  kind: 'unavailable',
  problem: { code: 'tools-unavailable', message: 'The whitelist server died.' },
};

function ranOne(request: ToolRequest, end: CommandEnd): CallResult {
  const ran: RanCommand = {
    command: request.tool,
    host: 'local',
    line: request.tool,
    end,
    ms: 1,
    output: `output of ${request.tool}`,
    truncated: false,
  };
  return { text: `${request.tool}: output of ${request.tool}`, isError: end.kind !== 'exited', ran: [ran] };
}

function question(request: ToolRequest, now: number, options: ScriptedToolsOptions): ApprovalRequest {
  const asked = {
    id: approvalIdFor(request.callId),
    callId: request.callId,
    runId: runIdOf(request.callId),
    subject: {
      command: request.tool,
      description: 'Changes something',
      line: request.tool,
      targets: [{ host: 'local', address: '127.0.0.1', login: 'ops', hostKey: 'SHA256:test' }],
      risk: 'change',
    },
    rule: { name: 'changes', approvers: ['owner'], people: 1, requesterMay: true },
    binding: digestOf([request.callId, request.tool, request.args]),
    askedAt: now,
    expiresAt: now + (options.waitMs ?? 600_000),
    ...options.approval?.(request),
  } as const;
  return { ...asked, digest: approvalDigest(asked), sealed: `sealed ${request.callId}` };
}

function trigger(): { readonly fired: Promise<'dead'>; fire(): void } {
  let fire = () => {};
  const fired = new Promise<'dead'>((resolve) => {
    fire = () => resolve('dead');
  });
  return { fired, fire: () => fire() };
}
