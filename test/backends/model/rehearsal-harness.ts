/**
 * The rehearsal model in a room of its own: the nine tools as the whitelist server describes them, and a round of
 * question, calls, results and answer.
 */
import { createRehearsal } from '../../../src/backends/model/rehearsal.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import type { ModelCall, ModelInput, ToolSpec } from '../../../src/core/ports.ts';
import { ignore, never, turn } from '../../contract/model.ts';

const listing = `Runs one command of the catalogue. Commands:
- uptime: How long.
- whoami: The login.
- date: The time there.
- syslog_recent: The newest system messages.
- auth_log: Logins.
- logged_in_users: Who is logged in.
- largest_files(path): The largest files.
- disk_inodes: Inodes.
- top_processes: Busiest.
- top_memory_processes: Hungriest.
- listening_ports: Ports.
- network_connections: Connections.
- network_stats: Counters.
- failed_services: Failed units.
- service_logs(service_name, lines?): The log of a service.
- docker_ps: Containers.
- docker_images: Images.
- docker_logs(container, lines?): The log of a container.
- restart_service(service_name): Restarts a service. [approval]
- docker_restart(container): Restarts a container. [approval]
- vacuum_journal: Shrinks the journal. [approval]
- leave_marker: Practise an approval: writes a harmless file. [approval]`;

export const commands = [...listing.matchAll(/^- (\w+)/gm)].map((m) => m[1] ?? '');

export function toolsFor(hosts: readonly string[], hostNeeded = false): readonly ToolSpec[] {
  const host = { type: 'string', enum: hosts };
  const spec = (name: string, own: JsonObject = {}, description = name): ToolSpec => ({
    name,
    description,
    inputSchema: {
      type: 'object',
      properties: { ...own, host },
      ...(hostNeeded ? { required: ['host'] } : {}),
    },
  });
  return [
    spec('ping'),
    spec('server_status'),
    spec('list_commands', { category: { type: 'string' } }),
    spec('execute_command', { command_name: { type: 'string', enum: commands }, parameters: {} }, listing),
    spec('check_disk'),
    spec('check_memory'),
    spec('check_service', { service_name: { type: 'string' } }),
    spec('check_path_size', { path: { type: 'string' } }),
    spec('system_overview'),
  ];
}

export function said(text: string, tools: readonly ToolSpec[] = toolsFor(['local'])): ModelInput {
  return { system: '', tools, messages: [{ role: 'person', text }] };
}

/** What it calls for this sentence: the tool, or the command it executes, with its other arguments. */
export async function callsFor(text: string, tools?: readonly ToolSpec[]): Promise<readonly unknown[]> {
  const answer = turn(await createRehearsal().next(said(text, tools), ignore, never()));
  return answer.calls.map(({ tool, args: { command_name, reason: _, ...args } }) => [
    command_name ?? tool,
    args,
  ]);
}

/** What it says at once, without a call. */
export async function answerTo(text: string, tools?: readonly ToolSpec[]): Promise<string> {
  const answer = turn(await createRehearsal().next(said(text, tools), ignore, never()));
  if (answer.calls.length > 0) throw new Error(`expected no call, got ${JSON.stringify(answer.calls)}`);
  return answer.text;
}

/** Output as the whitelist server hands it to a model. */
export function output(command: string, body: string, end = 'exit 0', host = 'local'): string {
  const id = 'kX3v9Qz1LmPa';
  return `${command} … on ${host}: ${end}, 12 ms\n<output id="${id}" host="${host}" command="${command}">\n${body || '(no output)'}\n</output id="${id}">`;
}

export type Result = string | { readonly refused: string };

/** A whole round: asks, gives each call this result, returns the answer. */
export async function answerAfter(text: string, ...results: readonly Result[]): Promise<string> {
  const model = createRehearsal();
  const ask = said(text);
  const first = turn(await model.next(ask, ignore, never()));
  const messages: ModelInput['messages'] = [
    ...ask.messages,
    { role: 'agent', text: first.text, calls: first.calls },
    { role: 'results', results: first.calls.map((call, i) => resultOf(call, results[i] ?? results[0])) },
  ];
  const second = turn(await model.next({ ...ask, messages }, ignore, never()));
  if (second.calls.length > 0) throw new Error('an answer that calls again');
  return second.text;
}

function resultOf(
  { modelId: callId }: ModelCall,
  result: Result = '',
): {
  callId: string;
  text: string;
  isError: boolean;
} {
  return typeof result === 'string'
    ? { callId, text: result, isError: false }
    : { callId, text: result.refused, isError: true };
}
