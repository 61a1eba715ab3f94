/**
 * What the whole path adds to a command: the same command, on the same sshd, raw over ssh, as a warm MCP tool call,
 * and through console, queue, worker, MCP, gate, audit and back to the screen.
 */
import { randomBytes } from 'node:crypto';
import { loadDecisionKey } from '../src/backends/decision-key.ts';
import { createMcpTools } from '../src/backends/tools.ts';
import { callIdFor, runIdFor } from '../src/core/ids.ts';
import type { ToolRequest } from '../src/core/ports.ts';
import { signer } from '../src/core/signed.ts';
import { remoteLine } from '../src/whitelist/remote-line.ts';
import { newEventId, openConsole, statusOf } from './console.ts';
import { type Figure, median } from './figure.ts';
import { environment, mainFile, startOpsagent } from './opsagent.ts';
import { inRounds, type Scope, timed } from './scope.ts';
import { silent } from './silent.ts';
import { startRawSsh } from './ssh.ts';

/** A command of the shipped catalogue, and its template. */
const command = 'date';
const template = "date '+%Y-%m-%d %H:%M:%S %Z (UTC%z)'";
const output = /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/;

const warmUps = 3;

export async function wholePath(scope: Scope): Promise<readonly Figure[]> {
  const ssh = await startRawSsh(scope);
  const viaMcp = callTool(scope, ssh.env);
  const viaConsole = await runInConsole(scope, ssh.env);

  const measure = async (n: number) => ({
    raw: await timed(async () => printed(await ssh.run(template))),
    wrapped: await timed(async () => printed(await ssh.run(wrapped()))),
    mcp: await timed(async () => printed(await viaMcp(n))),
    console: await timed(async () => printed(await viaConsole())),
  });
  for (let n = 0; n < warmUps; n++) await measure(n);
  const { of, rounds } = await inRounds({ most: 40, withinMs: 12_000 }, (n) => measure(n + warmUps));

  const raw = { what: 'ssh, kept connection', value: median(of('raw')) };
  const mcp = median(of('mcp'));
  const whole = median(of('console'));
  return [
    { what: 'console run, asked to finished', unit: 'ms', ours: whole, peer: raw, rounds },
    {
      what: 'console run, asked to finished',
      unit: 'ms',
      ours: whole,
      peer: { what: 'warm MCP tool call', value: mcp },
      rounds,
    },
    { what: 'warm MCP tool call', unit: 'ms', ours: mcp, peer: raw, rounds },
    {
      what: 'our wrapper around the command, by ssh',
      unit: 'ms',
      ours: median(of('wrapped')),
      peer: raw,
      rounds,
    },
    {
      what: 'added by the whole path',
      unit: 'ms',
      ours: median(of('console').map((ms, i) => ms - (of('raw')[i] ?? 0))),
      rounds,
    },
  ];
}

/** A whitelist server of its own, called as the worker calls it: with a signed request. */
function callTool(scope: Scope, env: Readonly<Record<string, string>>): (n: number) => Promise<string> {
  const dataDir = scope.folder();
  const sign = signer(loadDecisionKey(dataDir).privatePem);
  const tools = createMcpTools({
    command: process.execPath,
    args: [mainFile, 'mcp'],
    env: withoutUndefined(environment(dataDir, env)),
    cwd: dataDir,
    logger: silent,
  });
  scope.add(() => tools.close());

  return async (n) => {
    const eventId = newEventId();
    const runId = runIdFor('console', eventId);
    const request: ToolRequest = {
      callId: callIdFor(runId, n),
      tool: 'execute_command',
      args: { command_name: command, parameters: {} },
      requests: [
        sign({
          kind: 'request',
          runId,
          eventId,
          user: { platform: 'console', id: 'owner', name: 'owner' },
          groups: [],
          conversation: { platform: 'console', channel: 'console', thread: 'bench' },
          at: Date.now(),
        }),
      ],
    };
    const outcome = await tools.call(request, new AbortController().signal);
    if (outcome.kind !== 'result') throw new Error(`the tool call was ${JSON.stringify(outcome)}`);
    return outcome.result.text;
  };
}

/** A run in a thread of its own each time, from the click to its end on the screen. */
async function runInConsole(
  scope: Scope,
  env: Readonly<Record<string, string>>,
): Promise<() => Promise<string>> {
  const page = await openConsole(scope, await startOpsagent(scope, scope.folder(), env));
  return async () => {
    page.forget();
    const { thread } = await page.post('/api/run', { command, params: {}, id: newEventId() });
    const { view } = await page.heard((e) => e.thread === thread && ended.has(statusOf(e) ?? ''));
    return JSON.stringify(view);
  };
}

const ended: ReadonlySet<string> = new Set(['finished', 'failed', 'cancelled']);

/** A peer that failed quickly would look like a fast one. */
function printed(text: string): void {
  if (!output.test(text)) throw new Error(`the command did not run: ${text.slice(0, 300)}`);
}

function wrapped(): string {
  const marker = randomBytes(16).toString('hex');
  const line = remoteLine({ script: template, args: [], timeoutSeconds: 30, maxOutputBytes: 65_536, marker });
  if (!line.ok) throw new Error(line.reason);
  return line.line;
}

function withoutUndefined(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
