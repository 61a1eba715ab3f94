/**
 * `opsagent run`: one whitelisted command on the running instance, its output on stdout, its success as exit code.
 */
import type { ListedCommand, ListedHost } from '../../adapters/console/directory.ts';
import { OpsError } from '../core/errors.ts';
import { resolveTargets } from '../core/targets.ts';
import { type AskOptions, seeThrough } from './ask.ts';
import { type Asked, connectClient, newEventId } from './client.ts';
import { exitCodes } from './exit-codes.ts';
import { outputOf } from './follow.ts';

export async function run(
  command: string,
  values: readonly string[],
  options: AskOptions & { readonly host?: string },
): Promise<number> {
  const params = parameters(values);
  const client = connectClient();
  const { commands } = await client.get<{ commands: ListedCommand[] }>('/api/commands');
  const { hosts } = await client.get<{ hosts: ListedHost[] }>('/api/hosts');
  checkNames(command, values, params, options.host, commands, hosts);

  const asked = await client.post<Asked>('/api/run', {
    command,
    params,
    id: newEventId(),
    ...(options.host ? { host: options.host } : {}),
    ...(options.thread ? { thread: options.thread } : {}),
  });
  let failed = false;
  const code = await seeThrough(client, asked, options, (followed) => {
    failed = followed.parts.some(
      (p) => p.kind === 'call' && (p.call.status === 'failed' || p.call.status === 'unknown'),
    );
    return outputOf(followed);
  });
  return code === exitCodes.done && failed ? exitCodes.failed : code;
}

/** The same name several times makes the list that a parameter of several values takes. */
function parameters(values: readonly string[]): Record<string, string> {
  const wrong = values.filter((v) => !/^[A-Za-z_]\w*=/.test(v));
  if (wrong.length > 0)
    throw new OpsError('config-invalid', `Not of the form key=value: ${wrong.join(', ')}.`);
  const params: Record<string, string> = {};
  for (const pair of values) {
    const name = pair.slice(0, pair.indexOf('='));
    const value = pair.slice(pair.indexOf('=') + 1);
    params[name] = Object.hasOwn(params, name) ? `${params[name]}\n${value}` : value;
  }
  return params;
}

/** What can be known to be wrong before anything is asked: all of it at once. */
function checkNames(
  command: string,
  given: readonly string[],
  params: Record<string, string>,
  host: string | undefined,
  commands: readonly ListedCommand[],
  hosts: readonly ListedHost[],
): void {
  const spec = commands.find((c) => c.name === command);
  const problems: string[] = [];
  if (!spec) {
    const near = commands
      .filter((c) => c.name.includes(command) || command.includes(c.name))
      .map((c) => c.name);
    problems.push(
      `There is no command ${command}${near.length > 0 ? `; did you mean ${near.join(', ')}?` : '.'}`,
    );
  }
  if (host && hosts.length > 0) {
    const resolved = resolveTargets(
      host,
      hosts.map(({ name, tags = [] }) => ({ name, tags })),
    );
    if (!resolved.ok) problems.push(...resolved.problems);
  }
  for (const param of spec?.params ?? [])
    if (param.several === undefined && given.filter((v) => v.startsWith(`${param.name}=`)).length > 1)
      problems.push(`${param.name} takes one value and is given several.`);
  for (const name of spec ? Object.keys(params) : [])
    if (!spec?.params.some((p) => p.name === name)) problems.push(`${command} has no parameter ${name}.`);
  for (const param of spec?.params ?? [])
    if (!param.optional && param.default === undefined && !Object.hasOwn(params, param.name))
      problems.push(`${command} needs ${param.name}=… (${param.description}).`);
  if (problems.length > 0)
    throw new OpsError('config-invalid', problems.join('\n'), 'See `opsagent commands`.');
}
