/**
 * The parts of the configuration that come from variables alone: console, model, Redis, Slack and Discord.
 * Each pushes what is wrong to `settings.problems` and never shows a secret's value.
 */
import type { Settings } from './env.ts';

interface Console {
  readonly host: string;
  readonly port: number;
  readonly token?: string;
  readonly origins: readonly string[];
}

export function consoleFrom(settings: Settings): Console {
  const host = settings.get('OPSAGENT_CONSOLE_HOST') ?? '127.0.0.1';
  const token = settings.get('OPSAGENT_CONSOLE_TOKEN');
  if (!/^[A-Za-z0-9.:_-]+$/.test(host))
    wrong(settings, 'OPSAGENT_CONSOLE_HOST', 'is not an address', 'write an IP address or a host name');
  if (token !== undefined && !/^[A-Za-z0-9._~-]{16,256}$/.test(token))
    wrong(
      settings,
      'OPSAGENT_CONSOLE_TOKEN',
      'is too short or holds characters that a link cannot',
      'use at least 16 letters and digits, such as "openssl rand -hex 24" prints',
    );
  if (token === undefined && !isLoopback(host))
    wrong(
      settings,
      'OPSAGENT_CONSOLE_HOST',
      `${host} can be reached from other machines and there is no token`,
      'set OPSAGENT_CONSOLE_TOKEN, or listen on 127.0.0.1',
    );
  const origins = originsFrom(settings, 'OPSAGENT_CONSOLE_ORIGIN');
  return {
    host,
    port: integer(settings, 'UI_PORT', 0, 65_535) ?? 7860,
    ...(token === undefined ? {} : { token }),
    origins,
  };
}

interface Mcp {
  readonly host: string;
  readonly port: number;
  readonly origins: readonly string[];
  readonly clients: readonly { readonly name: string; readonly token: string }[];
}

/** Where `mcp --http` listens and whom it lets in; with no tokens it is not started. */
export function mcpFrom(settings: Settings): Mcp {
  const host = settings.get('OPSAGENT_MCP_HOST') ?? '127.0.0.1';
  if (!/^[A-Za-z0-9.:_-]+$/.test(host))
    wrong(settings, 'OPSAGENT_MCP_HOST', 'is not an address', 'write an IP address or a host name');
  return {
    host,
    port: integer(settings, 'OPSAGENT_MCP_PORT', 0, 65_535) ?? 7861,
    origins: originsFrom(settings, 'OPSAGENT_MCP_ORIGIN'),
    clients: clientsFrom(settings),
  };
}

export interface RunLimits {
  /** How many hosts of a group are asked at a time. */
  readonly fanOut: number;
  /** How long a command runs before its thread is told how it is coming along. */
  readonly patienceSeconds: number;
}

export function runLimitsFrom(settings: Settings): RunLimits {
  return {
    fanOut: integer(settings, 'FAN_OUT', 1, 1000) ?? 50,
    patienceSeconds: integer(settings, 'PATIENCE_SECONDS', 1, 3600) ?? 20,
  };
}

function clientsFrom(settings: Settings): Mcp['clients'] {
  const pairs = (settings.get('OPSAGENT_MCP_TOKENS') ?? '').split(/[\s,]+/).filter((p) => p !== '');
  const clients = pairs.map((pair) => {
    const [, name = '', token = ''] = /^([^=]*)=(.*)$/.exec(pair) ?? [];
    return { name, token };
  });
  const bad = (what: string, remedy: string) => wrong(settings, 'OPSAGENT_MCP_TOKENS', what, remedy);
  clients.forEach(({ name, token }, i) => {
    if (!/^[a-z0-9][a-z0-9_-]{0,31}$/.test(name))
      bad(`pair ${i + 1} has no name`, 'write it as name=token, the name in lower-case letters and digits');
    else if (!/^[A-Za-z0-9._~+/=-]{24,256}$/.test(token))
      bad(
        `the token of ${name} is too short or holds other characters`,
        'use at least 24 letters and digits, such as "openssl rand -hex 24" prints',
      );
  });
  if (new Set(clients.map((c) => c.name)).size < clients.length)
    bad('has a name twice', 'give each client a name of its own');
  if (new Set(clients.map((c) => c.token)).size < clients.length)
    bad('has a token twice', 'give each client a token of its own');
  return clients;
}

function originsFrom(settings: Settings, name: string): readonly string[] {
  const origins = (settings.get(name) ?? '').split(/[\s,]+/).filter((o) => o !== '');
  for (const origin of origins)
    if (!URL.canParse(origin) || new URL(origin).origin !== origin || !/^https?:/.test(origin))
      wrong(
        settings,
        name,
        `"${origin.slice(0, 100)}" is not an origin`,
        'write it as https://ops.example.net, without a path',
      );
  return origins;
}

interface ModelSettings {
  readonly apiKey?: string;
  readonly baseUrl?: string;
  readonly name: string;
  readonly maxTokens: number;
}

export function modelFrom(settings: Settings): ModelSettings {
  const apiKey = settings.get('ANTHROPIC_API_KEY');
  const baseUrl = httpUrl(settings, 'ANTHROPIC_BASE_URL');
  const name = settings.get('CLAUDE_MODEL') ?? 'claude-sonnet-5-5';
  if (!/^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$/.test(name))
    wrong(settings, 'CLAUDE_MODEL', 'is not a model name', 'write it as claude-sonnet-5-5');
  return {
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(baseUrl === undefined ? {} : { baseUrl }),
    name,
    maxTokens: integer(settings, 'MAX_TOKENS', 1, 128_000) ?? 4096,
  };
}

/** redis://, rediss:// or the path of a unix socket. */
export function redisFrom(settings: Settings): string | undefined {
  const url = settings.get('REDIS_URL');
  if (url === undefined) return undefined;
  if (!url.startsWith('/') && !(URL.canParse(url) && /^rediss?:\/\/[^/]/.test(url)))
    wrong(settings, 'REDIS_URL', 'is not the address of a Redis', 'write it as redis://host:6379');
  return url;
}

/** The password inside a Redis URL, as written and decoded. */
export function redisSecrets(url: string | undefined): readonly string[] {
  if (url === undefined || !URL.canParse(url)) return [];
  const { password } = new URL(url);
  if (password === '') return [];
  try {
    return [password, decodeURIComponent(password)];
  } catch {
    return [password];
  }
}

interface Slack {
  readonly botToken: string;
  readonly appToken?: string;
  readonly signingSecret?: string;
  readonly apiUrl?: string;
}

/** Slack is on when its bot token is there; whoever listens needs the app token as well. */
export function slackFrom(settings: Settings, listens: boolean): Slack | undefined {
  const botToken = settings.get('SLACK_BOT_TOKEN');
  const appToken = settings.get('SLACK_APP_TOKEN');
  const signingSecret = settings.get('SLACK_SIGNING_SECRET');
  const apiUrl = httpUrl(settings, 'SLACK_API_URL');
  if (botToken !== undefined && !botToken.startsWith('xoxb-'))
    wrong(settings, 'SLACK_BOT_TOKEN', 'is not a bot token', 'use the one that begins with xoxb-');
  if (appToken !== undefined && !appToken.startsWith('xapp-'))
    wrong(settings, 'SLACK_APP_TOKEN', 'is not an app-level token', 'use the one that begins with xapp-');
  if (botToken === undefined) {
    const other = appToken ? 'SLACK_APP_TOKEN' : signingSecret ? 'SLACK_SIGNING_SECRET' : undefined;
    if (other)
      wrong(settings, 'SLACK_BOT_TOKEN', `is missing while ${other} is set`, `set it, or remove ${other}`);
    return undefined;
  }
  if (listens && appToken === undefined)
    wrong(
      settings,
      'SLACK_APP_TOKEN',
      'is missing while SLACK_BOT_TOKEN is set',
      'create an app-level token with connections:write, or remove SLACK_BOT_TOKEN',
    );
  return {
    botToken,
    ...(appToken === undefined ? {} : { appToken }),
    ...(signingSecret === undefined ? {} : { signingSecret }),
    ...(apiUrl === undefined ? {} : { apiUrl }),
  };
}

interface Discord {
  readonly token: string;
  readonly guildId?: string;
  readonly apiUrl?: string;
}

export function discordFrom(settings: Settings): Discord | undefined {
  const token = settings.get('DISCORD_TOKEN');
  const guildId = settings.get('DISCORD_GUILD_ID');
  const apiUrl = httpUrl(settings, 'DISCORD_API_URL');
  if (guildId !== undefined && !/^\d{1,20}$/.test(guildId))
    wrong(settings, 'DISCORD_GUILD_ID', 'is not a server id', 'write its digits');
  if (token === undefined) {
    if (guildId !== undefined)
      wrong(
        settings,
        'DISCORD_TOKEN',
        'is missing while DISCORD_GUILD_ID is set',
        'set it, or remove DISCORD_GUILD_ID',
      );
    return undefined;
  }
  if (/\s/.test(token)) wrong(settings, 'DISCORD_TOKEN', 'holds a space', 'copy the token again');
  return {
    token,
    ...(guildId === undefined ? {} : { guildId }),
    ...(apiUrl === undefined ? {} : { apiUrl }),
  };
}

export type LogLevel = (typeof logLevels)[number];
const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export function logLevelFrom(settings: Settings): LogLevel {
  const text = settings.get('LOG_LEVEL') ?? 'info';
  const level = logLevels.find((l) => l === text);
  if (level === undefined)
    wrong(settings, 'LOG_LEVEL', 'is not a level', `use one of ${logLevels.join(', ')}`);
  return level ?? 'info';
}

/** A whole number within bounds; undefined when there is none or it is wrong. */
export function integer(settings: Settings, name: string, min: number, max: number): number | undefined {
  const text = settings.get(name);
  if (text === undefined) return undefined;
  const n = Number(text);
  if (/^\d{1,9}$/.test(text) && n >= min && n <= max) return n;
  wrong(settings, name, 'is not a number in range', `use a whole number from ${min} to ${max}`);
  return undefined;
}

function httpUrl(settings: Settings, name: string): string | undefined {
  const text = settings.get(name);
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '') return text;
  wrong(settings, name, 'is not a web address', 'write it as https://host, without user or password');
  return undefined;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

export function wrong(settings: Settings, where: string, what: string, remedy: string): void {
  settings.problems.push({ where, what, remedy });
}
