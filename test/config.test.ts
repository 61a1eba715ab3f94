/**
 * The configuration as a whole: roles and their secrets, every problem at once, .env.example, .env files.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseDotEnv } from '../src/config/env.ts';
import { VARIABLES } from '../src/config/variables.ts';
import { ConfigError, environmentFor, loadConfig, type Role, readEnvironment } from '../src/config.ts';

const root = process.cwd();
let scratch = '';
let base: NodeJS.ProcessEnv = {};

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'opsagent-config-'));
  base = { HOME: scratch, OPSAGENT_DATA_DIR: join(scratch, 'data') };
  writeFileSync(join(scratch, 'key'), 'a private key');
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function problemsOf(role: Role, env: NodeJS.ProcessEnv, cwd = root): string[] {
  try {
    loadConfig(role, { ...base, ...env }, cwd);
    return [];
  } catch (thrown) {
    if (thrown instanceof ConfigError) return thrown.message.split('\n');
    throw thrown;
  }
}

const everySecret = {
  ANTHROPIC_API_KEY: 'model-key-value',
  SLACK_BOT_TOKEN: 'xoxb-value',
  SLACK_APP_TOKEN: 'xapp-value',
  SLACK_SIGNING_SECRET: 'signing-value',
  DISCORD_TOKEN: 'discord-value',
  REDIS_URL: 'redis://:redis-value@localhost:6379',
  OPSAGENT_CONSOLE_TOKEN: 'console-token-value',
  REMOTE_HOST: 'web-1',
  REMOTE_USER: 'ops',
  REMOTE_SSH_KEY_PASSPHRASE: 'passphrase-value',
  TS_AUTHKEY: 'tailscale-value',
};

describe('.env.example', () => {
  it('names every variable that is read, with its description and default, and no other', () => {
    const lines = readFileSync('.env.example', 'utf8').split('\n');
    const found = lines.flatMap((line, i) => {
      const [, name, value] = /^([A-Z][A-Z0-9_]*)=(.*)$/.exec(line) ?? [];
      return name === undefined
        ? []
        : [{ name, default: value, description: lines[i - 1]?.replace(/^# /, '') }];
    });
    const wanted = VARIABLES.map((v) => ({ name: v.name, default: v.default, description: v.description }));

    expect(found).toEqual(wanted);
  });

  it('is a configuration that works as it is', () => {
    const { values, problems } = parseDotEnv('.env.example', readFileSync('.env.example', 'utf8'));

    expect(problems).toEqual([]);
    expect(problemsOf('all', { ...values, ...base })).toEqual([]);
  });
});

describe('loadConfig', () => {
  it('needs nothing at all, and is frozen', () => {
    const config = loadConfig('all', base, root);

    expect(config).toMatchObject({
      role: 'all',
      dataDir: join(scratch, 'data'),
      configDir: join(root, 'config'),
      logLevel: 'info',
      console: { host: '127.0.0.1', port: 7860, origins: [] },
      model: { name: 'claude-sonnet-5-5', maxTokens: 4096 },
      hosts: [],
      secrets: [],
    });
    expect(config.catalogue.length).toBeGreaterThan(40);
    expect(Object.isFrozen(config) && Object.isFrozen(config.policy.ask[0])).toBe(true);
    expect(config).not.toHaveProperty('slack');
    expect(config).not.toHaveProperty('redisUrl');
  });

  it.each([
    ['bot', ['xoxb', 'xapp', 'signing', 'discord', 'redis', 'console']],
    ['worker', ['model-key', 'xoxb', 'discord', 'redis']],
    ['whitelist', ['passphrase']],
    ['cli', ['console']],
    ['all', ['model-key', 'xoxb', 'xapp', 'signing', 'discord', 'redis', 'console']],
  ] as const)('gives the %s its own secrets and no other', (role, wanted) => {
    const config = JSON.stringify(loadConfig(role, { ...base, ...everySecret }, root));
    const found = [
      'model-key',
      'xoxb',
      'xapp',
      'signing',
      'discord',
      'redis',
      'console',
      'passphrase',
      'tailscale',
    ].filter((word) => config.includes(`${word}-value`) || config.includes(`${word}-token-value`));

    expect(found.sort()).toEqual([...wanted].sort());
  });

  it('lists the exact value of every secret, and the password inside the Redis URL', () => {
    expect(loadConfig('worker', { ...base, ...everySecret }, root).secrets).toEqual([
      'model-key-value',
      'xoxb-value',
      'discord-value',
      'redis://:redis-value@localhost:6379',
      'redis-value',
    ]);
  });

  it('reads a secret from NAME_FILE', () => {
    writeFileSync(join(scratch, 'secret'), 'from a file\n');

    expect(
      loadConfig('worker', { ...base, ANTHROPIC_API_KEY_FILE: join(scratch, 'secret') }, root).model.apiKey,
    ).toBe('from a file');
  });

  it('takes an empty variable for one that is not set', () => {
    expect(
      loadConfig('all', { ...base, REMOTE_HOST: '', SLACK_APP_TOKEN: '', UI_PORT: '' }, root).console.port,
    ).toBe(7860);
  });

  it('sends REMOTE_HOST through the proxy that is named for its address', () => {
    const env = {
      ...base,
      REMOTE_HOST: '100.64.0.7',
      REMOTE_USER: 'ops',
      TS_SOCKS5_SERVER: 'localhost:1055',
    };

    expect(loadConfig('whitelist', env, root).hosts[0]?.proxy).toEqual({ host: 'localhost', port: 1055 });
    expect(loadConfig('whitelist', { ...env, NO_PROXY: '100.64.0.0/10' }, root).hosts[0]).not.toHaveProperty(
      'proxy',
    );
    expect(problemsOf('whitelist', { TS_SOCKS5_SERVER: 'x', ALL_PROXY: 'socks5://x' })).toHaveLength(2);
  });

  it('makes REMOTE_HOST the host "remote", with the key that compose mounts', () => {
    const env = {
      ...base,
      REMOTE_HOST: 'web-1',
      REMOTE_USER: 'ops',
      REMOTE_SSH_PORT: '2222',
      SSH_KEY_PATH: scratch,
      SSH_KEY_FILENAME: 'key',
    };

    expect(loadConfig('whitelist', env, root).hosts).toEqual([
      {
        name: 'remote',
        address: 'web-1',
        port: 2222,
        user: 'ops',
        keyFile: join(scratch, 'key'),
        hostKey: { kind: 'known-hosts', file: join(scratch, '.ssh/known_hosts') },
        tags: [],
        tier: 'production',
      },
    ]);
    expect(loadConfig('whitelist', { ...env, REMOTE_SSH_KEY_PATH: '~/key' }, root).hosts[0]?.keyFile).toBe(
      join(scratch, 'key'),
    );
  });

  it.each([
    [{ UI_PORT: '70000' }, 'UI_PORT — is not a number in range'],
    [{ UI_PORT: '78x' }, 'UI_PORT'],
    [{ MAX_TOKENS: '-1' }, 'MAX_TOKENS'],
    [{ CLAUDE_MODEL: 'a b' }, 'CLAUDE_MODEL'],
    [{ ANTHROPIC_BASE_URL: 'localhost:1' }, 'ANTHROPIC_BASE_URL — is not a web address'],
    [{ REDIS_URL: 'http://x' }, 'REDIS_URL — is not the address of a Redis'],
    [{ LOG_LEVEL: 'loud' }, 'LOG_LEVEL'],
    [{ SLACK_BOT_TOKEN: 'xoxb-1' }, 'SLACK_APP_TOKEN — is missing while SLACK_BOT_TOKEN is set'],
    [{ SLACK_APP_TOKEN: 'xapp-1' }, 'SLACK_BOT_TOKEN — is missing while SLACK_APP_TOKEN is set'],
    [{ SLACK_BOT_TOKEN: 'xoxp-1', SLACK_APP_TOKEN: 'xapp-1' }, 'SLACK_BOT_TOKEN — is not a bot token'],
    [{ SLACK_API_URL: 'slack' }, 'SLACK_API_URL'],
    [{ DISCORD_GUILD_ID: '1' }, 'DISCORD_TOKEN — is missing while DISCORD_GUILD_ID is set'],
    [{ DISCORD_TOKEN: 'x', DISCORD_GUILD_ID: 'abc' }, 'DISCORD_GUILD_ID'],
    [
      { OPSAGENT_CONSOLE_HOST: '0.0.0.0' },
      'OPSAGENT_CONSOLE_HOST — 0.0.0.0 can be reached from other machines and there is no token',
    ],
    [{ OPSAGENT_CONSOLE_TOKEN: 'short' }, 'OPSAGENT_CONSOLE_TOKEN'],
    [{ OPSAGENT_CONSOLE_ORIGIN: 'https://a/b' }, 'OPSAGENT_CONSOLE_ORIGIN'],
    [{ REMOTE_USER: 'ops' }, 'REMOTE_HOST — is missing while REMOTE_USER is set'],
    [{ REMOTE_HOST: 'web-1' }, 'REMOTE_USER — is missing'],
    [{ REMOTE_HOST: '-oX=y', REMOTE_USER: 'ops' }, 'REMOTE_HOST — is not an address'],
    [{ REMOTE_HOST: 'a', REMOTE_USER: 'b', REMOTE_SSH_PORT: '0' }, 'REMOTE_SSH_PORT'],
    [
      { REMOTE_HOST: 'a', REMOTE_USER: 'b', REMOTE_SSH_KEY_PATH: 'id_rsa' },
      'REMOTE_SSH_KEY_PATH — id_rsa is not a full path',
    ],
    [
      { REMOTE_HOST: 'a', REMOTE_USER: 'b', REMOTE_SSH_KEY_PATH: '/nowhere/key' },
      'REMOTE_SSH_KEY_PATH — /nowhere/key does not exist',
    ],
    [{ SSH_KNOWN_HOSTS_PATH: 'known' }, 'SSH_KNOWN_HOSTS_PATH'],
    [
      { OPSAGENT_DATADIR: '/x' },
      'OPSAGENT_DATADIR — there is no such variable — did you mean OPSAGENT_DATA_DIR?',
    ],
    [{ OPSAGENT_DATA_DIR: '/dev/null/x' }, 'OPSAGENT_DATA_DIR'],
    [{ OPSAGENT_CONFIG_DIR: '/nowhere' }, '/nowhere/policy.yaml — there is no such file'],
    [
      { ANTHROPIC_API_KEY: 'a', ANTHROPIC_API_KEY_FILE: '/x' },
      'ANTHROPIC_API_KEY — ANTHROPIC_API_KEY_FILE is set too',
    ],
    [{ ANTHROPIC_API_KEY_FILE: '/nowhere/x' }, 'ANTHROPIC_API_KEY_FILE — /nowhere/x cannot be read'],
    [{ ANTHROPIC_API_KEY: 'a\nb' }, 'ANTHROPIC_API_KEY — holds a line break'],
  ])('%#: refuses %j: %s', (env, expected) => {
    expect(problemsOf('all', env).join('\n')).toContain(expected);
  });

  it('does not look at variables of other roles', () => {
    expect(problemsOf('whitelist', { UI_PORT: 'x', SLACK_APP_TOKEN: 'x', MAX_TOKENS: 'x' })).toEqual([]);
  });

  it('reports all problems at once, one line each, and shows no secret', () => {
    writeFileSync(join(scratch, 'commands.yaml'), 'commands:\n  - { nam: x }\n');
    writeFileSync(join(scratch, 'policy.yaml'), 'ask: 5\n');
    writeFileSync(join(scratch, 'hosts.yaml'), 'hosts: 5\n');

    const lines = problemsOf(
      'all',
      {
        OPSAGENT_CONFIG_DIR: '.',
        UI_PORT: 'x',
        SLACK_BOT_TOKEN: 'very-secret-value',
        OPSAGENT_CONSOLE_TOKEN: 'secret value',
      },
      scratch,
    );

    expect(lines.filter((l) => /^commands\.yaml:2:\d+ — /.test(l)).length).toBeGreaterThan(1);
    for (const where of [
      'policy.yaml:1:6',
      'hosts.yaml:1:8',
      'UI_PORT',
      'SLACK_BOT_TOKEN',
      'SLACK_APP_TOKEN',
    ])
      expect(lines.some((l) => l.startsWith(`${where} — `))).toBe(true);
    expect(lines.join('\n')).not.toMatch(/very-secret-value|secret value/);
  });
});

describe('environmentFor', () => {
  it('gives the whitelist server nothing of the other roles', () => {
    const env = {
      ...base,
      ...everySecret,
      PATH: '/bin',
      WEB_PASSPHRASE: 'x',
      NODE_OPTIONS: '--inspect',
      LD_PRELOAD: 'x',
    };

    expect(Object.keys(environmentFor('whitelist', env)).sort()).toEqual(
      [
        'HOME',
        'OPSAGENT_DATA_DIR',
        'PATH',
        'REMOTE_HOST',
        'REMOTE_SSH_KEY_PASSPHRASE',
        'REMOTE_USER',
        'WEB_PASSPHRASE',
      ].sort(),
    );
  });
});

describe('readEnvironment', () => {
  it('puts the real environment over the .env file and changes neither', () => {
    writeFileSync(join(scratch, '.env'), 'PATH=/from/file\nOPSAGENT_ONLY_HERE=1\n');

    const env = readEnvironment(scratch);

    expect(env.PATH).not.toBe('/from/file');
    expect(env.OPSAGENT_ONLY_HERE).toBe('1');
    expect(readEnvironment(root)).not.toHaveProperty('OPSAGENT_ONLY_HERE');
  });

  it('reads quotes, comments and export, and expands nothing', () => {
    const text =
      'A=1 # one\n# B=2\nexport C = "x \\"y\\"\\n" # c\nD=\'$A # not a comment\'\nE=\nF=a#b\r\nG=$A\n';

    expect(parseDotEnv('.env', text)).toEqual({
      values: { A: '1', C: 'x "y"\n', D: '$A # not a comment', E: '', F: 'a#b', G: '$A' },
      problems: [],
    });
  });

  it('refuses a line that is none, with its number', () => {
    writeFileSync(join(scratch, '.env'), 'A=1\nwhat is this\nB="open\n');

    expect(() => readEnvironment(scratch)).toThrow(/^\.env:2:1 — .*\n\.env:3:1 — /);
  });
});
