/**
 * `opsagent commands`: the catalogue as it is configured here, without a running instance.
 */
import { loadConfig, readEnvironment } from '../config.ts';
import { OpsError } from '../core/errors.ts';

export function listCommands(category: string | undefined, options: { readonly json?: boolean }): void {
  const config = loadConfig('cli', readEnvironment(), process.cwd());
  const categories = [...new Set(config.catalogue.map((c) => c.category))];
  if (category && !categories.includes(category))
    throw new OpsError(
      'config-invalid',
      `There is no category ${category}; there are ${categories.join(', ')}.`,
    );
  const commands = config.catalogue.filter((c) => !category || c.category === category);
  if (options.json) {
    process.stdout.write(
      `${JSON.stringify(commands.map(({ template, ...c }) => ({ ...c, template: template.source })))}\n`,
    );
    return;
  }
  const width = Math.max(...commands.map((c) => c.name.length));
  for (const name of categories.filter((c) => !category || c === category)) {
    process.stdout.write(`${name}\n`);
    for (const c of commands.filter((each) => each.category === name)) {
      const params = c.params
        .map((p) => (p.optional || p.default !== undefined ? `[${p.name}=…]` : `${p.name}=…`))
        .join(' ');
      const risk = c.risk === 'read' ? '' : `  (${c.risk}: needs an approval)`;
      process.stdout.write(
        `  ${c.name.padEnd(width)}  ${c.description}${params ? `  ${params}` : ''}${risk}\n`,
      );
    }
  }
}
