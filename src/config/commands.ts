/**
 * commands.yaml: the catalogue of what may run. Takes the predecessor's entries unchanged beside ours, which type
 * their parameters and state their risk. Every problem of the file is reported, with its place and rule.
 */
import { z } from 'zod';
import type { CommandSpec, Risk } from '../core/command.ts';
import type { Param } from '../core/param.ts';
import { parseTemplate, type Template } from '../core/template.ts';
import { hasHidden } from '../core/visible.ts';
import { ParamEntry, readParams } from './parameters.ts';
import type { ConfigProblem } from './problem.ts';
import { isKnownRead } from './risk.ts';
import { type Path, readYaml, say, type YamlFile } from './yaml.ts';

const line = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((text) => !hasHidden(text), say('holds a control or invisible character', 'retype it'));

const CommandEntry = z.strictObject({
  name: z
    .string()
    .regex(
      /^[a-z0-9][a-z0-9_-]{0,63}$/,
      say('is not a command name', 'use lower-case letters, digits, "_" and "-", at most 64'),
    ),
  description: line(500),
  category: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]{0,31}$/, say('is not a category', 'use one lower-case word')),
  command_template: z
    .string()
    .min(1)
    .max(16_384)
    .refine(
      (text) => !hasHidden(text.replaceAll('\n', '').replaceAll('\t', '')),
      say('holds a control or invisible character', 'write it as an escape the shell understands'),
    ),
  parameters: z
    .record(z.string(), z.union([z.string(), ParamEntry]))
    .nullable()
    .optional(),
  risk: z.enum(['read', 'change', 'critical']).optional(),
  dangerous: z.boolean().optional(),
  requires_confirmation: z.boolean().optional(),
  example_usage: z.union([line(500), z.array(line(500)).max(20)]).optional(),
  examples: z.array(line(500)).max(20).optional(),
  hosts: z
    .array(
      z
        .string()
        .regex(/^@?[a-z0-9][a-z0-9._-]*$/, say('is not a host', 'use a name from hosts.yaml or "@tag"')),
    )
    .min(1)
    .optional(),
  timeout: z.number().min(1).max(3600).optional(),
  max_output: z.int().min(1024).max(10_485_760).optional(),
});
type CommandEntry = z.infer<typeof CommandEntry>;

const Catalogue = z.strictObject({ commands: z.array(CommandEntry) });

const defaultTimeoutSeconds = 30;
const defaultMaxOutputBytes = 65_536;

/** Reads the text of a commands.yaml. `commands` holds only entries without problems. */
export function loadCatalogue(
  file: string,
  text: string,
): { readonly commands: readonly CommandSpec[]; readonly problems: readonly ConfigProblem[] } {
  const yaml = readYaml(file, text, Catalogue);
  if (yaml.value === undefined) return { commands: [], problems: yaml.problems };

  const problems: ConfigProblem[] = [];
  const commands: CommandSpec[] = [];
  const seen = new Set<string>();
  yaml.value.commands.forEach((entry, i) => {
    const before = problems.length;
    const path: Path = ['commands', i];
    if (seen.has(entry.name))
      problems.push({
        where: yaml.at([...path, 'name']),
        rule: 'duplicate-name',
        what: `there is another command named ${entry.name}`,
        remedy: 'rename or remove one of them',
      });
    seen.add(entry.name);
    const spec = toSpec(entry, path, yaml, problems);
    if (problems.length === before) commands.push(spec);
  });
  return { commands, problems };
}

function toSpec(
  entry: CommandEntry,
  path: Path,
  yaml: YamlFile<unknown>,
  problems: ConfigProblem[],
): CommandSpec {
  const given = entry.parameters ?? {};
  // The predecessor's entries describe a parameter in one sentence and may name it inside double quotes.
  const predecessor = Object.values(given).every((p) => typeof p === 'string');
  const params = readParams(given, (name, rule, what, remedy) =>
    problems.push({
      where: yaml.at([...path, 'parameters', ...name], rule === 'bad-name' ? 'key' : 'value'),
      rule,
      what,
      remedy,
    }),
  );
  const parsed = parseTemplate(
    entry.command_template,
    Object.keys(given),
    predecessor ? 'predecessor' : 'ours',
  );
  for (const { rule, message, offset } of parsed.problems)
    problems.push({
      where:
        rule === 'unused-parameter'
          ? yaml.at([...path, 'command_template'])
          : yaml.within([...path, 'command_template'], offset),
      rule,
      what: `${entry.name}: ${message}`,
      remedy: templateRemedies[rule] ?? 'correct the template',
    });
  for (const name of optionalInWord(parsed.template, params))
    problems.push({
      where: yaml.at([...path, 'command_template']),
      rule: 'optional-in-word',
      what: `${entry.name}: {${name}} is optional but only part of a word`,
      remedy: 'give it a default, or let it stand alone between spaces',
    });

  return {
    name: entry.name,
    description: entry.description,
    category: entry.category,
    template: parsed.template,
    params,
    risk: riskOf(entry, parsed.template, path, yaml, problems),
    hosts: entry.hosts ?? [],
    timeoutSeconds: entry.timeout ?? defaultTimeoutSeconds,
    maxOutputBytes: entry.max_output ?? defaultMaxOutputBytes,
    examples: [...(entry.examples ?? []), ...[entry.example_usage ?? []].flat()],
  };
}

function riskOf(
  entry: CommandEntry,
  template: Template,
  path: Path,
  yaml: YamlFile<unknown>,
  problems: ConfigProblem[],
): Risk {
  const sensitive = entry.dangerous === true || entry.requires_confirmation === true;
  if (sensitive && entry.risk === 'read')
    problems.push({
      where: yaml.at([...path, 'risk']),
      rule: 'risk-conflict',
      what: `${entry.name} is both a read and dangerous or requires_confirmation`,
      remedy: 'state "risk: change", or drop the other key',
    });
  // `dangerous: false` says nothing: the template has to show that it only reads.
  return entry.risk ?? (!sensitive && isKnownRead(template) ? 'read' : 'change');
}

function optionalInWord(template: Template, params: readonly Param[]): string[] {
  return template.pieces.flatMap((piece, i) => {
    if (piece.kind !== 'param' || piece.inQuotes) return [];
    if (!params.some((p) => p.name === piece.name && p.optional)) return [];
    const before = template.pieces[i - 1];
    const after = template.pieces[i + 1];
    const free =
      (before === undefined || (before.kind === 'text' && /[\s(]$/.test(before.text))) &&
      (after === undefined || (after.kind === 'text' && /^[\s;|&)<>]/.test(after.text)));
    return free ? [] : [piece.name];
  });
}

const templateRemedies: Readonly<Record<string, string>> = {
  'undeclared-placeholder': 'declare it under parameters, or quote the braces if they are meant literally',
  'placeholder-in-quotes': 'take the quotes away',
  'placeholder-in-substitution': 'pass it as an argument of the outer command',
  'placeholder-in-comment': 'remove the comment',
  'placeholder-in-here-document': 'use printf with the placeholder as its argument',
  'placeholder-as-command': 'write the command name out; use one catalogue entry for each command',
  'placeholder-as-code': 'write the code out and give the value as an argument after it',
  'unused-parameter': 'use it in the template or remove it',
  'unclosed-quote': 'close it',
};
