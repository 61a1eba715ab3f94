/**
 * What many hosts answered to one command, folded: identical results once, failures first, then the hosts that differ
 * with a diff against the majority, then the majority, and apart from all of them who could not be reached.
 */
import { FILE_HEADERS_ONLY, formatPatch, structuredPatch } from 'diff';
import { hostNames, type RanCommand, succeeded } from '../core/command.ts';

/** How it ended on one host; `text` is the whole clean output. */
export interface HostAnswer {
  readonly ran: RanCommand;
  readonly text: string;
}

export interface FoldedAnswer extends HostAnswer {
  /** Of the first of the hosts, with `sameOn` for the others and `differs` for the diff. */
  readonly ran: RanCommand;
  readonly kind: 'failed' | 'differs' | 'agrees' | 'unreachable';
}

export interface FoldedAnswers {
  readonly answers: readonly FoldedAnswer[];
  /** "37 of 40 agree; 3 differ; 2 unreachable". */
  readonly summary: string;
}

interface Group {
  readonly first: HostAnswer;
  readonly hosts: string[];
  /** Position of its first host, for an order that does not change. */
  readonly at: number;
}

/** Folds the answers, which are in the order of the inventory; `notRun` hosts are only counted. */
export async function foldAnswers(answers: readonly HostAnswer[], notRun = 0): Promise<FoldedAnswers> {
  const groups = groupsIn(answers);
  const reached = groups.filter((g) => g.first.ran.end.kind !== 'unreachable');
  const base = majorityOf(reached);
  const kindOf = (group: Group): FoldedAnswer['kind'] => {
    const { end } = group.first.ran;
    if (end.kind === 'unreachable') return 'unreachable';
    if (group === base?.group) return 'agrees';
    return succeeded(end) ? 'differs' : 'failed';
  };
  const sorted = groups
    .map((group) => ({ group, kind: kindOf(group) }))
    .sort(
      (a, b) =>
        order.indexOf(a.kind) - order.indexOf(b.kind) ||
        a.group.hosts.length - b.group.hosts.length ||
        a.group.at - b.group.at,
    );

  const folded: FoldedAnswer[] = [];
  let diffs = 0;
  for (const { group, kind } of sorted) {
    const { ran, text } = group.first;
    const [, ...others] = group.hosts;
    let differs: string | undefined;
    if (base && (kind === 'failed' || kind === 'differs') && diffs < mostDiffs) {
      diffs += 1;
      differs = diffOf(base.group, group);
      // Other calls get their turn between two of them.
      await new Promise((resolve) => setImmediate(resolve));
    }
    folded.push({
      kind,
      text,
      ran: {
        ...ran,
        ...(others.length > 0 ? { sameOn: others } : {}),
        ...(differs === undefined ? {} : { differs }),
      },
    });
  }
  return { answers: folded, summary: summaryOf(groups, base, notRun) };
}

const order: readonly FoldedAnswer['kind'][] = ['failed', 'differs', 'agrees', 'unreachable'];

/** By how it ended, what it printed and how it left its host; that one took longer is no difference. */
function groupsIn(answers: readonly HostAnswer[]): Group[] {
  const groups = new Map<string, Group>();
  answers.forEach((answer, at) => {
    const { end, host } = answer.ran;
    const ended = 'problem' in end ? { ...end, problem: withoutHost(end.problem, host) } : end;
    const key = JSON.stringify([ended, answer.text, answer.ran.probe ?? null]);
    const group = groups.get(key);
    if (group) group.hosts.push(host);
    else groups.set(key, { first: answer, hosts: [host], at });
  });
  return [...groups.values()];
}

/** Words about a host that would be the same about another: without its name and the address in brackets after it. */
export function withoutHost(text: string, host: string): string {
  const name = host.replace(/[.]/g, '\\.');
  return text.replace(
    new RegExp(`(?<![a-z0-9._-])${name}(?![a-z0-9_-]|\\.[a-z0-9])(?: \\([^)]*\\))?`, 'g'),
    'the host',
  );
}

interface Base {
  readonly group: Group;
  /** False where two results stand against each other and none has more than half. */
  readonly isMajority: boolean;
}

/** What the others are compared with: the result of more than half, or the larger of only two. */
function majorityOf(groups: readonly Group[]): Base | undefined {
  const total = sum(groups);
  const [largest] = [...groups].sort((a, b) => b.hosts.length - a.hosts.length || a.at - b.at);
  if (!largest || (groups.length === total && total > 2)) return undefined;
  const isMajority = largest.hosts.length * 2 > total;
  return isMajority || groups.length === 2 ? { group: largest, isMajority } : undefined;
}

function summaryOf(groups: readonly Group[], base: Base | undefined, notRun: number): string {
  const reached = groups.filter((g) => g.first.ran.end.kind !== 'unreachable');
  const total = sum(reached);
  const failed = reached.filter((g) => !succeeded(g.first.ran.end));
  const parts: string[] = [];
  if (base?.isMajority) {
    const agree = base.group.hosts.length;
    const all = failed.includes(base.group)
      ? `${agree} of ${total} agree (failed)`
      : `${agree} of ${total} agree`;
    const others = failed.filter((g) => g !== base.group);
    const differ = total - agree;
    parts.push(all);
    if (differ > 0)
      parts.push(
        `${differ} ${differ === 1 ? 'differs' : 'differ'}${others.length > 0 ? ` (${sum(others)} failed)` : ''}`,
      );
  } else if (total > 0) {
    parts.push(
      reached.length === total
        ? `${total} answered, each differently`
        : `${total} answered, with ${reached.length} different results`,
    );
    if (failed.length > 0) parts.push(`${sum(failed)} failed`);
  }
  const unreachable = sum(groups) - total;
  if (unreachable > 0) parts.push(`${unreachable} unreachable`);
  if (notRun > 0) parts.push(`${notRun} not run`);
  return parts.join('; ');
}

function sum(groups: readonly Group[]): number {
  return groups.reduce((hosts, group) => hosts + group.hosts.length, 0);
}

/** How much work diffs may be: of so many results, of texts so long, so many changed lines, so many ms each. */
const mostDiffs = 20;
const mostCompared = 200_000;
const mostChanged = 400;
const mostMs = 60;
/** Characters of one diff as it is kept. */
const diffChars = 1500;

/** undefined when the outputs are equal, one has nothing, or a diff would show no more than the output does. */
function diffOf(base: Group, other: Group): string | undefined {
  const [a, b] = [base.first.text, other.first.text];
  if (a === b || a === '' || b === '' || a.length > mostCompared || b.length > mostCompared) return undefined;
  if (!a.includes('\n') && !b.includes('\n')) return undefined;
  const options = { context: 1, maxEditLength: mostChanged, timeout: mostMs };
  const names = [base, other].map((g) => hostNames(g.hosts));
  const patch = structuredPatch(
    names[0] ?? '',
    names[1] ?? '',
    `${a}\n`,
    `${b}\n`,
    undefined,
    undefined,
    options,
  );
  if (!patch || patch.hunks.every((hunk) => hunk.lines.every((line) => !line.startsWith(' '))))
    return undefined;
  const text = formatPatch(patch, FILE_HEADERS_ONLY).trimEnd();
  if (text.length <= diffChars) return text;
  const cut = text.slice(0, diffChars);
  const kept = cut.slice(0, Math.max(cut.lastIndexOf('\n'), 0));
  const left = text.slice(kept.length).split('\n').length - 1;
  return `${kept}\n[… ${left} more lines of the diff …]`;
}
