/**
 * What one command of the catalogue says about another (probe, undo), and its examples checked as if somebody asked.
 */
import type { CommandSpec } from '../core/command.ts';
import { didYouMean } from '../core/nearest-name.ts';
import { checkParams } from '../core/params.ts';

type Report = (keys: readonly (string | number)[], rule: string, what: string, remedy: string) => void;

/** Checks `probe` and `undo` of one command against all of them; `unread` are names of entries that could not be read. */
export function checkRelations(
  spec: CommandSpec,
  all: readonly { readonly spec: CommandSpec }[],
  unread: readonly string[],
  report: Report,
): void {
  for (const key of ['probe', 'undo'] as const) {
    const name = spec[key];
    if (name === undefined) continue;
    const bad = (what: string, remedy: string) =>
      report([key], `bad-${key}`, `${spec.name}: ${what}`, remedy);
    const other = all.find((c) => c.spec.name === name)?.spec;
    if (!other) {
      if (unread.includes(name)) continue;
      const meant = didYouMean(
        name,
        all.map((c) => c.spec.name),
      );
      bad(`there is no command ${name}`, meant ? `did you mean ${meant}?` : 'name a command of this file');
      continue;
    }
    if (spec.risk === 'read') bad(`a read has no ${key}`, `remove ${key}`);
    if (key === 'probe' && other.risk !== 'read')
      bad(`${name} is a ${other.risk}, not a read`, 'name a command that only reads');
    if (key === 'undo' && other.risk === 'read')
      bad(`${name} is a read`, 'name the command that reverses this one');
    if (key === 'undo' && other.name === spec.name) bad('it cannot reverse itself', 'name another command');
    for (const param of other.params) {
      const ours = spec.params.find((p) => p.name === param.name);
      const filled = param.optional || param.default !== undefined;
      if (ours ? ours.type.kind !== param.type.kind : !filled)
        bad(
          `${name} takes ${param.name}, which ${ours ? `is a ${ours.type.kind} here` : 'this command does not have'}`,
          `give both the same parameter ${param.name}`,
        );
    }
  }
}

/**
 * Checks every example of the form `name key=value…`; any other text is a question in somebody's own words.
 * The first `ours` examples come from `examples`, the others from the predecessor's `example_usage`.
 */
export function checkExamples(spec: CommandSpec, ours: number, report: Report): void {
  spec.examples.forEach((example, i) => {
    const [name, ...rest] = words(example);
    const key = i < ours ? ['examples', i] : ['example_usage'];
    const bad = (what: string, remedy: string) =>
      report(key, 'bad-example', `${spec.name}: the example ${what}`, remedy);
    if (!rest.some((word) => assignment.test(word)) && (rest.length > 0 || i >= ours || name !== spec.name))
      return;
    if (name !== spec.name) {
      if (/^[a-z0-9_-]+$/.test(name ?? '')) bad(`runs ${name}`, `begin it with ${spec.name}`);
      return;
    }
    const odd = rest.find((word) => !assignment.test(word));
    if (odd !== undefined) {
      bad('has a word that is no key=value', 'write name key=value …');
      return;
    }
    const given: Record<string, string> = {};
    for (const word of rest) {
      const at = word.indexOf('=');
      const value = word.slice(at + 1);
      const name = word.slice(0, at);
      given[name] = Object.hasOwn(given, name) ? `${given[name]}\n${value}` : value;
    }
    const checked = checkParams(spec.params, given);
    if (!checked.ok) bad(`would be refused: ${checked.problems.join(' ')}`, 'correct its values');
  });
}

const assignment = /^[A-Za-z][A-Za-z0-9_]*=/;

/** Words as a person types them in a terminal, quotes around those with spaces taken away. */
function words(example: string): string[] {
  return (example.match(/(?:[^\s'"]|'[^']*'|"[^"]*")+/g) ?? []).map((word) =>
    word.replace(/'([^']*)'|"([^"]*)"/g, (_, single?: string, double?: string) => single ?? double ?? ''),
  );
}
