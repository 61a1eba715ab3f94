/**
 * The shapes of what tools take and give. Arguments are strict: a field that is not declared is an error, not ignored.
 */
import { z } from 'zod';
import type { CommandSpec, Host } from '../core/command.ts';
import { groupsOf, longestExpression, resolveTargets } from '../core/targets.ts';
import { visible } from '../core/visible.ts';

const text = z.string();
const Ran = z.object({
  command: text,
  host: text,
  line: text,
  end: z.looseObject({ kind: text }),
  ms: z.number(),
  output: text,
  truncated: z.boolean(),
  outputId: text.optional().describe('For read_output: all of it, for a day'),
  gap: z.object({ lines: z.number(), characters: z.number() }).optional(),
  sameOn: z.array(text).optional().describe('Further hosts with the same result'),
  differs: text.optional().describe('The output as a diff against what most hosts said'),
});

const Risk = z.enum(['read', 'change', 'critical']);

/** Of every tool that runs commands. Clients check it on errors too, so what those carry is declared here. */
export const RanOutput = z.object({
  ran: z.array(Ran),
  summary: text.optional().describe('Of a group of hosts: how many agree, differ, could not be reached'),
  not_run: z.array(z.object({ command: text, reason: text, hosts: z.array(text).optional() })).optional(),
  problems: z.array(text).optional().describe('What is wrong with the parameters'),
  approval_required: z.boolean().optional().describe('Nothing has run: people have to approve it first'),
  command: text.optional(),
  host: text.optional(),
  risk: Risk.optional(),
  line: text.optional(),
  how: text.optional().describe('How to ask for the approval'),
  request_id: text
    .optional()
    .describe('Of a request that is kept for people; get_result tells how it stands'),
  status: z.enum(['waiting', 'running', 'done', 'denied', 'expired', 'refused', 'lost']).optional(),
  expires_at: text.optional().describe('When people can no longer decide'),
  needs: text.optional().describe('Whose approval is missing'),
});

export const StatusOutput = RanOutput.extend({
  server: text,
  version: text,
  commands: z.number(),
  hosts: z.array(text),
});

export const PingOutput = RanOutput.extend({ pong: text });

export const ListOutput = z.object({
  commands: z.array(
    z.object({
      name: text,
      description: text,
      category: text,
      risk: Risk,
      needs_approval: z.boolean(),
      parameters: z.array(z.object({ name: text, description: text, optional: z.boolean() })),
      hosts: z.array(text),
    }),
  ),
});

export const HostsOutput = z.object({
  hosts: z.array(
    z.object({
      name: text,
      tags: z.array(text),
      tier: text,
      default: z.boolean(),
      may: z.array(Risk).describe('The kinds of commands you may run or ask for there'),
    }),
  ),
});

export const ExplainOutput = z.object({
  command: text,
  description: text,
  category: text,
  runs: text.describe('The text that the host runs; {name} stands for a parameter'),
  risk: Risk,
  why: text,
  parameters: z.array(
    z.object({
      name: text,
      description: text,
      takes: text,
      optional: z.boolean(),
      default: text.optional(),
      choices: z.array(text).optional(),
    }),
  ),
  hosts: z.array(
    z.object({
      name: text,
      verdict: z.enum(['allowed', 'approval', 'refused']),
      reason: text.optional(),
      rule: text.optional(),
      approvers: z.array(text).optional(),
      people: z.number().optional().describe('How many of them must approve'),
    }),
  ),
  timeout_seconds: z.number(),
  max_output_bytes: z.number(),
  examples: z.array(text),
});

export const PageOutput = z.object({
  output_id: text,
  host: text.optional(),
  command: text.optional(),
  total_lines: z.number().optional(),
  page: text.optional().describe('The lines, each after its number, fenced as what a host printed'),
  next_line: z.number().optional().describe('Where to go on; missing at the end'),
});

const Value = z.union([
  z.string(),
  z.number(),
  z.boolean(),
  z.array(z.union([z.string(), z.number()])).max(100),
]);

/**
 * The parameters that commands of this catalogue have, by name; the command's own types decide later. Values of a
 * choice are listed where every command that has the parameter makes it one.
 */
export function parametersOf(catalogue: readonly CommandSpec[]) {
  const names = [...new Set(catalogue.flatMap((c) => c.params.map((p) => p.name)))];
  const shape = names.map((name) => {
    const having = catalogue.filter((c) => c.params.some((p) => p.name === name));
    const params = having.flatMap((c) => c.params.filter((p) => p.name === name));
    const choices = params.flatMap((p) => (p.type.kind === 'choice' && !p.several ? p.type.values : []));
    const described = `${params[0]?.description ?? ''} (${having.map((c) => c.name).join(', ')})`;
    const onlyChoices = params.every((p) => p.type.kind === 'choice' && !p.several);
    const schema = onlyChoices ? oneOf([...new Set(choices)], described) : Value.describe(described);
    return [name, schema.optional()] as const;
  });
  const error = (issue: { readonly code?: string | undefined; readonly keys?: unknown }) =>
    issue.code === 'unrecognized_keys'
      ? `${unknownNames(issue.keys)} is no parameter of any command here.`
      : undefined;
  return z
    .strictObject(Object.fromEntries(shape), { error })
    .describe('Values of the parameters of this command, by name');
}

function unknownNames(keys: unknown): string {
  const names = Array.isArray(keys) ? keys.filter((k) => typeof k === 'string') : [];
  return names.map((name) => JSON.stringify(visible(name).slice(0, 60))).join(', ');
}

/** A value as text; several values travel with a newline between them. */
export function textOf(value: unknown): string {
  return Array.isArray(value) ? value.map(String).join('\n') : String(value);
}

/** An enumeration of real names. Throws for none: a server without commands or hosts is not started. */
export function oneOf(names: readonly string[], description: string) {
  const [first, ...rest] = names;
  if (first === undefined) throw new TypeError('an enumeration needs at least one name');
  const error = ({ input }: { readonly input?: unknown }) => notOneOf(names, input);
  return z.enum([first, ...rest], { error }).describe(description);
}

/** How many names a client is told with each argument; `list_hosts` has them all. */
const offeredNames = 200;

/** One host or a group of them, to be resolved against the inventory; what names nobody is told in full sentences. */
export function targetsOf(hosts: readonly Host[], description: string) {
  const groups = groupsOf(hosts).map((g) => g.name);
  const how =
    groups.length === 0
      ? ''
      : '; several with commas, "@tag" for those with a tag, "@a&b" with both, or "all"';
  return z
    .string({ error: 'a name is missing' })
    .max(longestExpression)
    .superRefine((expression, { addIssue }) => {
      const resolved = resolveTargets(expression, hosts);
      for (const message of resolved.ok ? [] : resolved.problems) addIssue({ code: 'custom', message });
    })
    .meta({
      description: `${description}${how}`,
      examples: [...hosts.slice(0, offeredNames).map((h) => h.name), ...groups.slice(0, offeredNames)],
    });
}

/** For people, who read it in the thread: few names are listed, of many those that look alike. */
function notOneOf(names: readonly string[], input: unknown): string {
  const given = typeof input === 'string' ? input.slice(0, 60) : undefined;
  const words = (given ?? '').toLowerCase().match(/[a-z0-9]{3,}/g) ?? [];
  const alike = names.filter((name) => words.some((word) => name.toLowerCase().includes(word)));
  const offered = names.length <= 8 ? names : alike.slice(0, 8);
  const what = given === undefined ? 'a name is missing' : `there is no ${JSON.stringify(given)} here`;
  return `${what}${offered.length > 0 ? `; there is ${offered.join(', ')}` : ''}.`;
}
