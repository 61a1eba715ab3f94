/**
 * What `opsagent commands lint` says of a commands.yaml: its problems, and of each sound command its risk and why,
 * the types that were inferred, the floor, and what its author should look at again.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CommandSpec, Risk } from '../core/command.ts';
import { floorOf, floorText } from '../core/floor.ts';
import type { Param } from '../core/param.ts';
import { checkValue, expected } from '../core/params.ts';
import { type Command, commandsOf } from '../core/shell-commands.ts';
import { type LoadedEntry, loadCatalogue } from './commands.ts';
import type { ConfigProblem } from './problem.ts';
import { isKnownRead } from './risk.ts';

export interface CommandReport {
  readonly name: string;
  /** `file:line:column`. */
  readonly where: string;
  readonly risk: Risk;
  readonly why: string;
  /** Types that the predecessor's parameters got from their name or description. */
  readonly inferred: readonly { readonly name: string; readonly type: string }[];
  readonly floor?: string;
  readonly warnings: readonly { readonly rule: string; readonly what: string }[];
}

export interface CatalogueReport {
  readonly file: string;
  readonly problems: readonly ConfigProblem[];
  readonly commands: readonly CommandReport[];
}

/** Reads `file`, else the commands.yaml that a start here would read. A file that cannot be read is a problem. */
export function lintCatalogue(
  file: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
): CatalogueReport {
  const path = file === undefined ? configured(env, cwd) : resolve(cwd, file);
  const shown = relative(cwd, path).startsWith('..') ? path : relative(cwd, path);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    const problem = {
      where: shown,
      rule: 'no-file',
      what: 'the file cannot be read',
      remedy: 'name another one',
    };
    return { file: shown, problems: [problem], commands: [] };
  }
  const { problems, entries } = loadCatalogue(shown, text);
  const commands = entries.flatMap((loaded) => (loaded.spec ? [reportOf(loaded, loaded.spec)] : []));
  return { file: shown, problems, commands };
}

function configured(env: Readonly<Record<string, string | undefined>>, cwd: string): string {
  const here = resolve(cwd, env.OPSAGENT_CONFIG_DIR ?? 'config', 'commands.yaml');
  if (env.OPSAGENT_CONFIG_DIR !== undefined || existsSync(here)) return here;
  const shipped = ['../../config', '../../../config'].map((path) =>
    join(fileURLToPath(new URL(path, import.meta.url)), 'commands.yaml'),
  );
  return shipped.find((path) => existsSync(path)) ?? here;
}

function reportOf({ entry, where }: LoadedEntry, spec: CommandSpec): CommandReport {
  const inferred = spec.params
    .filter((p) => typeof entry.parameters?.[p.name] === 'string')
    .map((p) => ({ name: p.name, type: `${p.type.kind} (${expected(p.type)})` }));
  return {
    name: spec.name,
    where,
    risk: spec.risk,
    why: reasonOf(entry, spec),
    inferred,
    ...(spec.floor === undefined ? {} : { floor: spec.floor }),
    warnings: warningsOf(spec),
  };
}

function reasonOf(entry: LoadedEntry['entry'], spec: CommandSpec): string {
  if (entry.risk !== undefined) return 'stated';
  if (entry.dangerous) return 'marked dangerous';
  if (entry.requires_confirmation) return 'marked requires_confirmation';
  return spec.risk === 'read'
    ? 'made wholly of known read-only tools'
    : 'not stated, and not made wholly of known read-only tools';
}

function warningsOf(spec: CommandSpec): CommandReport['warnings'] {
  const warnings: { rule: string; what: string }[] = [];
  const commands = commandsOf(spec.template, spec.params);
  const shows = commands.find(showsSecrets);
  if (shows)
    warnings.push({
      rule: 'shows-environment',
      what: `${shows.name || 'env'} shows environment or settings, which often hold secrets`,
    });
  if (!spec.sudo && commands.some((c) => c.name === 'sudo' || c.by.includes('sudo')))
    warnings.push({ rule: 'sudo-in-template', what: 'sudo: true writes sudo -n -- for you' });
  if (spec.risk === 'read' && spec.sudo && !isKnownRead(withoutSudo(spec)))
    warnings.push({
      rule: 'read-with-sudo',
      what: 'a read that runs with rights and was only stated to be one',
    });
  const byValue = spec.floor === undefined ? floorByValue(spec) : undefined;
  if (byValue)
    warnings.push({ rule: 'floor-by-value', what: `refused at run with some values (${byValue})` });
  for (const param of spec.params)
    if (param.type.kind === 'path' && param.type.roots.length === 0 && spec.risk !== 'read')
      warnings.push({ rule: 'no-roots', what: `${param.name} may be any path; give it roots` });
  return warnings;
}

function withoutSudo(spec: CommandSpec): CommandSpec['template'] {
  const [first, ...rest] = spec.template.pieces;
  if (first?.kind !== 'text') return spec.template;
  return {
    ...spec.template,
    pieces: [{ kind: 'text', text: first.text.replace(/^sudo -n -- /, '') }, ...rest],
  };
}

function showsSecrets({ name, args, by }: Command): boolean {
  if (name === '') return by.includes('env');
  if (name === 'printenv' || name === 'history') return true;
  if (name === 'set' || name === 'export') return args.length === 0 || args[0] === '-p';
  if (/^(?:docker|podman|nerdctl)$/.test(name)) return args.includes('inspect') || args.includes('config');
  if (name === 'systemctl') return args.includes('show-environment') || args.includes('show');
  if (name === 'kubectl') return args.some((a) => /^(?:secrets?|configmaps?|describe)\b/.test(a));
  if (name === 'ps') return args.some((a) => /^[a-z]*e[a-z]*$/.test(a) && !a.startsWith('-'));
  return args.some((a) => /^\/proc\/[^/]+\/environ$|(?:^|\/)\.env$/.test(a));
}

/** Tries the worst values that each parameter takes. */
function floorByValue(spec: CommandSpec): string | undefined {
  const worst = ['/', '/etc', '/dev/sda', '/var/log/syslog', '/etc/shadow', '/root/.bash_history'];
  const tried = spec.params.flatMap((param: Param) => {
    const roots = param.type.kind === 'path' ? param.type.roots : [];
    return [...worst, ...roots]
      .filter((value) => checkValue(param, value).ok)
      .map((value) => floorOf(spec.template, spec.params, { [param.name]: value }));
  });
  const broken = tried.find((found) => found !== undefined);
  return broken && floorText(broken);
}
