/**
 * The environment: the process's own variables over those of a `.env` file. The only place that reads process.env.
 */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { didYouMean } from '../core/nearest-name.ts';
import { ConfigError, type ConfigProblem } from './problem.ts';
import { isPassphraseName, mayRead, type Role, VARIABLES } from './variables.ts';

/**
 * The variables of this process, over those of `.env` in `cwd` where there is one; changes nothing in process.env.
 * Throws ConfigError for a `.env` with lines that are not KEY=VALUE.
 */
export function readEnvironment(cwd: string = process.cwd()): NodeJS.ProcessEnv {
  let text: string;
  try {
    text = readFileSync(join(cwd, '.env'), 'utf8');
  } catch {
    return { ...process.env };
  }
  const { values, problems } = parseDotEnv('.env', text);
  if (problems.length > 0) throw new ConfigError(problems);
  return { ...values, ...process.env };
}

/** KEY=VALUE lines: comments, `export`, single quotes literal, double quotes with \n \" \\; nothing is expanded. */
export function parseDotEnv(
  file: string,
  text: string,
): { readonly values: Readonly<Record<string, string>>; readonly problems: readonly ConfigProblem[] } {
  const values: Record<string, string> = {};
  const problems: ConfigProblem[] = [];
  text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .forEach((line, i) => {
      if (/^\s*(?:#|$)/.test(line)) return;
      const [, name, raw] = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$/.exec(line) ?? [];
      const value = raw === undefined ? undefined : unquoted(raw);
      if (name === undefined || value === undefined)
        problems.push({
          where: `${file}:${i + 1}:1`,
          rule: 'not-a-variable',
          what:
            name === undefined
              ? 'not a line of the form NAME=value'
              : `the quote after ${name}= is not closed`,
          remedy: 'correct it, or begin the line with #',
        });
      else values[name] = value;
    });
  return { values, problems };
}

function unquoted(raw: string): string | undefined {
  const quote = raw.charAt(0);
  if (quote === "'") return /^'([^']*)'\s*(?:#.*)?$/.exec(raw)?.[1];
  if (quote === '"')
    return /^"((?:[^"\\]|\\.)*)"\s*(?:#.*)?$/
      .exec(raw)?.[1]
      ?.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c === 't' ? '\t' : c));
  return raw.replace(/(?:^|\s+)#.*$/, '').trimEnd();
}

/** The variables one role may read, by name. What is empty counts as not set. */
export interface Settings {
  /** The value, the default, or undefined when neither is set or the role may not read it. */
  get(name: string): string | undefined;
  /** Set by somebody, not by default. */
  isSet(name: string): boolean;
  readonly problems: ConfigProblem[];
  /** Every secret that was read. */
  readonly secrets: readonly string[];
}

/** Picks a role's variables, reads NAME_FILE for secrets, and reports OPSAGENT_ names that do not exist. */
export function settingsFor(role: Role, env: NodeJS.ProcessEnv, cwd: string): Settings {
  const values = new Map<string, string>();
  const problems: ConfigProblem[] = [...unknownNames(env)];
  const secrets: string[] = [];

  for (const variable of VARIABLES) {
    if (!mayRead(role, variable)) continue;
    const { name } = variable;
    let value = env[name] || undefined;
    const file = variable.secret ? env[`${name}_FILE`] || undefined : undefined;
    if (value !== undefined && file !== undefined)
      problems.push({ where: name, what: `${name}_FILE is set too`, remedy: 'keep one of the two' });
    else if (file !== undefined) value = readSecret(name, resolve(cwd, file), problems);
    if (value === undefined) continue;
    if (/[\0\r\n]/.test(value)) {
      problems.push({ where: name, what: 'holds a line break or NUL', remedy: 'write it on one line' });
      continue;
    }
    values.set(name, value);
    if (variable.secret) secrets.push(value);
  }

  return {
    get: (name) => {
      const variable = VARIABLES.find((v) => v.name === name);
      if (!variable) throw new Error(`${name} is missing from VARIABLES`);
      if (!mayRead(role, variable)) return undefined;
      return values.get(name) ?? (variable.default || undefined);
    },
    isSet: (name) => values.has(name),
    problems,
    secrets,
  };
}

function readSecret(name: string, file: string, problems: ConfigProblem[]): string | undefined {
  try {
    const value = readFileSync(file, 'utf8').trim();
    if (value !== '') return value;
    problems.push({ where: `${name}_FILE`, what: `${file} is empty`, remedy: 'put the secret into it' });
  } catch {
    problems.push({
      where: `${name}_FILE`,
      what: `${file} cannot be read`,
      remedy: 'name a file this login can read',
    });
  }
  return undefined;
}

function unknownNames(env: NodeJS.ProcessEnv): ConfigProblem[] {
  const known = VARIABLES.flatMap((v) => (v.secret ? [v.name, `${v.name}_FILE`] : [v.name]));
  return Object.keys(env)
    .filter((name) => name.startsWith('OPSAGENT_') && !known.includes(name) && !isPassphraseName(name))
    .map((name) => {
      const ours = known.filter((k) => k.startsWith('OPSAGENT_'));
      const meant = didYouMean(name, ours);
      return {
        where: name,
        what: 'there is no such variable',
        remedy: meant ? `did you mean ${meant}?` : `known: ${ours.join(', ')}`,
      };
    });
}
