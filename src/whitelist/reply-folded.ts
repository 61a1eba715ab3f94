/**
 * What a group of hosts answered to one command, as the model reads it and as the run keeps it: folded, within the
 * room there is, and saying what found no place.
 */
import {
  type CommandSpec,
  endText,
  hostsOf,
  type NotRun,
  type RanCommand,
  succeeded,
} from '../core/command.ts';
import { type FoldedAnswer, foldAnswers, type HostAnswer, withoutHost } from './fold.ts';
import { fenceOutput, foldOutput } from './output.ts';
import { stateTexts } from './reply-state.ts';

export interface FoldRoom {
  /** Characters of output in the text. */
  readonly text: number;
  /** How many results are kept for people to see. */
  readonly results: number;
  /** Keeps an output that had to be cut and has no id yet. */
  readonly keep: (one: HostAnswer) => Promise<string | undefined>;
}

export interface FoldedReply {
  readonly text: string;
  readonly summary: string;
  readonly ran: readonly RanCommand[];
  readonly notRun: readonly NotRun[];
  /** How many hosts saw it to its end. */
  readonly ended: number;
}

/** A shorter share of the room is not worth a fence. */
const fewestChars = 160;
const mostChars = 2500;
/** An output of one line that is no longer than this stands in a list with the others. */
const rowChars = 200;

export async function foldReply(
  ask: { readonly spec: CommandSpec; readonly hosts: readonly unknown[] },
  reply: {
    readonly each: readonly HostAnswer[];
    readonly notRun: readonly { host: string; reason: string }[];
  },
  room: FoldRoom,
): Promise<FoldedReply> {
  const notRun = notRunOf(ask.spec.name, reply.notRun);
  const { answers, summary } = await foldAnswers(reply.each, reply.notRun.length);
  const reached = answers.filter((a) => a.kind !== 'unreachable');
  const shown = answers.slice(0, room.results);
  const left = answers.length - shown.length;
  const line = answers[0]?.ran.line ?? ask.spec.name;
  const parts = [
    `${line} on ${ask.hosts.length} hosts: ${summary}.`,
    ...(await resultTexts(reached, room)),
    ...shown.flatMap(({ ran }) => stateTexts(ran)),
    ...answers
      .filter((a) => a.kind === 'unreachable')
      .map(({ ran }) => `${hostList(ran)}: ${endText(ran.end)}`),
    ...notRun.map(({ hosts, reason }) => `${namesWithin(hosts)}: not run: ${reason}`),
  ];
  return {
    text: parts.join('\n\n'),
    summary: left > 0 ? `${summary}; ${left} further results not shown` : summary,
    ran: shown.map((answer) => kept(answer, Math.floor((room.text * 1.5) / shown.length))),
    notRun,
    ended: reply.each.filter((one) => one.ran.end.kind === 'exited').length,
  };
}

/** Single lines as a list under one fence, the rest each with its own; what finds no room is named at the end. */
async function resultTexts(answers: readonly FoldedAnswer[], room: FoldRoom): Promise<string[]> {
  const isRow = ({ text }: FoldedAnswer) => text.length <= rowChars && !text.includes('\n');
  const base = answers.find((a) => a.kind === 'agrees');
  const rows = answers.filter(isRow);
  const blocks = answers.filter((a) => !isRow(a));
  const without: FoldedAnswer[] = [];
  let left = room.text;

  const texts: string[] = [];
  for (const [i, answer] of blocks.entries()) {
    const share = Math.floor((left - rows.length * 40) / (blocks.length - i));
    if (share < fewestChars) {
      without.push(answer);
      continue;
    }
    const text = await blockText(answer, base, share, room);
    left -= text.length;
    texts.push(text);
  }
  const lines: string[] = [];
  for (const answer of rows) {
    const { ran, text } = answer;
    const row = `${hostList(ran)}${succeeded(ran.end) ? '' : ` (${endText(ran.end)})`}: ${text || '(no output)'}`;
    left -= row.length + 1;
    if (left < 0) without.push(answer);
    else lines.push(row);
  }
  const [first] = rows;
  if (first && lines.length > 0) {
    const label = { host: `${lines.length} results`, command: first.ran.command };
    texts.push(fenceOutput(lines.join('\n'), label));
  }
  if (without.length > 0) texts.push(await namedOnly(without, room));
  return texts;
}

async function blockText(
  { ran, text, kind }: FoldedAnswer,
  base: FoldedAnswer | undefined,
  share: number,
  room: FoldRoom,
): Promise<string> {
  const { differs, command } = ran;
  const head = `${ran.line} on ${hostList(ran)}: ${endText(ran.end)}, ${ran.ms} ms`;
  const host = hostsOf(ran);
  if (differs !== undefined && differs.length < Math.min(text.length, share) && base) {
    const id = ran.outputId === undefined ? {} : { outputId: ran.outputId };
    return `As a diff against ${hostsOf(base.ran)}:\n${head}\n${fenceOutput(differs, { host, command, ...id })}`;
  }
  const folded = foldOutput(text, share, ran.outputId);
  const outputId = ran.outputId ?? (folded.gap ? await room.keep({ ran, text }) : undefined);
  const id = outputId === undefined ? {} : { outputId };
  const output = fenceOutput(foldOutput(text, share, outputId).text, { host, command, ...id });
  return `${kind === 'failed' ? 'Failed: ' : ''}${head}\n${output}`;
}

const mostNamed = 100;

async function namedOnly(answers: readonly FoldedAnswer[], room: FoldRoom): Promise<string> {
  const named: string[] = [];
  for (const { ran, text } of answers.slice(0, mostNamed)) {
    const id = ran.outputId ?? (await room.keep({ ran, text }));
    named.push(`- ${hostsOf(ran)}: ${endText(ran.end)}${id === undefined ? '' : `, read_output ${id}`}`);
  }
  const more = answers.length - named.length;
  if (more > 0) named.push(`- and ${more} further results; ask for fewer hosts`);
  return `No room for the output of these:\n${named.join('\n')}`;
}

/** What the run keeps of a result: a share of the room for its output, half of it for the diff where there is one. */
function kept({ ran, text }: FoldedAnswer, room: number): RanCommand {
  const share = Math.max(fewestChars, Math.min(mostChars, room));
  const display = foldOutput(text, ran.differs === undefined ? share : Math.floor(share / 2), ran.outputId);
  const { gap: _, differs, ...rest } = ran;
  return {
    ...rest,
    output: display.text,
    truncated: ran.truncated || display.folded,
    ...(display.gap ? { gap: display.gap } : {}),
    ...(differs === undefined ? {} : { differs: foldOutput(differs, share).text }),
  };
}

function notRunOf(command: string, each: readonly { host: string; reason: string }[]): readonly NotRun[] {
  const byReason = new Map<string, { hosts: string[]; reason: string }>();
  for (const { host, reason } of each) {
    const key = withoutHost(reason, host);
    const known = byReason.get(key);
    if (known) byReason.set(key, { hosts: [...known.hosts, host], reason: key });
    else byReason.set(key, { hosts: [host], reason });
  }
  return [...byReason.values()].map(({ hosts, reason }) => ({ command, hosts, reason }));
}

function hostList({ host, sameOn = [] }: RanCommand): string {
  return namesWithin([host, ...sameOn]);
}

/** The model is told the names themselves, as many as stand in a few lines. */
function namesWithin(names: readonly string[]): string {
  let text = names[0] ?? '';
  for (const [i, name] of names.entries()) {
    if (i === 0) continue;
    if (text.length + name.length > 400) return `${text} and ${names.length - i} more`;
    text += `, ${name}`;
  }
  return text;
}
