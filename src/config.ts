/**
 * The configuration: environment and YAML files read once into one frozen object, for one role.
 * Every problem is reported at once; what a role may not read is not in its Config.
 */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { anchorFrom } from './config/anchor.ts';
import { loadCatalogue } from './config/commands.ts';
import { type Settings, settingsFor } from './config/env.ts';
import { type HostSurroundings, loadHosts } from './config/hosts.ts';
import { filePath, unreadable, unwritableFolder } from './config/paths.ts';
import { type LoadedPolicy, loadPolicy } from './config/policy.ts';
import type { KnownNames } from './config/policy-check.ts';
import type { PolicySource } from './config/policy-live.ts';
import { ConfigError, type ConfigProblem } from './config/problem.ts';
import { defaultProxy } from './config/proxies.ts';
import { remoteHost } from './config/remote-host.ts';
import {
  consoleFrom,
  discordFrom,
  type LogLevel,
  logLevelFrom,
  mcpFrom,
  modelFrom,
  type RunLimits,
  redisFrom,
  redisSecrets,
  runLimitsFrom,
  slackFrom,
  wrong,
} from './config/services.ts';
import { type TailnetPlace, tailnetFrom } from './config/tailnet.ts';
import type { Role } from './config/variables.ts';
import type { AnchorSettings } from './core/anchor.ts';
import type { CommandSpec, Host } from './core/command.ts';
import { sha256 } from './core/json.ts';
import { noPolicy, type Policy } from './core/policy.ts';

// What the command line and the composition root need beside loadConfig; they never look inside src/config.
export { environmentFor } from './config/child-environment.ts';
export { readEnvironment } from './config/env.ts';
export { type CatalogueReport, type CommandReport, lintCatalogue } from './config/lint.ts';
export { ConfigError, problemLine } from './config/problem.ts';
export type { Role } from './config/variables.ts';

/** `console` and `model` have their defaults for roles that may not read them; secrets are only in their own roles. */
export interface Config {
  readonly role: Role;
  /** Absolute. */
  readonly dataDir: string;
  readonly configDir: string;
  readonly logLevel: LogLevel;
  /** Where the end of the audit log is told; without places, nowhere. */
  readonly anchor: AnchorSettings;
  /** undefined: the private Redis. */
  readonly redisUrl?: string;
  readonly console: {
    readonly host: string;
    readonly port: number;
    readonly token?: string;
    readonly origins: readonly string[];
  };
  readonly model: {
    /** undefined: the rehearsal model. */
    readonly apiKey?: string;
    readonly baseUrl?: string;
    readonly name: string;
    readonly maxTokens: number;
  };
  readonly slack?: {
    readonly botToken: string;
    readonly appToken?: string;
    readonly signingSecret?: string;
    readonly apiUrl?: string;
  };
  readonly discord?: { readonly token: string; readonly guildId?: string; readonly apiUrl?: string };
  /** Empty: nothing is configured, this machine is the host. The bot knows them by name only, the worker not at all. */
  readonly hosts: readonly Host[];
  readonly tailnet: TailnetPlace;
  readonly limits: RunLimits;
  readonly catalogue: readonly CommandSpec[];
  readonly policy: Policy;
  /** Where the policy came from, to be looked at again while running. */
  readonly policySource: PolicySource;
  /** `opsagent mcp --http`; with no clients it is not started. */
  readonly mcp: {
    readonly host: string;
    readonly port: number;
    readonly origins: readonly string[];
    readonly clients: readonly { readonly name: string; readonly token: string }[];
  };
  /** Exact values of every secret in here, for the redactor. */
  readonly secrets: readonly string[];
}

/**
 * Reads the role's part of the configuration. `env` comes from `readEnvironment`; relative folders are under `cwd`.
 * Throws ConfigError with every problem.
 */
export function loadConfig(role: Role, env: NodeJS.ProcessEnv, cwd: string): Config {
  const settings = settingsFor(role, env, cwd);
  const problems = settings.problems;
  const home = env.HOME ?? homedir();
  const dataDir = resolve(cwd, settings.get('OPSAGENT_DATA_DIR') ?? '.opsagent');
  const configDir = configDirFor(settings, cwd);
  const folder = unwritableFolder(dataDir);
  if (folder !== undefined)
    problems.push({
      where: 'OPSAGENT_DATA_DIR',
      what: `${dataDir} cannot be written: ${folder}`,
      remedy: 'name a folder that this login may write',
    });

  const slack = slackFrom(settings, role === 'bot' || role === 'all');
  const discord = discordFrom(settings);
  const redisUrl = redisFrom(settings);
  const mcp = mcpFrom(settings);
  const read = reader(configDir, cwd, problems);
  const hosts = role === 'worker' ? [] : hostsFrom(role, settings, read, env, home);
  const { catalogue, policy, policySource } = rulesFrom(read, configDir);
  const config: Config = {
    role,
    dataDir,
    configDir,
    logLevel: logLevelFrom(settings),
    anchor: anchorFrom(settings, dataDir),
    ...(redisUrl === undefined ? {} : { redisUrl }),
    console: consoleFrom(settings),
    model: modelFrom(settings),
    mcp,
    ...(slack ? { slack } : {}),
    ...(discord ? { discord } : {}),
    hosts,
    tailnet: tailnetFrom(settings),
    limits: runLimitsFrom(settings),
    catalogue,
    policy,
    policySource,
    secrets: [
      ...new Set([
        ...settings.secrets,
        ...redisSecrets(redisUrl),
        ...mcp.clients.map((c) => c.token),
        ...hosts.flatMap((h) => h.passphrase ?? []),
      ]),
    ],
  };
  if (problems.length > 0) throw new ConfigError(problems);
  return deepFreeze(config);
}

/**
 * What the policy is about, for looking at it without starting: problems of the other files stand only in `others`.
 * `policyFile` stands in for the configured one.
 */
export function loadForLint(
  env: NodeJS.ProcessEnv,
  cwd: string,
  policyFile: string | undefined,
): {
  readonly file: string;
  readonly text: string;
  readonly known: KnownNames;
  readonly hosts: readonly Host[] | undefined;
  readonly others: readonly ConfigProblem[];
} {
  const settings = settingsFor('cli', env, cwd);
  const others: ConfigProblem[] = [];
  const configDir = configDirFor(settings, cwd);
  const read = reader(configDir, cwd, others);
  const { known } = rulesFrom(reader(configDir, cwd, []), configDir).policySource;
  const hosts = hostsFrom('cli', settings, read, env, env.HOME ?? homedir());
  const path = policyFile === undefined ? join(configDir, 'policy.yaml') : resolve(cwd, policyFile);
  const file = relative(cwd, path).startsWith('..') ? path : relative(cwd, path);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new ConfigError([{ where: file, what: 'the file cannot be read', remedy: 'name another one' }]);
  }
  return { file, text, known, hosts: others.length > 0 ? undefined : hosts, others };
}

/** Named, else `config` here, else the folder that is shipped: an MCP client starts us wherever it likes. */
function configDirFor(settings: Settings, cwd: string): string {
  const here = resolve(cwd, settings.get('OPSAGENT_CONFIG_DIR') ?? 'config');
  if (settings.isSet('OPSAGENT_CONFIG_DIR') || existsSync(here)) return here;
  const shipped = ['../config', '../../config'].map((path) => fileURLToPath(new URL(path, import.meta.url)));
  return shipped.find((path) => existsSync(join(path, 'commands.yaml'))) ?? here;
}

/** Catalogue and policy together: each names things of the other. */
function rulesFrom(read: ReadFile, configDir: string): Pick<Config, 'catalogue' | 'policy' | 'policySource'> {
  const commands = read('commands.yaml', (file, text) => ({ ...loadCatalogue(file, text), file, text }));
  const catalogue = commands?.commands ?? [];
  const known = commands && catalogue.length > 0 ? knownNames(catalogue, commands.file, commands.text) : {};
  const loaded = read('policy.yaml', (file, text): LoadedPolicy & { file: string; hash: string } => ({
    ...loadPolicy(file, text, known),
    file,
    hash: sha256(text),
  }));
  const path = join(configDir, 'policy.yaml');
  const policySource = { path, shown: loaded?.file ?? path, hash: loaded?.hash ?? '', known };
  return { catalogue, policy: loaded?.policy ?? noPolicy, policySource };
}

/** What a policy may name of a catalogue, and what the catalogue names of the policy. */
function knownNames(catalogue: readonly CommandSpec[], file: string, text: string): KnownNames {
  return {
    commands: catalogue.map((c) => c.name),
    categories: [...new Set(catalogue.map((c) => c.category))],
    approvals: catalogue.flatMap(({ name, approval }) =>
      approval === undefined
        ? []
        : [{ rule: approval, command: name, where: placeOf(file, text, name, approval) }],
    ),
  };
}

/** Where the command names its approval rule: the first such line from its own name on. */
function placeOf(file: string, text: string, command: string, rule: string): string {
  const lines = text.split('\n');
  const from = Math.max(
    0,
    lines.findIndex((line) => new RegExp(`name:\\s*["']?${command}\\b`).test(line)),
  );
  const at = lines.findIndex((line, i) => i >= from && /approval:/.test(line) && line.includes(rule));
  return at < 0 ? file : `${file}:${at + 1}:${(lines[at] ?? '').indexOf('approval:') + 1}`;
}

function hostsFrom(
  role: Role,
  settings: Settings,
  read: ReadFile,
  env: NodeJS.ProcessEnv,
  home: string,
): readonly Host[] {
  const knownHostsFile = filePath(settings.get('SSH_KNOWN_HOSTS_PATH') ?? '~/.ssh/known_hosts', home);
  if (!isAbsolute(knownHostsFile))
    wrong(settings, 'SSH_KNOWN_HOSTS_PATH', 'is not a full path', 'begin it with "/" or "~/"');
  const around: HostSurroundings = {
    home,
    knownHostsFile,
    passphrases: role === 'whitelist' ? env : undefined,
    keyProblem: (file) => (role === 'cli' || role === 'bot' ? undefined : unreadable(file)),
    proxyFor: defaultProxy(settings),
  };
  const remote = remoteHost(settings, around);
  const listed = read('hosts.yaml', (file, text) => loadHosts(file, text, around))?.hosts ?? [];
  if (remote && listed.some((h) => h.name === remote.name))
    wrong(
      settings,
      'REMOTE_HOST',
      'makes a host named remote, and hosts.yaml has one too',
      'rename that one',
    );
  return remote ? [remote, ...listed] : listed;
}

type ReadFile = <T extends { readonly problems: readonly ConfigProblem[] }>(
  name: string,
  load: (file: string, text: string) => T,
) => T | undefined;

/** Reads one YAML file of the configuration folder; its problems join the others. Only hosts.yaml may be missing. */
function reader(folder: string, cwd: string, problems: ConfigProblem[]): ReadFile {
  return (name, load) => {
    const path = join(folder, name);
    const shown = relative(cwd, path).startsWith('..') ? path : relative(cwd, path);
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (thrown) {
      const missing = thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT';
      if (!missing || name !== 'hosts.yaml')
        problems.push({
          where: shown,
          what: missing ? 'there is no such file' : 'the file cannot be read',
          remedy: `put ${name} there, or point OPSAGENT_CONFIG_DIR at the folder that has it`,
        });
      return undefined;
    }
    const loaded = load(shown, text);
    problems.push(...loaded.problems);
    return loaded;
  };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFreeze(part);
  }
  return value;
}
