/**
 * `read_output`: pages through what a command printed earlier, without running anything again. Only whoever made the
 * output may read it, and only while the policy still lets them read on that host.
 */
import { z } from 'zod';
import type { CommandSpec, Host } from '../core/command.ts';
import type { Policy } from '../core/policy.ts';
import { decide } from '../core/policy-decision.ts';
import { placeOf } from './gate.ts';
import { type Caller, clientOwner } from './identity.ts';
import { fenceOutput } from './output.ts';
import { type Page, pageOf } from './output-page.ts';
import type { KeptOutput, OutputStore } from './output-store.ts';
import { refusedReply, roomFor, type ToolReply } from './reply.ts';
import { PageOutput } from './schemas.ts';
import { type Tool, tool } from './tools-shape.ts';

export interface OutputToolOptions {
  readonly catalogue: readonly CommandSpec[];
  readonly hosts: readonly Host[];
  readonly policy: () => Policy | Promise<Policy>;
  readonly outputs: OutputStore;
}

const Input = z.strictObject({
  output_id: z
    .string()
    .regex(/^o[0-9a-f]{12}$/, { error: 'is not the id of an output' })
    .describe('As the line says that tells what was left out'),
  from_line: z.int().min(1).max(10_000_000).optional().describe('The first line to read, from 1'),
  lines: z.int().min(1).max(1000).optional().describe('How many lines at most (default 200)'),
  grep: z
    .string()
    .max(200)
    .optional()
    .describe('Only lines that hold this text; between slashes, /err|warn/ or /err/i, an RE2 pattern'),
});

export function createReadOutput(options: OutputToolOptions): Tool {
  return tool({
    name: 'read_output',
    title: 'Read a long output',
    description: 'Reads on in the output of a command that ran earlier in this conversation. Runs nothing.',
    input: Input,
    output: PageOutput,
    readOnly: true,
    async run({ output_id: id, from_line: fromLine = 1, lines = 200, grep }, { caller }) {
      const [client] = caller.kind === 'unsigned' ? caller.askers : [];
      const kept =
        (await options.outputs.read(id, caller.owner)) ??
        (client && (await options.outputs.read(id, clientOwner(client.account))));
      if (!kept)
        return refusedReply(`There is no output ${id} here that you may read; outputs are kept for a day.`);
      const refusal = refusalFor(options, await options.policy(), caller, kept);
      if (refusal) return refusedReply(refusal);
      const request = { fromLine, lines, maxChars: roomFor(caller), ...(grep === undefined ? {} : { grep }) };
      const paged = pageOf(kept.text, request);
      if (!paged.ok) return { ...refusedReply(paged.reason), structured: { output_id: id } };
      return reply(id, kept, paged.page);
    },
  });
}

function refusalFor(
  { hosts, catalogue }: OutputToolOptions,
  policy: Policy,
  caller: Caller,
  kept: KeptOutput,
): string | undefined {
  const host = hosts.find((h) => h.name === kept.host);
  const command = catalogue.find((c) => c.name === kept.command);
  if (!host || !command) return `${kept.command} on ${kept.host} is no longer known here.`;
  const conversation = placeOf(policy, caller, command);
  const decision = decide(policy, caller.askers, { command, host, conversation });
  return decision.kind === 'refuse' ? decision.reason : undefined;
}

function reply(id: string, { host, command }: KeptOutput, { lines, total, next }: Page): ToolReply {
  const numbered = lines.map(({ n, text }) => `${n}: ${text}`).join('\n');
  const shown = lines.length === 0 ? 'no such line' : `lines ${lines[0]?.n} to ${lines.at(-1)?.n}`;
  const fenced = fenceOutput(numbered, { host, command, outputId: id });
  const on = next === undefined ? 'the end' : `go on with from_line=${next}`;
  return {
    text: `${command} on ${host}, ${shown} of ${total}; ${on}\n${fenced}`,
    isError: false,
    structured: {
      output_id: id,
      host,
      command,
      total_lines: total,
      page: fenced,
      ...(next === undefined ? {} : { next_line: next }),
    },
  };
}
