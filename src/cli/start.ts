/**
 * `opsagent start`, `bot` and `worker`: starts, says what was chosen and what replaces it, stops on a signal.
 */

import { lockDataDir, prepareDataDir } from '../backends/data-dir.ts';
import { addressText } from '../backends/redis/client.ts';
import { type Config, loadConfig, readEnvironment } from '../config.ts';
import { OpsError } from '../core/errors.ts';
import { version } from '../core/version.ts';
import { type Instance, startInstance } from '../wire/instance.ts';
import { processLog } from '../wire/logger.ts';

const stopWithinMs = 5_000;

export async function start(role: 'all' | 'bot' | 'worker'): Promise<void> {
  const env = readEnvironment();
  const config = loadConfig(role, env, process.cwd());
  if (role !== 'all' && !config.redisUrl)
    throw new OpsError('config-invalid', `opsagent ${role} needs a Redis to share.`, 'Set REDIS_URL.');
  prepareDataDir(config.dataDir);
  const { logger, redact } = processLog(config);
  const lock = role === 'all' ? lockDataDir(config.dataDir) : undefined;

  let instance: Instance;
  try {
    instance = await startInstance({
      config,
      bot: role !== 'worker',
      worker: role !== 'bot',
      clock: { now: Date.now },
      logger,
      redact,
      env,
    });
  } catch (error) {
    lock?.release();
    throw error;
  }
  lock?.announce(instance.console.url());
  process.stdout.write(banner(role, config, instance));

  const signal = await nextSignal();
  process.stdout.write(`\n${signal}: stopping; what is under way goes on at the next start.\n`);
  const hurry = setTimeout(() => process.exit(1), stopWithinMs);
  await instance.stop();
  clearTimeout(hurry);
  lock?.release();
  process.exit(0);
}

function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(signal));
  });
}

function banner(role: 'all' | 'bot' | 'worker', config: Config, instance: Instance): string {
  const rows: [string, string, string][] = [
    ['redis', redisText(instance), 'REDIS_URL'],
    ['model', instance.model.name, config.model?.apiKey ? 'CLAUDE_MODEL' : 'ANTHROPIC_API_KEY'],
    [
      'hosts',
      hostsText(config),
      config.hosts.length > 0 ? 'config/hosts.yaml' : 'REMOTE_HOST or config/hosts.yaml',
    ],
    ['slack', config.slack ? 'on' : 'off', 'SLACK_BOT_TOKEN, SLACK_APP_TOKEN'],
    ['discord', config.discord ? 'on' : 'off', 'DISCORD_TOKEN'],
    ['config', config.configDir, 'OPSAGENT_CONFIG_DIR'],
    ['data', config.dataDir, 'OPSAGENT_DATA_DIR'],
  ];
  const lines = rows.map(([name, what, by]) => `  ${name.padEnd(8)} ${what}  (set by ${by})`);
  const notice =
    instance.embedded?.kind === 'stand-in'
      ? [
          '',
          'No redis-server or valkey-server is installed: threads and waiting approvals are lost at a stop.',
        ]
      : [];
  const open = role === 'worker' ? [] : ['', ...consoleText(config, instance)];
  return [`opsagent ${version} is ready.`, ...lines, ...notice, ...open, ''].join('\n');
}

function redisText({ embedded, redis }: Instance): string {
  if (!embedded) return addressText(redis);
  if (embedded.kind === 'stand-in') return 'in-process stand-in, keeps nothing';
  return `private ${embedded.kind} on ${embedded.socket}${embedded.takenOver ? ', with the data of one that was left running' : ''}`;
}

function hostsText(config: Config): string {
  if (config.hosts.length === 0) return 'local: this machine, over a loopback SSH server of its own';
  const names = config.hosts.map((h) => h.name);
  return names.length <= 5
    ? names.join(', ')
    : `${names.slice(0, 4).join(', ')} and ${names.length - 4} more`;
}

/** A token that somebody configured is not repeated here: this output ends up in logs. */
function consoleText(config: Config, { console: page }: Instance): string[] {
  const link = config.console.token ? `${page.url()}?token=<OPSAGENT_CONSOLE_TOKEN>` : page.link();
  return ['Open the console (the link signs this browser in; UI_PORT sets the port):', `  ${link}`];
}
