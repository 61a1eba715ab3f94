/**
 * How much: quotas of people and budgets of runs, counted where commands are let through. Whatever worker or client
 * asks, it is this count that decides; an unreadable one refuses.
 */
import { join } from 'node:path';
import type { CommandSpec } from '../core/command.ts';
import { digestOf } from '../core/json.ts';
import {
  type Asker,
  type Budget,
  coversCommand,
  defaultBudget,
  isAmong,
  type Policy,
  personOf,
  type Quota,
} from '../core/policy.ts';
import type { Clock, Logger } from '../core/ports.ts';
import type { Caller } from './identity.ts';
import type { Judgement } from './judgement.ts';
import { type LedgerEntry, openLedger } from './ledger.ts';
import type { OnHost } from './on-host.ts';
import { takeTurn } from './turn.ts';

export interface Limits {
  /**
   * Lets a judgement stand and counts it, or turns it into a refusal. A question counts as a question; the run that
   * follows it counts when it is let through. The same call is counted once, however often it comes.
   */
  admit(judgement: Judgement, call: LimitedCall): Promise<Judgement>;
}

export interface LimitedCall {
  readonly policy: Policy;
  readonly caller: Caller;
  readonly spec: CommandSpec;
  readonly on: readonly OnHost[];
}

/** One tool call may be several commands on a host; no tool of ours has more. */
const commandsPerCall = 8;
/** The gate does not hear of a denial, so it bounds the questions of a run, not those still open. */
const questionsPerOpen = 4;
/** How long other processes over the same data directory are waited for. */
const patienceMs = 5_000;

export function createLimits(options: {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
}): Limits {
  const { clock, logger } = options;
  const ledger = openLedger(options.dataDir, clock.now());
  let last: Promise<unknown> = Promise.resolve();

  const count = async (judgement: Judgement, call: LimitedCall): Promise<Judgement> => {
    const release = await takeTurn(join(options.dataDir, 'quota.lock'), patienceMs);
    if (!release) throw new Error('another process counts quotas and does not end');
    try {
      return await countInTurn(judgement, call);
    } finally {
      await release();
    }
  };

  const countInTurn = async (judgement: Judgement, call: LimitedCall): Promise<Judgement> => {
    const { policy, caller } = call;
    const now = clock.now();
    const { today, before } = await ledger.read(now);
    const counted: LedgerEntry[] = [];
    for (const one of call.on) {
      const entry = entryOf(judgement.kind === 'run' ? 'run' : 'question', call, one, now);
      if (today.some((e) => isSame(e, entry)) || before.some((e) => isSame(e, entry))) continue;
      const soFar = [...today, ...counted];
      const over =
        overQuota(policy, caller.askers, entry, soFar) ??
        (entry.run === undefined
          ? undefined
          : overBudget(policy.budget ?? defaultBudget, entry, ofRun([...before, ...soFar], entry.run)));
      if (over) return { kind: 'refused', of: 'call', reason: over.reason, data: { rule: over.rule } };
      counted.push(entry);
    }
    for (const entry of counted) await ledger.append(entry);
    return judgement;
  };

  return {
    async admit(judgement, call) {
      if (judgement.kind !== 'run' && judgement.kind !== 'ask') return judgement;
      // One at a time: two calls at once must not both take the last place.
      const counted = last
        .then(() => count(judgement, call))
        .catch((error: unknown): Judgement => {
          logger.error({ err: error }, 'quotas cannot be counted');
          return { kind: 'refused', of: 'call', reason: 'Quotas cannot be counted, so nothing was run.' };
        });
      last = counted;
      return counted;
    },
  };
}

/** The same call on the same host is counted once, however often it comes. */
function isSame(a: LedgerEntry, b: LedgerEntry): boolean {
  return (
    a.call === b.call &&
    a.kind === b.kind &&
    a.command === b.command &&
    a.host === b.host &&
    a.values === b.values
  );
}

function entryOf(
  kind: LedgerEntry['kind'],
  call: LimitedCall,
  { host, command }: OnHost,
  at: number,
): LedgerEntry {
  const { caller, spec } = call;
  const signed = caller.kind === 'signed';
  const who = caller.askers.map((a) => personOf(call.policy, a.account));
  return {
    kind,
    at,
    ...(signed ? { run: caller.runId } : {}),
    call: signed ? caller.callId : `unsigned-${command.digest.slice(0, 8)}-${at}-${++unsigned}`,
    who: [...new Set(who)].sort(),
    command: spec.name,
    category: spec.category,
    risk: spec.risk,
    host: host.name,
    values: digestOf(command.values),
  };
}

let unsigned = 0;

const ofRun = (entries: readonly LedgerEntry[], run: string) => entries.filter((e) => e.run === run);

interface Over {
  readonly rule: string;
  readonly reason: string;
}

/** Everybody who asks must have something left: a run of two people counts for both. */
function overQuota(
  policy: Policy,
  askers: readonly Asker[],
  entry: LedgerEntry,
  today: readonly LedgerEntry[],
): Over | undefined {
  for (const quota of policy.quotas ?? []) {
    if (!isAbout(quota, entry)) continue;
    for (const asker of askers) {
      if (quota.who && !isAmong(policy, quota.who, asker)) continue;
      const person = personOf(policy, asker.account);
      const theirs = today.filter(
        (e) =>
          e.kind === 'run' &&
          e.who.includes(person) &&
          (quota.together ? isAbout(quota, e) : e.command === entry.command),
      );
      const used = timesRun(theirs, entry);
      if (used >= quota.perDay)
        return {
          rule: quota.name,
          reason: `${person} has used up today's quota of ${quota.together ? 'such commands' : entry.command}: ${used} of ${quota.perDay} (rule ${quota.name}). It begins anew at midnight UTC.`,
        };
    }
  }
  return undefined;
}

/** A read on a group of hosts is one; a change counts on each host. What belongs to this entry's own read does not. */
function timesRun(entries: readonly LedgerEntry[], entry: LedgerEntry): number {
  const timeOf = (e: LedgerEntry) => `${e.call} ${e.command}${e.risk === 'read' ? '' : ` ${e.host}`}`;
  return new Set(entries.map(timeOf).filter((time) => time !== timeOf(entry))).size;
}

function isAbout(quota: Quota, entry: Pick<LedgerEntry, 'command' | 'category' | 'risk'>): boolean {
  const command = { name: entry.command, category: entry.category };
  return (quota.risk?.includes(entry.risk) ?? true) && coversCommand(quota, command);
}

function overBudget(budget: Budget, entry: LedgerEntry, past: readonly LedgerEntry[]): Over | undefined {
  const over = (what: string, limit: number): Over => ({
    rule: 'budgets',
    reason: `This run has used up its budget: ${what} (limit ${limit}). Ask anew for a smaller part of it.`,
  });
  const calls = new Set(past.map((e) => e.call)).add(entry.call);
  if (calls.size > budget.calls) return over(`${budget.calls} tool calls`, budget.calls);
  const commands = new Set(past.map((e) => `${e.call} ${e.command}`)).size;
  if (commands > budget.calls * commandsPerCall) return over(`${commands} commands`, commands);
  const hosts = new Set(past.map((e) => e.host)).add(entry.host);
  if (hosts.size > budget.hosts) return over(`${budget.hosts} hosts`, budget.hosts);
  const same = past.filter(
    (e) =>
      e.kind === entry.kind &&
      e.command === entry.command &&
      e.host === entry.host &&
      e.values === entry.values,
  ).length;
  if (same >= budget.repeats) return over(`exactly this ${entry.command} ${same} times`, budget.repeats);
  const asked = past.flatMap((e) => (e.kind === 'question' && e.call !== entry.call ? [e.call] : []));
  const questions = new Set(asked).size;
  const most = budget.openApprovals * questionsPerOpen;
  return entry.kind === 'question' && questions >= most
    ? over(`${questions} questions to people`, most)
    : undefined;
}
