/**
 * The nine tools: their names, arguments and which commands of the catalogue each runs.
 * The list is fixed for a catalogue; rights are checked at the call.
 */
import { z } from 'zod';
import type { CommandSpec, Host } from '../core/command.ts';
import type { Policy } from '../core/policy.ts';
import { decide, inScope } from '../core/policy-decision.ts';
import { visible } from '../core/visible.ts';
import type { CallControl } from './calls.ts';
import type { Execute } from './execute.ts';
import type { Caller } from './identity.ts';
import { type Answered, replyToMany, replyToOne, type ToolReply } from './reply.ts';
import { ListOutput, oneOf, Parameters, PingOutput, RanOutput, StatusOutput } from './schemas.ts';

/** What one call brings. */
interface ToolCallContext {
  readonly caller: Caller;
  readonly control: CallControl;
  /** The sealed state, when people have answered. */
  readonly sealed?: string;
}

export interface Tool {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: z.ZodObject;
  readonly output: z.ZodObject;
  readonly readOnly: boolean;
  run(args: unknown, call: ToolCallContext): Promise<ToolReply>;
}

export interface ToolsOptions {
  readonly catalogue: readonly CommandSpec[];
  readonly hosts: readonly Host[];
  readonly defaultHost?: string;
  readonly policy: () => Policy | Promise<Policy>;
  readonly execute: Execute;
  readonly version: string;
}

const overview = ['hostname', 'uptime', 'disk_usage', 'memory_usage', 'top_processes', 'failed_services'];

export function createTools(options: ToolsOptions): readonly Tool[] {
  const { catalogue, hosts } = options;
  const specOf = (name: string) => catalogue.find((c) => c.name === name);
  const fallback = options.defaultHost ?? (hosts.length === 1 ? hosts[0]?.name : undefined);
  const names = hosts.map((h) => h.name);
  const hostArg = oneOf(names, fallback ? `The host to run on (default ${fallback})` : 'The host to run on');
  const host = { host: fallback ? hostArg.optional() : hostArg };
  const onAnyHost = { host: hostArg.optional() };
  const pick = (name: string | undefined): Host => {
    const found = hosts.find((h) => h.name === (name ?? fallback));
    if (!found) throw new TypeError('the schema let an unknown host through');
    return found;
  };
  const isRead = (...commands: string[]) => commands.every((c) => (specOf(c)?.risk ?? 'read') === 'read');

  const several = async (commands: readonly string[], on: Host, call: ToolCallContext, params = {}) => {
    const specs = commands.flatMap((name) => specOf(name) ?? []);
    const missing = commands.filter((name) => !specOf(name));
    const answers = await Promise.all(
      specs.map(async (spec): Promise<Answered> => {
        const ask = { spec, params, host: on, mayAsk: false };
        return { ask, reply: await options.execute(ask, call.caller, call.control) };
      }),
    );
    return replyToMany(answers, missing);
  };
  const one = async (
    name: string,
    on: Host,
    params: Readonly<Record<string, string>>,
    call: ToolCallContext,
  ) => {
    const spec = specOf(name);
    if (!spec) return replyToMany([], [name]);
    const ask = {
      spec,
      params,
      host: on,
      mayAsk: true,
      ...(call.sealed !== undefined ? { sealed: call.sealed } : {}),
    };
    return replyToOne({ ask, reply: await options.execute(ask, call.caller, call.control) });
  };
  /** For tools with one value of their own: it goes to the command's only parameter, whatever that is called. */
  const withValue = (name: string, on: Host, value: string, call: ToolCallContext) => {
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
        const asked = await several(['hostname', 'uptime'], pick(name), call);
        const { version } = options;
        const facts = `opsagent ${version}: ${catalogue.length} commands, hosts ${names.join(', ')}.`;
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
      name: 'list_commands',
      title: 'List commands',
      description: 'The commands you may run or ask for here, with their parameters, by category.',
      input: z.strictObject({
        category: oneOf([...new Set(catalogue.map((c) => c.category))], 'Only this category').optional(),
        ...onAnyHost,
      }),
      output: ListOutput,
      readOnly: true,
      async run({ category, host: name }, { caller }) {
        const where = name ? [pick(name)] : hosts;
        const specs = catalogue.filter((c) => category === undefined || c.category === category);
        return listing(specs, where, caller, await options.policy());
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
        parameters: Parameters.optional(),
        reason: z.string().max(1000).optional().describe('Why, for the people who approve'),
        ...host,
      }),
      output: RanOutput,
      readOnly: false,
      run({ command_name: command, parameters, host: name }, call) {
        const entries = Object.entries(parameters ?? {}).map(([key, value]) => [key, String(value)]);
        return one(command, pick(name), Object.fromEntries(entries), call);
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
  ];
}

/** Ties a tool's arguments to its schema, then forgets their type. */
function tool<Input extends z.ZodObject>(definition: {
  name: string;
  title: string;
  description: string;
  input: Input;
  output: z.ZodObject;
  readOnly: boolean;
  run(args: z.infer<Input>, call: ToolCallContext): Promise<ToolReply>;
}): Tool {
  return { ...definition, run: (args, call) => definition.run(definition.input.parse(args), call) };
}

function signature({ name, params }: CommandSpec): string {
  if (params.length === 0) return name;
  return `${name}(${params.map((p) => (p.optional || p.default !== undefined ? `${p.name}?` : p.name)).join(', ')})`;
}

/** What this caller may run or ask for; without a signed request only reads, since nobody could be asked. */
function listing(
  specs: readonly CommandSpec[],
  hosts: readonly Host[],
  caller: Caller,
  policy: Policy,
): ToolReply {
  const conversation = caller.kind === 'signed' ? caller.conversation : undefined;
  const mayRun = (spec: CommandSpec, host: Host) =>
    inScope(spec, host) &&
    (caller.kind === 'signed' || spec.risk === 'read') &&
    decide(policy, caller.askers, { command: spec, host, conversation }).kind !== 'refuse';

  const commands = specs.flatMap((spec) => {
    const on = hosts.filter((host) => mayRun(spec, host)).map((host) => host.name);
    if (on.length === 0) return [];
    const parameters = spec.params.map(({ name, description, optional }) => ({
      name,
      description,
      optional,
    }));
    const { name, description, category, risk } = spec;
    return [{ name, description, category, risk, needs_approval: risk !== 'read', parameters, hosts: on }];
  });
  const lines = [...new Set(commands.map((c) => c.category))].flatMap((category) => [
    `${category}:`,
    ...commands
      .filter((c) => c.category === category)
      .map((c) => {
        const spec = specs.find((s) => s.name === c.name);
        return `- ${spec ? signature(spec) : c.name}: ${c.description}${c.needs_approval ? ' [approval]' : ''}`;
      }),
  ]);
  const none = 'There is no command here that you may run.';
  return { text: lines.join('\n') || none, isError: false, structured: { commands } };
}
