/**
 * What a tool answers: text for the model, the same as data, and whether it is out of the ordinary.
 * Everything that a host wrote stands fenced and labelled with its host and command.
 */
import type { ApprovalRequest } from '../core/approval.ts';
import { endText } from '../core/command.ts';
import type { JsonObject } from '../core/json.ts';
import type { CommandAsk, CommandReply } from './execute.ts';
import type { Caller } from './identity.ts';
import { fenceOutput, foldOutput } from './output.ts';

export interface ToolReply {
  readonly text: string;
  readonly isError: boolean;
  /** Of the tool's output schema, on errors as well; a refusal of the whole call has none. */
  readonly structured?: JsonObject;
  readonly outcome?: 'refused' | 'lost';
  /** Nothing has run; people are to be asked this. */
  readonly approval?: ApprovalRequest;
}

export interface Answered {
  readonly ask: CommandAsk;
  readonly reply: CommandReply;
}

const mostChars = 12_000;
const fewestChars = 800;

/** How many characters of output this call may give: what is left of the run's budget, or our own limit. */
export function roomFor({ budget }: Caller): number {
  return Math.floor(Math.max(fewestChars, Math.min(mostChars, budget ?? mostChars)));
}

/** Of one command, with every way it can end. */
export function replyToOne({ ask, reply }: Answered, caller: Caller): ToolReply {
  const { spec, host } = ask;
  switch (reply.kind) {
    case 'ran':
      return replyToMany([{ ask, reply }], caller);
    case 'ask':
      return {
        text: `${reply.request.subject.line} on ${host.name} needs an approval. Nothing has run.`,
        isError: true,
        structured: { ran: [], approval_required: true },
        approval: reply.request,
      };
    case 'approval-required':
      return approvalRequired(ask, reply.line);
    case 'refused':
      return { text: reply.reason, isError: true, structured: { ran: [] }, outcome: 'refused' };
    case 'lost':
      return { text: reply.reason, isError: true, structured: { ran: [] }, outcome: 'lost' };
    case 'invalid': {
      const problems = reply.problems.map((p) => `- ${p}`).join('\n');
      return {
        text: `${spec.name} was not run:\n${problems}`,
        isError: true,
        structured: { ran: [], problems: reply.problems },
      };
    }
    default:
      return reply satisfies never;
  }
}

/** Of several commands: what ran, and which did not and why. An error only when none ran to its end. */
export function replyToMany(
  answers: readonly Answered[],
  caller: Caller,
  missing: readonly string[] = [],
): ToolReply {
  const share = Math.max(fewestChars / 2, Math.floor(roomFor(caller) / Math.max(1, answers.length)));
  const parts: string[] = [];
  const ran: JsonObject[] = [];
  const notRun: JsonObject[] = missing.map((command) => ({ command, reason: 'not in the catalogue' }));
  let ended = 0;

  for (const { ask, reply } of answers) {
    if (reply.kind !== 'ran') {
      notRun.push({ command: ask.spec.name, reason: replyToOne({ ask, reply }, caller).text });
      continue;
    }
    const { host, line, end, ms, outputId, gap } = reply.ran;
    ran.push({ ...reply.ran, end: { ...end }, ...(gap ? { gap: { ...gap } } : {}) } as JsonObject);
    if (end.kind === 'exited') ended += 1;
    const label = { host, command: ask.spec.name, ...(outputId === undefined ? {} : { outputId }) };
    const output = fenceOutput(foldOutput(reply.text, share, outputId).text, label);
    parts.push(`${line} on ${host}: ${endText(end)}, ${ms} ms\n${output}`);
  }
  for (const { command, reason } of notRun) parts.push(`${command} was not run: ${reason}`);
  return {
    text: parts.join('\n\n'),
    isError: ended === 0,
    structured: { ran, ...(notRun.length > 0 ? { not_run: notRun } : {}) },
  };
}

/** For a client that brings nobody's signed request: what is needed, and where it can be asked for. */
function approvalRequired({ spec, host, params }: CommandAsk, line: string): ToolReply {
  const values = Object.entries(params).map(([name, value]) => shellWord(`${name}=${value}`));
  const cli = ['opsagent run', spec.name, '--host', host.name, ...values].join(' ');
  const how =
    'Ask for it where people can approve it: in Slack, Discord or the console by mentioning opsagent, ' +
    `or on its machine with: ${cli}`;
  return {
    text: `Approval required: ${line} on ${host.name} is a ${spec.risk === 'critical' ? 'critical change' : 'change'}. Nothing has run. ${how}`,
    isError: true,
    structured: {
      ran: [],
      approval_required: true,
      command: spec.name,
      host: host.name,
      risk: spec.risk,
      line,
      how,
    },
    outcome: 'refused',
  };
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

export function refusedReply(reason: string): ToolReply {
  return { text: reason, isError: true, outcome: 'refused' };
}
