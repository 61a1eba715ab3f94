/**
 * The tools that run commands: their names, arguments and which commands of the catalogue each runs.
 * The list is fixed for a catalogue; rights are checked at the call.
 */
import { z } from 'zod';
import type { CommandSpec, Host, RanCommand } from '../core/command.ts';
import type { Policy } from '../core/policy.ts';
import type { Clock } from '../core/ports.ts';
import { resolveTargets } from '../core/targets.ts';
import { visible } from '../core/visible.ts';
import type { Ended, Execute } from './asked.ts';
import { askHosts } from './on-hosts.ts';
import type { OutputStore } from './output-store.ts';
import { type Keep, replyToMany, replyToOne } from './reply.ts';
import type { ClientRequests } from './requests.ts';
import { oneOf, PingOutput, parametersOf, RanOutput, StatusOutput, targetsOf, textOf } from './schemas.ts';
import type { SpentStore } from './spent.ts';
import { createCatalogueTools } from './tools-catalogue.ts';
import { createReadOutput } from './tools-output.ts';
import { createGetResult } from './tools-result.ts';
import { signature, type Tool, type ToolCallContext, tool } from './tools-shape.ts';

export interface ToolsOptions {
  readonly catalogue: readonly CommandSpec[];
  readonly hosts: readonly Host[];
  readonly defaultHost?: string;
  /** What else is known of a host, in a line for `server_status`. */
  readonly hostFacts?: (host: Host) => Promise<string | undefined>;
  readonly policy: () => Policy | Promise<Policy>;
  readonly execute: Execute;
  readonly outputs: OutputStore;
  readonly requests: ClientRequests;
  readonly spent: SpentStore<Ended>;
  readonly clock: Clock;
  /** How many hosts of a group are asked at a time; default 50. */
  readonly fanOut?: number;
  readonly version: string;
}

const defaultFanOut = 50;

const overview = ['hostname', 'uptime', 'disk_usage', 'memory_usage', 'top_processes', 'failed_services'];

export function createTools(options: ToolsOptions): readonly Tool[] {
  const { catalogue, hosts } = options;
  const specOf = (name: string) => catalogue.find((c) => c.name === name);
  const fallback = options.defaultHost ?? (hosts.length === 1 ? hosts[0]?.name : undefined);
  const names = hosts.map((h) => h.name);
  const hostArg = targetsOf(
    hosts,
    fallback ? `The host to run on (default ${fallback})` : 'The host to run on',
  );
  const host = { host: fallback ? hostArg.optional() : hostArg };
  const onAnyHost = { host: hostArg.optional() };
  const pick = (expression: string | undefined): readonly Host[] => {
    const found = resolveTargets(expression ?? fallback ?? '', hosts);
    if (!found.ok) throw new TypeError('the schema let an unknown host through');
    return found.hosts;
  };
  const isRead = (...commands: string[]) => commands.every((c) => (specOf(c)?.risk ?? 'read') === 'read');
  const asking = { execute: options.execute, atOnce: options.fanOut ?? defaultFanOut };
  const keep: Keep = (output) => options.outputs.keep(output).catch(() => undefined);

  const several = async (commands: readonly string[], on: readonly Host[], call: ToolCallContext) => {
    const specs = commands.flatMap((name) => specOf(name) ?? []);
    const missing = commands.filter((name) => !specOf(name));
    const answers = await askHosts(asking, { specs, params: {}, hosts: on, mayAsk: false }, call);
    return replyToMany(answers, call.caller, keep, missing);
  };
  const one = async (
    name: string,
    on: readonly Host[],
    params: Readonly<Record<string, string>>,
    call: ToolCallContext,
    reason?: string,
  ) => {
    const spec = specOf(name);
    if (!spec) return replyToMany([], call.caller, keep, [name]);
    const why = reason ? { reason } : {};
    const [answer] = await askHosts(asking, { specs: [spec], params, hosts: on, mayAsk: true, ...why }, call);
    if (!answer) throw new TypeError('a command without an answer');
    return replyToOne(answer, call.caller, keep);
  };
  /** For tools with one value of their own: it goes to the command's only parameter, whatever that is called. */
  const withValue = (name: string, on: readonly Host[], value: string, call: ToolCallContext) => {
    const param = specOf(name)?.params[0]?.name;
    return one(name, on, param ? { [param]: value } : {}, call);
  };

  return [
    tool({
      name: 'ping',
      title: 'Ping',
      description:
        'Answers pong, with the message if one is given; with a host, also asks that host for its name.',
      input: z.strictObject({ message: z.string().max(500).optional(), ...onAnyHost }),
      output: PingOutput,
      readOnly: true,
      async run({ message, host: name }, call) {
        const pong = message ? `pong: ${visible(message)}` : 'pong';
        const asked = name ? await several(['hostname'], pick(name), call) : undefined;
        return {
          text: asked ? `${pong}\n\n${asked.text}` : pong,
          isError: asked?.isError ?? false,
          structured: { ran: [], ...asked?.structured, pong },
        };
      },
    }),
    tool({
      name: 'server_status',
      title: 'Server status',
      description:
        'Whether a host answers, its name and uptime, and what this server may run on which hosts.',
      input: z.strictObject(host),
      output: StatusOutput,
      readOnly: isRead('hostname', 'uptime'),
      async run({ host: name }, call) {
        const on = pick(name);
        const asked = await several(['hostname', 'uptime'], on, call);
        const { version } = options;
        const own = `opsagent ${version}: ${catalogue.length} commands, hosts ${names.join(', ')}.`;
        // Who may run nothing there is told nothing about it.
        const ran = (asked.structured?.ran ?? []) as unknown as readonly RanCommand[];
        const seen = new Set(ran.flatMap((r) => [r.host, ...(r.sameOn ?? [])]));
        const told = on.filter((h) => seen.has(h.name)).map((h) => options.hostFacts?.(h));
        const known = (await Promise.all(told)).filter((fact) => fact !== undefined);
        const facts = [own, ...known].join('\n');
        return {
          ...asked,
          text: `${facts}\n\n${asked.text}`,
          structured: {
            ...asked.structured,
            server: 'opsagent',
            version,
            commands: catalogue.length,
            hosts: names,
          },
        };
      },
    }),
    tool({
      name: 'execute_command',
      title: 'Run a command',
      description: [
        'Runs one command of the catalogue. Those marked "approval" run only after people approve exactly this call;',
        'give a reason that helps them decide. Commands:',
        ...catalogue.map(
          (c) => `- ${signature(c)}: ${c.description}${c.risk === 'read' ? '' : ' [approval]'}`,
        ),
      ].join('\n'),
      input: z.strictObject({
        command_name: oneOf(
          catalogue.map((c) => c.name),
          'The command to run',
        ),
        parameters: parametersOf(catalogue).optional(),
        reason: z.string().max(1000).optional().describe('Why, for the people who approve'),
        ...host,
      }),
      output: RanOutput,
      readOnly: false,
      run({ command_name: command, parameters, host: name, reason }, call) {
        const entries = Object.entries(parameters ?? {}).map(([key, value]) => [key, textOf(value)]);
        return one(command, pick(name), Object.fromEntries(entries), call, reason);
      },
    }),
    tool({
      name: 'check_disk',
      title: 'Check disk space',
      description: 'How full the file systems of a host are.',
      input: z.strictObject(host),
      output: RanOutput,
      readOnly: isRead('disk_usage'),
      run: ({ host: name }, call) => one('disk_usage', pick(name), {}, call),
    }),
    tool({
      name: 'check_memory',
      title: 'Check memory',
      description: 'How much memory and swap a host uses.',
      input: z.strictObject(host),
      output: RanOutput,
      readOnly: isRead('memory_usage'),
      run: ({ host: name }, call) => one('memory_usage', pick(name), {}, call),
    }),
    tool({
      name: 'check_service',
      title: 'Check a service',
      description: 'Whether a systemd service runs on a host, and its last log lines.',
      input: z.strictObject({
        service_name: z.string().min(1).max(256).describe('The unit, as nginx or ssh.service'),
        ...host,
      }),
      output: RanOutput,
      readOnly: isRead('service_status'),
      run: ({ service_name: service, host: name }, call) =>
        withValue('service_status', pick(name), service, call),
    }),
    tool({
      name: 'check_path_size',
      title: 'Check the size of a path',
      description: 'How much disk space a file or directory takes on a host.',
      input: z.strictObject({ path: z.string().min(1).max(4096).describe('An absolute path'), ...host }),
      output: RanOutput,
      readOnly: isRead('disk_usage_path'),
      run: ({ path, host: name }, call) => withValue('disk_usage_path', pick(name), path, call),
    }),
    tool({
      name: 'system_overview',
      title: 'System overview',
      description:
        'Name, uptime, disk, memory, busiest processes and failed services of a host, all at once.',
      input: z.strictObject(host),
      output: RanOutput,
      readOnly: isRead(...overview),
      run: ({ host: name }, call) => several(overview, pick(name), call),
    }),
    ...createCatalogueTools({ catalogue, hosts, fallback, policy: options.policy }),
    createGetResult({ ...options, keep }),
    createReadOutput({ catalogue, hosts, policy: options.policy, outputs: options.outputs }),
  ];
}
