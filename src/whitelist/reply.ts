/**
 * What a tool answers: text for the model, the same as data, and whether it is out of the ordinary.
 * Everything that a host wrote stands fenced and labelled with its host and command.
 */
import type { ApprovalRequest } from '../core/approval.ts';
import { endText, hostNames, type NotRun, type RanCommand } from '../core/command.ts';
import type { JsonObject } from '../core/json.ts';
import type { CommandAsk, CommandReply } from './asked.ts';
import type { Caller } from './identity.ts';
import type { RanOne } from './on-host.ts';
import { fenceOutput, foldOutput } from './output.ts';
import type { KeptOutput } from './output-store.ts';
import { foldReply } from './reply-folded.ts';
import { keptReply } from './reply-kept.ts';
import { stateTexts } from './reply-state.ts';

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
  readonly ask: Pick<CommandAsk, 'spec' | 'params' | 'hosts'>;
  readonly reply: CommandReply;
}

const mostChars = 12_000;
const fewestChars = 800;

/** How many characters of output this call may give: what is left of the run's budget, or our own limit. */
export function roomFor({ budget }: Caller): number {
  return Math.floor(Math.max(fewestChars, Math.min(mostChars, budget ?? mostChars)));
}

/** Of one command, with every way it can end. */
export async function replyToOne({ ask, reply }: Answered, caller: Caller, keep: Keep): Promise<ToolReply> {
  const { spec } = ask;
  switch (reply.kind) {
    case 'ran':
      return replyToMany([{ ask, reply }], caller, keep);
    case 'ask':
      return {
        text: `${reply.request.subject.line} on ${onHosts(ask)} needs an approval. Nothing has run.`,
        isError: true,
        structured: { ran: [], approval_required: true },
        approval: reply.request,
      };
    case 'approval-required':
      return approvalRequired(ask, reply.line, reply.reason);
    case 'kept': {
      const { request, rule, watched } = reply;
      const { id, command, hosts, expiresAt } = request;
      const each = rule.each ?? [rule];
      const needs = each.map((e) => `${e.people} of ${e.who.join(', ')}`).join(' and ');
      return keptReply({ id, command, hosts, expiresAt, needs, watched }, reply.line, reply.now);
    }
    case 'refused':
      return { text: reply.reason, isError: true, structured: { ran: [] }, outcome: 'refused' };
    case 'lost':
      return { text: lostText(reply), isError: true, structured: { ran: [] }, outcome: 'lost' };
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

/** So many results of a call are kept for people; of a group, those that are out of the ordinary come first. */
const mostResults = 60;

/** Of several commands: what ran, and which did not and why. An error only when none ran to its end. */
export async function replyToMany(
  answers: readonly Answered[],
  caller: Caller,
  keep: Keep,
  missing: readonly string[] = [],
): Promise<ToolReply> {
  const of = Math.max(1, answers.length);
  const share = Math.max(fewestChars / 2, Math.floor(roomFor(caller) / of));
  const parts: string[] = [];
  const ran: RanCommand[] = [];
  const notRun: (Omit<NotRun, 'hosts'> & Partial<NotRun>)[] = missing.map((command) => ({
    command,
    reason: 'not in the catalogue',
  }));
  const told: NotRun[] = [];
  const summaries: string[] = [];
  let ended = 0;

  for (const { ask, reply } of answers) {
    const [only] = reply.kind === 'ran' ? reply.each : [];
    if (reply.kind !== 'ran') {
      const { text } = await replyToOne({ ask, reply }, caller, keep);
      notRun.push({ command: ask.spec.name, reason: text });
    } else if (ask.hosts.length > 1) {
      const room = { text: share, results: Math.floor(mostResults / of), keep: keepFor(keep, caller) };
      const folded = await foldReply(ask, reply, room);
      parts.push(folded.text);
      ran.push(...folded.ran);
      // The text has told them in their place.
      told.push(...folded.notRun);
      summaries.push(folded.summary);
      ended += folded.ended;
    } else if (only) {
      ran.push(only.ran);
      if (only.ran.end.kind === 'exited') ended += 1;
      parts.push(oneText(only, share));
    }
  }
  for (const { command, reason } of notRun) parts.push(`${command} was not run: ${reason}`);
  const [summary] = summaries.length > 1 ? [severalText(answers, ran)] : summaries;
  const all = [...notRun, ...told];
  return {
    text: parts.join('\n\n'),
    isError: ended === 0,
    structured: {
      ran: ran.map(asJson),
      ...(summary === undefined ? {} : { summary }),
      ...(all.length > 0 ? { not_run: all.map(asJson) } : {}),
    },
  };
}

function oneText({ ran, text }: RanOne, share: number): string {
  const { host, line, end, ms, outputId, command } = ran;
  const label = { host, command, ...(outputId === undefined ? {} : { outputId }) };
  const output = fenceOutput(foldOutput(text, share, outputId).text, label);
  return [`${line} on ${host}: ${endText(end)}, ${ms} ms`, output, ...stateTexts(ran)].join('\n');
}

/** "6 commands on 40 hosts; 2 unreachable". */
function severalText(answers: readonly Answered[], ran: readonly RanCommand[]): string {
  const hosts = Math.max(...answers.map(({ ask }) => ask.hosts.length));
  const gone = ran.filter((r) => r.end.kind === 'unreachable').flatMap((r) => [r.host, ...(r.sameOn ?? [])]);
  const unreachable = gone.length > 0 ? `; ${new Set(gone).size} unreachable` : '';
  return `${answers.length} commands on ${hosts} hosts${unreachable}`;
}

/** One host's outcome is unknown: of others, how they ended may be known. */
function lostText({ reason, each }: Extract<CommandReply, { kind: 'lost' }>): string {
  const known = each.map(({ ran }) => `On ${ran.host} it ended: ${endText(ran.end)}.`);
  return [reason, ...known].join(' ');
}

/** Keeps a whole output for whoever asked; undefined where it cannot be kept. */
export type Keep = (output: KeptOutput) => Promise<string | undefined>;

function keepFor(keep: Keep, { owner }: Caller) {
  return ({ ran, text }: RanOne) => keep({ owner, host: ran.host, command: ran.command, text });
}

function asJson(value: object): JsonObject {
  return JSON.parse(JSON.stringify(value)) as JsonObject;
}

function onHosts({ hosts }: Answered['ask']): string {
  return hostNames(hosts.map((h) => h.name));
}

/** For a client that may not ask for it itself: what is needed, and where people can ask for it. */
function approvalRequired(ask: Answered['ask'], line: string, reason: string): ToolReply {
  const { spec, hosts, params } = ask;
  const target = hosts.map((h) => h.name).join(',');
  const values = Object.entries(params).map(([name, value]) => shellWord(`${name}=${value}`));
  const cli = ['opsagent run', spec.name, '--host', target, ...values].join(' ');
  const how =
    'Ask for it where people can approve it: in Slack, Discord or the console by mentioning opsagent, ' +
    `or on its machine with: ${cli}`;
  return {
    text: `Approval required: ${line} on ${onHosts(ask)} is a ${spec.risk === 'critical' ? 'critical change' : 'change'}. Nothing has run. ${reason} ${how}`,
    isError: true,
    structured: {
      ran: [],
      approval_required: true,
      command: spec.name,
      host: target,
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
