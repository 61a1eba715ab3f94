/**
 * `opsagent commands render`: exactly what would be sent to a host for one command and its values. Runs nothing.
 */
import { randomBytes } from 'node:crypto';
import { userInfo } from 'node:os';
import { loadConfig, readEnvironment } from '../config.ts';
import type { CommandSpec, Host } from '../core/command.ts';
import { OpsError } from '../core/errors.ts';
import { joinWords } from '../core/params.ts';
import { visible } from '../core/visible.ts';
import { remoteLine } from '../whitelist/remote-line.ts';
import { render } from '../whitelist/render.ts';
import { exitCodes } from './exit-codes.ts';

export interface RenderOptions {
  readonly host?: string;
  readonly json?: boolean;
}

/** Prints it and returns the exit code: 2 for values that are refused, 3 for what the floor never lets run. */
export function renderCommand(name: string, pairs: readonly string[], options: RenderOptions): number {
  const { catalogue, hosts } = loadConfig('cli', readEnvironment(), process.cwd());
  const spec = catalogue.find((c) => c.name === name);
  if (!spec) throw new OpsError('config-invalid', `There is no command ${name}; see opsagent commands.`);
  const host = chosen(hosts, options.host);
  const rendered = render(spec, given(spec, pairs), host);
  if (!rendered.ok) throw new OpsError('config-invalid', rendered.problems.join(' '));

  const { command } = rendered;
  const line = remoteLine({
    script: command.script,
    args: command.args,
    timeoutSeconds: command.timeoutSeconds,
    maxOutputBytes: command.maxOutputBytes,
    ...(host.path === undefined ? {} : { path: host.path }),
    marker: randomBytes(16).toString('hex'),
  });
  if (!line.ok) throw new OpsError('config-invalid', `It cannot be sent: ${line.reason}.`);
  const { script, args, digest, floor } = command;
  const seen = { command: name, host: host.name, risk: spec.risk, line: command.line, script, args, digest };
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ ...seen, ...(floor === undefined ? {} : { floor }), sent: line.line })}\n`
      : text(spec, host, { ...command, sent: line.line }),
  );
  return floor === undefined ? exitCodes.done : exitCodes.refused;
}

interface Shown {
  readonly line: string;
  readonly script: string;
  readonly args: readonly string[];
  readonly digest: string;
  readonly floor?: string;
  readonly sent: string;
}

function text(spec: CommandSpec, host: Host, shown: Shown): string {
  const words = shown.args.map((arg, i) => `  $${i + 1}  ${JSON.stringify(arg)}`);
  return `${[
    `${spec.name} on ${host.name} (${host.user}@${host.address}:${host.port}), ${spec.risk}`,
    ...(shown.floor === undefined ? [] : [`NEVER RUNS: ${shown.floor}`]),
    '',
    'line shown to people',
    `  ${shown.line}`,
    'script',
    ...shown.script.split('\n').map((line) => `  ${visible(line)}`),
    `words (${shown.args.length})`,
    ...words,
    `digest of command, values and host`,
    `  ${shown.digest}`,
    'sent to the login shell (its random marker is new for every run)',
    `  ${shown.sent}`,
  ].join('\n')}\n`;
}

function given(spec: CommandSpec, pairs: readonly string[]): Record<string, string> {
  const values = new Map<string, string[]>();
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at < 1) throw new OpsError('config-invalid', `"${visible(pair)}" is not key=value.`);
    const name = pair.slice(0, at);
    values.set(name, [...(values.get(name) ?? []), pair.slice(at + 1)]);
  }
  for (const [name, words] of values)
    if (words.length > 1 && spec.params.find((p) => p.name === name)?.several === undefined)
      throw new OpsError(
        'config-invalid',
        `${visible(name)} is given ${words.length} times and takes one value.`,
      );
  return Object.fromEntries([...values].map(([name, words]) => [name, joinWords(words)]));
}

/** With no host configured it is this machine; the port and key it will have are made at the first start. */
function chosen(hosts: readonly Host[], name: string | undefined): Host {
  if (hosts.length === 0 && (name === undefined || name === 'local'))
    return {
      name: 'local',
      address: '127.0.0.1',
      port: 0,
      user: userInfo().username,
      hostKey: { kind: 'fingerprint', sha256: 'made at the first start' },
      tags: [],
      tier: 'local',
    };
  const host = name === undefined && hosts.length === 1 ? hosts[0] : hosts.find((h) => h.name === name);
  if (host) return host;
  const names = hosts.map((h) => h.name).join(', ') || 'local';
  throw new OpsError(
    'config-invalid',
    name === undefined
      ? `Say which host with --host: ${names}.`
      : `There is no host ${visible(name)}; there are ${names}.`,
  );
}
