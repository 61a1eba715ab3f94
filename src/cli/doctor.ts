/**
 * `opsagent doctor`: every part that a start needs, looked at one by one, each with what to do about it.
 */
import { accessSync, constants, existsSync } from 'node:fs';
import { createServer, connect as dial } from 'node:net';
import { dirname, resolve } from 'node:path';
import { runningInstance } from '../backends/data-dir.ts';
import { connect } from '../backends/redis/client.ts';
import { installedServer } from '../backends/redis/embedded.ts';
import { problemLine } from '../config/problem.ts';
import { type Config, ConfigError, loadConfig, readEnvironment } from '../config.ts';
import type { Host } from '../core/command.ts';
import type { Logger } from '../core/ports.ts';
import type { TailnetStatus } from '../core/tailnet.ts';
import { version } from '../core/version.ts';
import { tailnetOf } from '../wire/tailnet.ts';
import { exitCodes } from './exit-codes.ts';

interface Check {
  readonly name: string;
  readonly state: 'ok' | 'note' | 'bad';
  readonly text: string;
}

const ok = (name: string, text: string): Check => ({ name, state: 'ok', text });
const note = (name: string, text: string): Check => ({ name, state: 'note', text });
const bad = (name: string, text: string): Check => ({ name, state: 'bad', text });

export async function doctor(options: { readonly json?: boolean }): Promise<number> {
  const checks = await look();
  if (options.json) process.stdout.write(`${JSON.stringify({ version, checks })}\n`);
  else
    for (const { name, state, text } of checks)
      process.stdout.write(`${{ ok: '✓', note: '·', bad: '✗' }[state]} ${name.padEnd(14)} ${text}\n`);
  return checks.some((c) => c.state === 'bad') ? exitCodes.failed : exitCodes.done;
}

async function look(): Promise<Check[]> {
  const node = ok('node', process.version);
  let config: Config;
  try {
    config = loadConfig('all', readEnvironment(), process.cwd());
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const problems = error.problems.map((p) => bad('configuration', problemLine(p)));
    return [node, ...problems, ...keptPolicy(error)];
  }
  return [
    node,
    ok(
      'configuration',
      `${config.catalogue.length} commands, ${config.policy.ask.length} ask rules, ${config.policy.approve.length} approval rules`,
    ),
    dataDir(config),
    await redis(config),
    await modelKey(config),
    await port(config),
    config.slack ? ok('slack', 'tokens are set') : note('slack', 'off (SLACK_BOT_TOKEN, SLACK_APP_TOKEN)'),
    config.discord ? ok('discord', 'token is set') : note('discord', 'off (DISCORD_TOKEN)'),
    tailnet(await tailnetOf(config, { now: Date.now }).status(), config.hosts),
    ...(await hosts(config.hosts)),
  ];
}

/** A running instance does not take a bad policy.yaml: the one from before the edit is in force there. */
function keptPolicy({ problems }: ConfigError): Check[] {
  const dir = resolve(process.cwd(), readEnvironment().OPSAGENT_DATA_DIR || '.opsagent');
  const instance = runningInstance(dir);
  if (!instance || !problems.some((p) => /policy\.yaml/.test(p.where))) return [];
  const text = `policy.yaml is not taken: process ${instance.pid} goes on with the policy from before the edit`;
  return [bad('policy', text)];
}

function dataDir({ dataDir: dir }: Config): Check {
  let existing = dir;
  while (!existsSync(existing)) existing = dirname(existing);
  try {
    accessSync(existing, constants.W_OK | constants.X_OK);
  } catch {
    return bad('data directory', `${dir} cannot be written; set OPSAGENT_DATA_DIR`);
  }
  const instance = runningInstance(dir);
  return ok('data directory', instance ? `${dir}, in use by process ${instance.pid}` : dir);
}

async function redis({ redisUrl }: Config): Promise<Check> {
  if (!redisUrl) {
    const kind = installedServer();
    if (kind) return ok('redis', `none configured; a private ${kind} is started`);
    return note(
      'redis',
      'no redis-server or valkey-server installed: a stand-in that keeps nothing is used (REDIS_URL)',
    );
  }
  const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
  const client = connect({ url: redisUrl }, quiet);
  try {
    await client.ping();
    const policy = /maxmemory_policy:(\S+)/.exec(await client.info('memory'))?.[1];
    return policy && policy !== 'noeviction'
      ? bad('redis', `answers, but its maxmemory-policy is ${policy}: set it to noeviction`)
      : ok('redis', 'answers');
  } catch {
    return bad('redis', 'REDIS_URL does not answer');
  } finally {
    client.disconnect();
  }
}

async function modelKey({ model }: Config): Promise<Check> {
  if (!model?.apiKey) return note('model', 'no ANTHROPIC_API_KEY: the rehearsal model answers');
  const { checkClaude } = await import('../backends/model/claude-check.ts');
  const problem = await checkClaude({
    apiKey: model.apiKey,
    model: model.name,
    ...(model.baseUrl ? { baseUrl: model.baseUrl } : {}),
  });
  return problem ? bad('model', problem) : ok('model', `the key is accepted, ${model.name} is there`);
}

function port({ console: settings, dataDir: dir }: Config): Promise<Check> {
  const { host, port: number } = settings ?? { host: '127.0.0.1', port: 7860 };
  const instance = runningInstance(dir);
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () =>
      resolve(
        instance
          ? ok('console', `in use by the running instance ${instance.url ?? ''}`)
          : bad('console', `${host}:${number} is taken or not ours to use; set UI_PORT`),
      ),
    );
    server.listen(number, host, () =>
      server.close(() => resolve(ok('console', `${host}:${number} is free`))),
    );
  });
}

/** A host whose key is the tailnet's to say cannot be reached without it; every other one can. */
function tailnet(status: TailnetStatus, inventory: readonly Host[]): Check {
  if (status.kind === 'running') {
    const online = status.nodes.filter((node) => node.online).length;
    return ok('tailnet', `${status.tailnet}: ${online} of ${status.nodes.length} other nodes are online`);
  }
  const needed = inventory.some((h) => h.hostKey.kind === 'tailnet');
  if (status.kind === 'absent' && !needed) return note('tailnet', status.problem);
  return bad('tailnet', status.problem);
}

async function hosts(inventory: readonly Host[]): Promise<Check[]> {
  if (inventory.length === 0)
    return [note('hosts', 'none configured: this machine is the only one, as `local`')];
  return Promise.all(
    inventory.map(async (h) =>
      (await reachable(h))
        ? ok(`host ${h.name}`, `${h.address}:${h.port} answers`)
        : bad(`host ${h.name}`, `${h.address}:${h.port} does not answer within 3 s`),
    ),
  );
}

function reachable({ address, port: number }: Host): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dial({ host: address, port: number, timeout: 3_000 });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.once('timeout', () => end(false));
  });
}
