/**
 * policy.yaml while it is edited: looked at whenever it is asked for, taken when it is whole and good, kept as it was
 * when it is not. Nothing polls; between two questions nobody needs to know.
 */
import { readFileSync, statSync } from 'node:fs';
import { sha256 } from '../core/json.ts';
import type { Policy } from '../core/policy.ts';
import type { Clock } from '../core/ports.ts';
import { type LoadedPolicy, loadPolicy } from './policy.ts';
import { policyChanges } from './policy-changes.ts';
import type { KnownNames } from './policy-check.ts';
import type { ConfigProblem } from './problem.ts';

/** The file as it was read at start. */
export interface PolicySource {
  readonly path: string;
  /** As messages name it. */
  readonly shown: string;
  /** SHA-256 of its text, hex. */
  readonly hash: string;
  readonly known: KnownNames;
}

export interface LivePolicy {
  /** The policy in force at this moment. */
  now(): Policy;
  /** SHA-256 of the text that is in force, hex. */
  hash(): string;
  /** Why the file as it is now is not in force; empty when it is. */
  problems(): readonly ConfigProblem[];
}

export interface LivePolicyOptions {
  readonly source: PolicySource;
  readonly policy: Policy;
  readonly clock: Clock;
  /** A good edit took effect. */
  onLoaded(loaded: { readonly hash: string; readonly changes: readonly string[] }): void;
  /** An edit is not taken; told once for each text. */
  onRefused(problems: readonly ConfigProblem[]): void;
}

/** A file that changed less than this ago may still be in the writing. */
export const settleMs = 500;

export function createLivePolicy(options: LivePolicyOptions): LivePolicy {
  const { source, clock } = options;
  let policy = options.policy;
  let hash = source.hash;
  let problems: readonly ConfigProblem[] = [];
  /** What the file looked like when it was last dealt with, and what it looks like since when. */
  let dealtWith = '';
  let seen = { look: '', since: 0 };

  const refuse = (found: readonly ConfigProblem[]) => {
    problems = found;
    options.onRefused(found);
  };

  const look = () => {
    const before = lookOf(source.path);
    if (before.look === dealtWith) return;
    const now = clock.now();
    if (seen.look !== before.look) seen = { look: before.look, since: now };
    const still = before.changedAt === undefined ? 0 : Math.abs(now - before.changedAt);
    if (Math.max(still, now - seen.since) < settleMs) return;

    const text = textOf(source.path);
    // Somebody wrote while we read: the next question looks again.
    if (lookOf(source.path).look !== before.look) return;
    dealtWith = before.look;
    if (text === undefined)
      return refuse([
        { where: source.shown, what: 'the file is gone or cannot be read', remedy: 'put it back' },
      ]);
    const newHash = sha256(text);
    if (newHash === hash) {
      problems = [];
      return;
    }
    const loaded: LoadedPolicy = loadPolicy(source.shown, text, source.known);
    if (loaded.problems.length > 0) return refuse(loaded.problems);
    const changes = policyChanges(policy, loaded.policy);
    policy = loaded.policy;
    hash = newHash;
    problems = [];
    options.onLoaded({ hash, changes });
  };

  return {
    now: () => {
      look();
      return policy;
    },
    hash: () => hash,
    problems: () => {
      look();
      return problems;
    },
  };
}

/** What tells one state of a file from another without reading it; also when another file took its name. */
function lookOf(path: string): { readonly look: string; readonly changedAt?: number } {
  try {
    const { mtimeMs, ctimeMs, size, ino } = statSync(path);
    return { look: `${ino} ${size} ${mtimeMs} ${ctimeMs}`, changedAt: mtimeMs };
  } catch {
    return { look: 'gone' };
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
