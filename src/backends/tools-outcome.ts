/**
 * From the whitelist server's answers to what the worker works with. The server is our own program, yet a process of
 * its own: what is not of the expected shape becomes a plain error, never a crash of the run.
 */
import type { CallToolResult, InputRequiredResult } from '@modelcontextprotocol/client';
import type { ApprovalRequest } from '../core/approval.ts';
import type { NotRun, RanCommand } from '../core/command.ts';
import { approvalKey, outcomeKey } from '../core/mcp-meta.ts';
import type { ToolOutcome } from '../core/ports.ts';

type Fields = Readonly<Record<string, unknown>>;

/** The outcome of one finished `tools/call`. */
export function outcomeOf(result: CallToolResult | InputRequiredResult): ToolOutcome {
  const answer: Fields = { ...result };
  const meta = fields(answer._meta);
  if (answer.resultType === 'input_required') return approvalOf(meta[approvalKey]);

  const text = textOf(answer.content);
  switch (meta[outcomeKey]) {
    case 'refused':
      return { kind: 'refused', reason: text };
    case 'lost':
      return { kind: 'lost', reason: text };
    default: {
      const { ran, summary, not_run: notRun } = fields(answer.structuredContent);
      const commands = Array.isArray(ran) ? ran.filter(isRan) : [];
      const without = Array.isArray(notRun) ? notRun.filter(isNotRun) : [];
      return {
        kind: 'result',
        result: {
          text,
          isError: answer.isError === true,
          ran: commands,
          ...(typeof summary === 'string' ? { summary } : {}),
          ...(without.length > 0 ? { notRun: without } : {}),
        },
      };
    }
  }
}

function approvalOf(request: unknown): ToolOutcome {
  const { id, callId, runId, digest, sealed, expiresAt, subject, rule } = fields(request);
  const whole =
    [id, callId, runId, digest, sealed].every((v) => typeof v === 'string') &&
    typeof expiresAt === 'number' &&
    typeof subject === 'object' &&
    typeof rule === 'object';
  if (whole) return { kind: 'approval', request: request as ApprovalRequest };
  return {
    kind: 'unavailable',
    problem: {
      code: 'tools-unavailable',
      message: 'The whitelist server asked for something this worker does not understand.',
      remedy: 'Run the same version of opsagent everywhere.',
    },
  };
}

function textOf(content: unknown): string {
  if (!Array.isArray(content)) return '';
  return content.flatMap((c) => (typeof c?.text === 'string' ? [c.text] : [])).join('\n');
}

function isRan(value: unknown): value is RanCommand {
  const { command, host, line, output, end, sameOn = [] } = fields(value);
  return (
    [command, host, line, output].every((v) => typeof v === 'string') &&
    typeof fields(end).kind === 'string' &&
    areNames(sameOn)
  );
}

/** Of a group of hosts; what of several commands on one host was not run names no hosts. */
function isNotRun(value: unknown): value is NotRun {
  const { command, hosts, reason } = fields(value);
  return [command, reason].every((v) => typeof v === 'string') && areNames(hosts);
}

function areNames(value: unknown): boolean {
  return Array.isArray(value) && value.every((name) => typeof name === 'string');
}

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}
