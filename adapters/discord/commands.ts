/**
 * The slash command `/ops`: how it is registered, what autocomplete offers, and how `args` is read.
 */
import {
  type APIApplicationCommandOptionChoice,
  ApplicationCommandOptionType,
  ApplicationCommandType,
  ApplicationIntegrationType,
  InteractionContextType,
  type RESTPutAPIApplicationCommandsJSONBody,
} from 'discord.js';
import { groupsOf } from '../../src/core/targets.ts';
import { clip } from './text.ts';

/** What autocomplete may name. Read anew for each keystroke, so that a reloaded catalogue shows at once. */
export interface Directory {
  commands(): readonly {
    readonly name: string;
    readonly description: string;
    readonly category: string;
    readonly risk: string;
    readonly params: readonly {
      readonly name: string;
      readonly description: string;
      readonly optional: boolean;
    }[];
  }[];
  hosts(): readonly { readonly name: string; readonly tags?: readonly string[] }[];
}

const text = ApplicationCommandOptionType.String;
const sub = ApplicationCommandOptionType.Subcommand;

/** The whole set of commands of this application, as it replaces whatever was registered before. */
export const opsCommands: RESTPutAPIApplicationCommandsJSONBody = [
  {
    type: ApplicationCommandType.ChatInput,
    name: 'ops',
    description: 'Ask about the servers, or run one of the listed commands',
    contexts: [InteractionContextType.Guild],
    integration_types: [ApplicationIntegrationType.GuildInstall],
    options: [
      {
        type: sub,
        name: 'ask',
        description: 'Ask in your own words; the answer comes in a thread',
        options: [
          { type: text, name: 'text', description: 'Your question', required: true, max_length: 2000 },
        ],
      },
      {
        type: sub,
        name: 'run',
        description: 'Run one command by name, without the agent',
        options: [
          { type: text, name: 'command', description: 'Which command', required: true, autocomplete: true },
          { type: text, name: 'host', description: 'On which host, or @tag, or all', autocomplete: true },
          {
            type: text,
            name: 'args',
            description: 'key=value pairs; quote values with spaces',
            autocomplete: true,
          },
        ],
      },
      { type: sub, name: 'stop', description: 'Stop what is running in this thread' },
      { type: sub, name: 'status', description: 'What is running in this thread' },
      { type: sub, name: 'pending', description: 'Open approvals that you may decide or asked for' },
      {
        type: sub,
        name: 'show',
        description: 'One approval as it is kept, to compare a card with it',
        options: [
          { type: text, name: 'id', description: 'The id on the card', required: true, max_length: 60 },
        ],
      },
      { type: sub, name: 'help', description: 'What I can do and who may ask' },
    ],
  },
];

/** The choices for what is being typed, at most 25, each at most 100 characters as Discord asks. */
export function choices(
  directory: Directory,
  focused: { readonly name: string; readonly value: string },
  command: string | undefined,
): APIApplicationCommandOptionChoice<string>[] {
  return offers(directory, focused, command)
    .filter((c) => c.value.length <= 100)
    .slice(0, 25)
    .map((c) => ({ name: clip(c.name, 100), value: c.value }));
}

function offers(
  directory: Directory,
  { name, value }: { readonly name: string; readonly value: string },
  command: string | undefined,
): { name: string; value: string }[] {
  const typed = value.trim().toLowerCase();
  if (name === 'host') return hostOffers(directory.hosts(), value, typed);
  if (name === 'command')
    return directory
      .commands()
      .filter((c) => `${c.name} ${c.category} ${c.description}`.toLowerCase().includes(typed))
      .sort((a, b) => Number(b.name.startsWith(typed)) - Number(a.name.startsWith(typed)))
      .map((c) => ({
        name: `${c.name}${c.risk === 'read' ? '' : ` (${c.risk})`}: ${c.description}`,
        value: c.name,
      }));
  if (name !== 'args') return [];

  const params = directory.commands().find((c) => c.name === command)?.params ?? [];
  const last = /(?:^|\s)([A-Za-z0-9_]*)$/.exec(value);
  if (!last) return [];
  const before = value.slice(0, value.length - (last[1] ?? '').length);
  return params
    .filter((p) => p.name.startsWith(last[1] ?? '') && !before.includes(`${p.name}=`))
    .map((p) => ({
      name: `${before}${p.name}= ${p.optional ? '(optional) ' : ''}${p.description}`,
      value: `${before}${p.name}=`,
    }));
}

/** Hosts, then groups; after a comma, what may come next. */
function hostOffers(
  hosts: ReturnType<Directory['hosts']>,
  value: string,
  typed: string,
): { name: string; value: string }[] {
  const before = value.slice(0, value.lastIndexOf(',') + 1);
  const word = typed.slice(typed.lastIndexOf(',') + 1).trim();
  const groups = groupsOf(hosts.map(({ name, tags = [] }) => ({ name, tags })));
  return [
    ...hosts.map(({ name }) => ({ name, value: name })),
    ...groups.map((g) => ({ name: `${g.name} (${g.hosts} hosts)`, value: g.name })),
  ]
    .filter((offer) => offer.value.toLowerCase().includes(word))
    .map((offer) => ({ name: `${before}${offer.name}`, value: `${before}${offer.value}` }));
}

export type Args =
  | { readonly kind: 'args'; readonly values: Readonly<Record<string, string>> }
  | { readonly kind: 'problem'; readonly text: string };

/**
 * Reads `key=value other="two words" third='as is'`. In double quotes a backslash keeps the next character;
 * in single quotes nothing is special.
 */
export function parseArgs(source: string): Args {
  const values = new Map<string, string>();
  const pair = /\s*([A-Za-z_][A-Za-z0-9_]*)=("(?:[^"\\]|\\.)*"|'[^']*'|[^\s"']*)(?=\s|$)/y;
  const end = source.trimEnd().length;
  while (pair.lastIndex < end) {
    const at = pair.lastIndex;
    const match = pair.exec(source);
    const [, key, raw] = match ?? [];
    if (key === undefined || raw === undefined)
      return {
        kind: 'problem',
        text: `I cannot read the arguments from “${clip(source.slice(at).trim(), 60)}” on. Write key=value pairs, and quote values with spaces: path="/var/my log".`,
      };
    if (values.has(key)) return { kind: 'problem', text: `The argument ${key} is given twice.` };
    values.set(key, unquote(raw));
  }
  return { kind: 'args', values: Object.fromEntries(values) };
}

function unquote(raw: string): string {
  if (raw.startsWith("'")) return raw.slice(1, -1);
  return raw.startsWith('"') ? raw.slice(1, -1).replace(/\\(.)/gs, '$1') : raw;
}
