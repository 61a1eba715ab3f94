/**
 * `opsagent commands lint`: every problem of a commands.yaml, or what each of its commands counts as and why.
 */
import {
  type CatalogueReport,
  type CommandReport,
  lintCatalogue,
  problemLine,
  readEnvironment,
} from '../config.ts';
import { visible } from '../core/visible.ts';
import { exitCodes } from './exit-codes.ts';

/** Prints the report and returns the exit code: 2 when the file would be refused at start. */
export function lintCommands(file: string | undefined, options: { readonly json?: boolean }): number {
  const report = lintCatalogue(file, readEnvironment(), process.cwd());
  process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : text(report));
  return report.problems.length > 0 ? exitCodes.usage : exitCodes.done;
}

function text({ file, problems, commands }: CatalogueReport): string {
  const width = Math.max(0, ...commands.map((c) => c.name.length));
  const lines =
    problems.length > 0
      ? problems.map((p) => visible(problemLine(p)))
      : commands.flatMap((c) => about(c, width));
  const warned = commands.filter((c) => c.warnings.length > 0).length;
  const summary =
    problems.length > 0
      ? `${file}: ${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}; it would be refused at start.`
      : `${file}: ${commands.length} commands, no problems, ${warned} with warnings.`;
  return `${[...lines, summary].join('\n')}\n`;
}

function about(command: CommandReport, width: number): string[] {
  const under = (line: string) => `  ${' '.repeat(width)}  ${visible(line)}`;
  return [
    `  ${command.name.padEnd(width)}  ${command.risk}: ${command.why}`,
    ...command.inferred.map(({ name, type }) => under(`${name} taken for ${type}`)),
    ...(command.floor === undefined ? [] : [under(`floor: never runs — ${command.floor}`)]),
    ...command.warnings.map(({ rule, what }) => under(`warning ${command.where} — ${rule}: ${what}`)),
  ];
}
