/**
 * What the rehearsal model understands of a sentence: hosts, paths, names of services and containers, and which
 * tools and commands there are to choose from.
 */
import type { JsonObject } from '../../core/json.ts';
import type { ToolSpec } from '../../core/ports.ts';

export interface Command {
  readonly name: string;
  readonly params: readonly { readonly name: string; readonly optional: boolean }[];
  /** People are asked before it runs. */
  readonly sensitive: boolean;
  readonly description: string;
}

export interface Catalogue {
  readonly tools: ReadonlySet<string>;
  readonly commands: readonly Command[];
  readonly hosts: readonly string[];
  /** `all` and the tags, where there is more than one host. */
  readonly groups: readonly string[];
  /** Tools that do not choose a host by themselves. */
  readonly needHost: ReadonlySet<string>;
}

/** Names come from the schemas; parameters and what is sensitive from the lines of `execute_command`'s description. */
export function catalogueOf(tools: readonly ToolSpec[]): Catalogue {
  const run = tools.find((t) => t.name === 'execute_command');
  const schemas = tools.map((t) => t.inputSchema);
  const needHost = tools.filter((t) => strings(t.inputSchema.required).includes('host'));
  return {
    tools: new Set(tools.map((t) => t.name)),
    commands: run ? choices(run.inputSchema, 'command_name').map((c) => commandOf(c, run.description)) : [],
    hosts: [...new Set(schemas.flatMap((s) => choices(s, 'host')))].filter((name) => !isGroup(name)),
    groups: [...new Set(schemas.flatMap((s) => choices(s, 'host')))].filter(isGroup),
    needHost: new Set(needHost.map((t) => t.name)),
  };
}

function commandOf(name: string, listing: string): Command {
  const line = listing.split('\n').find((l) => new RegExp(`^\\W*${name}\\b`).test(l)) ?? '';
  const params = /^\W*\w+\(([^)]*)\)/.exec(line)?.[1]?.match(/\w+\??/g) ?? [];
  return {
    name,
    params: params.map((p) => ({ name: p.replace('?', ''), optional: p.endsWith('?') })),
    sensitive: /\[approval\]/.test(line) || /restart|vacuum|practi[cs]e/.test(name),
    description: line.replace(/^[^:]*:\s*/, ''),
  };
}

function choices(schema: JsonObject, property: string): readonly string[] {
  const { enum: names, examples } = objectAt(objectAt(schema, 'properties'), property);
  return strings(names ?? examples);
}

function isGroup(name: string): boolean {
  return name === 'all' || name.startsWith('@');
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((v): v is string => typeof v === 'string') : [];
}

function objectAt(object: JsonObject, key: string): JsonObject {
  const value = object[key];
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as JsonObject) : {};
}

export interface Words {
  /** As said. */
  readonly text: string;
  /** Lower case, without paths, `key=value` and hosts, so that a keyword in a name is not taken for one. */
  readonly bare: string;
  readonly path?: string;
  readonly pairs: Readonly<Record<string, string>>;
  readonly hosts: readonly string[];
  /** A host was named that is not in the inventory. */
  readonly unknownHost?: string;
}

/** `key=value`, the value in quotes when it has spaces. */
const pair = /(\w+)=(?:"([^"]*)"|'([^']*)'|(\S+))/g;

const allHosts = /\b(?:all|every|each) (?:the )?(?:hosts?|servers?|machines?)\b|\beverywhere\b/i;

export function wordsOf(said: string, known: Catalogue): Words {
  const text = said
    .replace(/[`'"“”‘’]/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  const path = /(?:^|\s)(\/[\w.@+:=/-]*)/.exec(text)?.[1]?.replace(/[.:]+$/, '');
  const pairs = Object.fromEntries(
    [...said.matchAll(pair)].map(([, key, double, single, plain]) => [
      key ?? '',
      double ?? single ?? plain ?? '',
    ]),
  );
  const everywhere = allHosts.test(text);
  const hosts = everywhere ? everyHost(known) : named(text, known);
  const unknownHost = hosts.length === 0 ? strangerIn(text, known) : undefined;
  const bare = hosts
    .reduce((rest, host) => rest.replaceAll(host.toLowerCase(), ' '), said.replace(pair, ' ').toLowerCase())
    .replace(/[`'"“”‘’]/g, ' ')
    .replace(/(?:^|\s)\/[\w.@+:=/-]*/g, ' ')
    .replace(/\s+/g, ' ')
    .replace(allHosts, ' ');
  return {
    text,
    bare,
    pairs,
    hosts,
    ...(path ? { path } : {}),
    ...(unknownHost ? { unknownHost } : {}),
  };
}

/** One call for all of them, where groups are known. */
function everyHost({ hosts, groups }: Catalogue): readonly string[] {
  return groups.includes('all') ? ['all'] : hosts.slice(0, 10);
}

/** Groups as they are written, `@web` or `@web&eu`, else the hosts that are named. */
function named(text: string, { hosts, groups }: Catalogue): readonly string[] {
  const said = (text.match(/(?<=^|\s)@[a-z0-9._-]+(?:&@?[a-z0-9._-]+)*/g) ?? []).map((g) =>
    g.replace(/[.]+$/, ''),
  );
  const known = said.filter((group) => groups.includes(group.split('&')[0] ?? ''));
  return known.length > 0 ? known : hosts.filter((host) => names(text, host));
}

/** A host named like an ordinary word (`local`, `web`) is only meant after "on", "of" and their like. */
function names(text: string, host: string): boolean {
  const name = host.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const lead = /^[a-z]+$/i.test(host)
    ? '(?:\\b(?:on|at|from|of|for|host|server)\\s+(?:the\\s+)?(?:host\\s+|server\\s+)?|@)'
    : '(?<![\\w.-])';
  return new RegExp(`${lead}${name}(?![\\w-]|\\.\\w)`, 'i').test(text);
}

/** "on web-9" when there is no web-9: asking another host instead would answer a question nobody asked. */
function strangerIn(text: string, known: Catalogue): string | undefined {
  if (known.hosts.length === 0) return undefined;
  const named = /\b(?:on|host|server) (?:host |server )?([a-z][a-z0-9]*(?:[-.][a-z0-9]+)+|[a-z]+\d+)\b/i.exec(
    text,
  )?.[1];
  return named && !known.hosts.includes(named) ? named : undefined;
}

const name = '([a-z0-9][\\w@.:-]*[\\w]|[a-z0-9])';
const notNames = new Set(
  `a all an any anything back both box container containers daemon disk docker-container down everything healthy host how
  in is it its list log logs machine memory my nothing now of on one ones please process processes running server servers
  service services show some something status system systemd that the them there these this those unit up using what which who`.split(
    /\s+/,
  ),
);

/** The first name that one of the patterns finds; `NAME` in a pattern stands for one. */
function find(text: string, patterns: readonly string[]): string | undefined {
  for (const pattern of patterns) {
    for (const match of text.matchAll(new RegExp(pattern.replace('NAME', name), 'gi'))) {
      const found = match[1];
      if (found && !notNames.has(found.toLowerCase())) return found.replace(/\.service$/, '');
    }
  }
  return undefined;
}

export function serviceIn(text: string): string | undefined {
  return find(text, [
    '\\bservice_name=NAME',
    '\\bNAME(?:\\.service| service| unit| daemon)\\b',
    '\\b(?:service|unit|daemon) (?:called |named )?NAME',
    '\\bis (?:the )?NAME (?:still )?(?:running|up|active|down|alive|ok|okay|healthy|started|stopped|dead|working|enabled)',
    '\\b(?:restart|bounce|reload) (?:the )?NAME',
    '\\b(?:status|state|health|logs?|journal) (?:of|for|from) (?:the )?NAME',
    '\\bNAME (?:status|logs?|journal)\\b',
  ]);
}

export function containerIn(text: string): string | undefined {
  return find(text, [
    '\\bcontainer=NAME',
    '\\bcontainers? (?:called |named )?NAME',
    '\\bNAME container\\b',
    '\\bdocker (?:restart|logs) NAME',
    '\\b(?:logs?) (?:of|for|from) (?:the )?NAME',
  ]);
}

/**
 * Values for a command's parameters out of the sentence: said as `key=value`, recognised by kind, or standing right
 * after the command's name.
 */
export function parametersFor(command: Command, words: Words): Readonly<Record<string, string>> {
  const after = new RegExp(`\\b${command.name}\\s+([\\w@.:/-]+)`, 'i').exec(words.text)?.[1];
  const standing = after && !/^(on|at|for|from|please)$/i.test(after) ? after : undefined;
  const known = command.params.flatMap(({ name, optional }): [string, string][] => {
    const value =
      words.pairs[name] ??
      (/path|dir|file/.test(name) ? words.path : undefined) ??
      (/service|unit/.test(name) ? serviceIn(words.text) : undefined) ??
      (/container/.test(name) ? containerIn(words.text) : undefined) ??
      (optional ? undefined : standing);
    return value === undefined ? [] : [[name, value]];
  });
  return Object.fromEntries(known);
}
