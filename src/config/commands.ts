/**
 * commands.yaml: the catalogue of what may run. Takes the predecessor's entries unchanged beside ours, which type
 * their parameters and state their risk. Every problem of the file is reported, with its place and rule.
 */
import { z } from 'zod';
import type { CommandSpec, Risk } from '../core/command.ts';
import { floorOf, floorText } from '../core/floor.ts';
import { parseTemplate, type Template } from '../core/template.ts';
import { hasHidden } from '../core/visible.ts';
import { ParamEntry, readParams } from './parameters.ts';
import { checkPlaces, sudoProblem, templateRemedies, withSudo } from './places.ts';
import type { ConfigProblem } from './problem.ts';
import { checkExamples, checkRelations } from './relations.ts';
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
  approval: z
    .string()
    .regex(
      /^[\p{L}\p{N}][\p{L}\p{N} _.-]{0,63}$/u,
      say('is not the name of a rule', 'name one of policy.yaml'),
    )
    .optional(),
  probe: z.string().optional(),
  undo: z.string().optional(),
  sudo: z.boolean().optional(),
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
  timeout: z.int().min(1).max(3600).optional(),
  max_output: z.int().min(1024).max(10_485_760).optional(),
});
export type CommandEntry = z.infer<typeof CommandEntry>;

const Catalogue = z.strictObject({ commands: z.array(CommandEntry) });

const defaultTimeoutSeconds = 30;
const defaultMaxOutputBytes = 65_536;

/** An entry as it stands in the file, with what became of it; undefined when it has problems. */
export interface LoadedEntry {
  readonly entry: CommandEntry;
  readonly where: string;
  readonly spec: CommandSpec | undefined;
}

/** Reads the text of a commands.yaml. `commands` holds only entries without problems. Never throws. */
export function loadCatalogue(
  file: string,
  text: string,
): {
  readonly commands: readonly CommandSpec[];
  readonly problems: readonly ConfigProblem[];
  readonly entries: readonly LoadedEntry[];
} {
  const yaml = readYaml(file, text, Catalogue);
  const read = yaml.value?.commands.map((entry, i) => ({ entry, i })) ?? fittingEntries(yaml.data);
  const problems: ConfigProblem[] = [...yaml.problems];
  const specs = read.map(({ entry, i }) => toSpec(entry, ['commands', i], yaml, problems));
  const bad = new Set<CommandEntry>();
  read.forEach(({ entry, i }, n) => {
    const report = (keys: Path, rule: string, what: string, remedy: string) => {
      bad.add(entry);
      problems.push({ where: yaml.at(['commands', i, ...keys]), rule, what, remedy });
    };
    if (read.findIndex((other) => other.entry.name === entry.name) < n)
      report(
        ['name'],
        'duplicate-name',
        `there is another command named ${entry.name}`,
        'rename or remove one of them',
      );
    const { spec } = specs[n] ?? {};
    if (!spec) return;
    // With entries left out, a name that is not there may be one of them.
    checkRelations(spec, specs, yaml.value === undefined ? namesIn(yaml.data) : [], report);
    checkExamples(spec, entry.examples?.length ?? 0, report);
  });
  const entries = read.map(({ entry, i }, n) => {
    const { spec, sound } = specs[n] ?? {};
    return {
      entry,
      where: yaml.at(['commands', i, 'name']),
      spec: sound && !bad.has(entry) ? spec : undefined,
    };
  });
  return { commands: entries.flatMap((e) => e.spec ?? []), problems: inFileOrder(problems), entries };
}

/** Of a file with wrong entries those that are right in form, so that all its problems are told at once. */
function fittingEntries(data: unknown): readonly { readonly entry: CommandEntry; readonly i: number }[] {
  return rawEntries(data).flatMap((raw, i) => {
    const parsed = CommandEntry.safeParse(raw);
    return parsed.success ? [{ entry: parsed.data, i }] : [];
  });
}

function namesIn(data: unknown): readonly string[] {
  const Named = z.object({ name: z.string() });
  return rawEntries(data).flatMap((raw) => Named.safeParse(raw).data?.name ?? []);
}

function rawEntries(data: unknown): readonly unknown[] {
  return z.object({ commands: z.array(z.unknown()) }).safeParse(data).data?.commands ?? [];
}

/** One entry; `sound` when nothing is wrong with it by itself. */
function toSpec(
  entry: CommandEntry,
  path: Path,
  yaml: YamlFile<unknown>,
  problems: ConfigProblem[],
): { readonly spec: CommandSpec; readonly sound: boolean } {
  const before = problems.length;
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
  const inTemplate = [
    ...parsed.problems,
    ...checkPlaces(parsed.template, params),
    ...(entry.sudo ? sudoProblem(parsed.template) : []),
  ];
  for (const { rule, message, offset } of inTemplate)
    problems.push({
      where:
        offset === undefined
          ? yaml.at([...path, 'command_template'])
          : yaml.within([...path, 'command_template'], offset),
      rule,
      what: `${entry.name}: ${message}`,
      remedy: templateRemedies[rule] ?? 'correct the template',
    });

  const template = entry.sudo ? withSudo(parsed.template) : parsed.template;
  const floor = floorOf(template, params);
  const spec: CommandSpec = {
    name: entry.name,
    description: entry.description,
    category: entry.category,
    template,
    params,
    risk: riskOf(entry, parsed.template, path, yaml, problems),
    hosts: entry.hosts ?? [],
    timeoutSeconds: entry.timeout ?? defaultTimeoutSeconds,
    maxOutputBytes: entry.max_output ?? defaultMaxOutputBytes,
    examples: [...(entry.examples ?? []), ...[entry.example_usage ?? []].flat()],
    ...(entry.approval === undefined ? {} : { approval: entry.approval }),
    ...(entry.probe === undefined ? {} : { probe: entry.probe }),
    ...(entry.undo === undefined ? {} : { undo: entry.undo }),
    ...(entry.sudo ? { sudo: true } : {}),
    ...(floor ? { floor: floorText(floor) } : {}),
  };
  return { spec, sound: problems.length === before };
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

/** As a reader of the file meets them. */
function inFileOrder(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  const place = ({ where }: ConfigProblem) => where.split(':').slice(-2).map(Number);
  return [...problems].sort((a, b) => {
    const [lineA = 0, columnA = 0] = place(a);
    const [lineB = 0, columnB = 0] = place(b);
    return lineA - lineB || columnA - columnB;
  });
}
