/**
 * Every environment variable there is: what it is for, who may read it and what holds without it. The one source for
 * loadConfig, for the environment of child processes and for .env.example.
 */
import type { Variable } from './variable.ts';
import { HOST_VARIABLES } from './variables-hosts.ts';

export type Role = 'all' | 'bot' | 'worker' | 'whitelist' | 'cli';

const everyone = ['bot', 'worker', 'whitelist', 'cli'] as const;

export const VARIABLES: readonly Variable[] = [
  {
    name: 'ANTHROPIC_API_KEY',
    roles: ['worker'],
    default: '',
    secret: true,
    description: 'Key for Claude; without it the rehearsal model answers.',
  },
  {
    name: 'CLAUDE_MODEL',
    roles: ['worker'],
    default: 'claude-sonnet-5-5',
    description: 'Which Claude model answers.',
  },
  {
    name: 'MAX_TOKENS',
    roles: ['worker'],
    default: '4096',
    description: 'Most tokens the model may write in one turn.',
  },
  {
    name: 'PATIENCE_SECONDS',
    roles: ['worker'],
    default: '20',
    description:
      'A command that takes longer goes on in the background, and its thread says how it is coming along.',
  },
  {
    name: 'ANTHROPIC_BASE_URL',
    roles: ['worker'],
    default: '',
    description: 'Another address that speaks the Messages API; empty for the service itself.',
  },
  ...HOST_VARIABLES,

  {
    name: 'SLACK_BOT_TOKEN',
    roles: ['bot', 'worker'],
    default: '',
    secret: true,
    description: 'Slack bot token (xoxb-…); switches Slack on.',
  },
  {
    name: 'SLACK_APP_TOKEN',
    roles: ['bot'],
    default: '',
    secret: true,
    description: 'Slack app-level token (xapp-…) for Socket Mode.',
  },
  {
    name: 'SLACK_SIGNING_SECRET',
    roles: ['bot'],
    default: '',
    secret: true,
    description: 'Slack signing secret; Socket Mode works without it.',
  },
  {
    name: 'SLACK_API_URL',
    roles: ['bot', 'worker'],
    default: '',
    description: 'Another address of the Slack Web API; empty for the service itself.',
  },

  {
    name: 'DISCORD_TOKEN',
    roles: ['bot', 'worker'],
    default: '',
    secret: true,
    description: 'Discord bot token; switches Discord on.',
  },
  {
    name: 'DISCORD_GUILD_ID',
    roles: ['bot', 'worker'],
    default: '',
    description: 'The Discord server that the commands are registered in.',
  },
  {
    name: 'DISCORD_API_URL',
    roles: ['bot', 'worker'],
    default: '',
    description: 'Another address of the Discord REST API; empty for the service itself.',
  },

  { name: 'UI_PORT', roles: ['bot', 'cli'], default: '7860', description: 'Port of the local console.' },
  {
    name: 'OPSAGENT_CONSOLE_HOST',
    roles: ['bot', 'cli'],
    default: '127.0.0.1',
    description: 'Address the console listens on; beyond loopback it needs OPSAGENT_CONSOLE_TOKEN.',
  },
  {
    name: 'OPSAGENT_CONSOLE_TOKEN',
    roles: ['bot', 'cli'],
    default: '',
    secret: true,
    description: 'Token for the console, at least 16 characters; empty for one made at first start.',
  },
  {
    name: 'OPSAGENT_TOKEN',
    roles: ['cli'],
    default: '',
    secret: true,
    description:
      'Whose token the command line uses, from "opsagent people add NAME"; empty for the owner\'s.',
  },
  {
    name: 'OPSAGENT_CONSOLE_ORIGIN',
    roles: ['bot'],
    default: '',
    description:
      'Further origins the console is reached under, separated by commas (https://ops.example.net).',
  },

  {
    name: 'OPSAGENT_MCP_PORT',
    roles: ['whitelist'],
    default: '7861',
    description: 'Port of "opsagent mcp --http".',
  },
  {
    name: 'OPSAGENT_MCP_HOST',
    roles: ['whitelist'],
    default: '127.0.0.1',
    description: 'Address that "opsagent mcp --http" listens on.',
  },
  {
    name: 'OPSAGENT_MCP_TOKENS',
    roles: ['whitelist'],
    default: '',
    secret: true,
    description:
      'Who may use "opsagent mcp --http": name=token pairs separated by commas; each is mcp:NAME in policy.yaml.',
  },
  {
    name: 'OPSAGENT_MCP_ORIGIN',
    roles: ['whitelist'],
    default: '',
    description:
      'Further origins "opsagent mcp --http" is reached under, separated by commas (https://ops.example.net).',
  },

  {
    name: 'REDIS_URL',
    roles: ['bot', 'worker'],
    default: '',
    secret: true,
    description: 'Redis to use; empty for a private one that is started and stopped with opsagent.',
  },
  {
    name: 'OPSAGENT_DATA_DIR',
    roles: everyone,
    default: '.opsagent',
    description: 'Folder for keys, audit log, results and the private Redis.',
  },
  {
    name: 'OPSAGENT_CONFIG_DIR',
    roles: everyone,
    default: 'config',
    description: 'Folder with commands.yaml, policy.yaml and hosts.yaml.',
  },
  {
    name: 'AUDIT_ANCHOR',
    roles: everyone,
    default: '',
    description:
      'Where the end of the audit log is told: file:/path elsewhere, syslog:, syslog://host:514 (UDP), syslog+tcp://host:601.',
  },
  {
    name: 'AUDIT_ANCHOR_EVERY',
    roles: everyone,
    default: '100',
    description: 'An anchor at least every so many lines of the audit log, besides start and stop.',
  },
  {
    name: 'AUDIT_ANCHOR_REQUIRED',
    roles: everyone,
    default: 'false',
    description: 'Set to true, no change runs while the audit log cannot be anchored.',
  },
  {
    name: 'LOG_LEVEL',
    roles: everyone,
    default: 'info',
    description: 'How much is logged: trace, debug, info, warn, error, fatal or silent.',
  },

  {
    name: 'TS_SOCKET',
    roles: ['whitelist', 'cli'],
    default: '',
    description:
      'Unix socket of tailscaled; empty for /var/run/tailscale/tailscaled.sock, else "tailscale status --json".',
  },
  {
    name: 'TS_AUTHKEY',
    roles: ['compose'],
    default: '',
    secret: true,
    description: 'docker compose only: key with which the Tailscale sidecar joins the tailnet.',
  },
  {
    name: 'SSH_KEY_PATH',
    roles: ['compose', 'whitelist', 'cli'],
    default: '',
    description:
      'Folder with SSH keys that docker compose mounts; the default place of the key for REMOTE_HOST.',
  },
  {
    name: 'SSH_KEY_FILENAME',
    roles: ['compose', 'whitelist', 'cli'],
    default: 'id_ed25519',
    description: 'File name of the key in SSH_KEY_PATH.',
  },
];

/** May this role read the variable? `all` is bot and worker, and knows where the hosts are but not their passphrase. */
export function mayRead(role: Role, variable: Variable): boolean {
  if (role !== 'all') return variable.roles.includes(role);
  return variable.roles.some((r) => r === 'bot' || r === 'worker' || r === 'cli');
}

/** Passphrases of hosts.yaml are in variables whose names end so; they are the whitelist server's alone. */
export function isPassphraseName(name: string): boolean {
  return /^[A-Z][A-Z0-9_]*_PASSPHRASE$/.test(name);
}
