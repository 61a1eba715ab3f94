/**
 * What one ask is made of on its way through the executor: the command by name, what it needs to be judged and run,
 * and how it can end.
 */
import type { ApprovalRequest } from '../core/approval.ts';
import type { ClientRequest } from '../core/client-request.ts';
import type { CommandSpec, Host } from '../core/command.ts';
import type { ApproveRule, Policy } from '../core/policy.ts';
import type { AuditLog, Clock, CommandRunner, Logger } from '../core/ports.ts';
import type { CallControl } from './calls.ts';
import type { Freeze } from './freeze.ts';
import type { HostLocks } from './host-lock.ts';
import type { Caller, Verify } from './identity.ts';
import type { OnHost, RanOne } from './on-host.ts';
import type { Cleaners } from './output.ts';
import type { OutputStore } from './output-store.ts';
import type { Limits } from './quota.ts';
import type { ClientRequests } from './requests.ts';
import type { Sealer } from './seal.ts';
import type { SpentStore } from './spent.ts';
import type { Windows } from './windows.ts';

/** What crosses into the executor: names and values, never text for a shell. */
export interface CommandAsk {
  readonly spec: CommandSpec;
  readonly params: Readonly<Record<string, string>>;
  /** Never empty. A change runs on one after another, a read on all at once. */
  readonly hosts: readonly Host[];
  /** The sealed state, when people have answered. */
  readonly sealed?: string;
  /** Why, in the words of whoever calls. */
  readonly reason?: string;
  /** False for a tool of several commands: none of them stops to ask. */
  readonly mayAsk: boolean;
}

/** How a command that may have been started ended, host by host as far as it came. */
export type Ended =
  | { readonly kind: 'ran'; readonly each: readonly RanOne[]; readonly notRun: readonly LeftOut[] }
  | { readonly kind: 'lost'; readonly reason: string; readonly each: readonly RanOne[] };

/** A host on which nothing was begun, and why. */
export interface LeftOut {
  readonly host: string;
  readonly reason: string;
}

export type CommandReply =
  | Ended
  | { readonly kind: 'ask'; readonly request: ApprovalRequest }
  /** People may ask for this, the client that did may not. */
  | { readonly kind: 'approval-required'; readonly line: string; readonly reason: string }
  /** Nothing has run; it is kept for people to decide on. */
  | {
      readonly kind: 'kept';
      readonly line: string;
      readonly rule: ApproveRule;
      readonly request: ClientRequest;
      readonly watched: boolean;
      readonly now: number;
    }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'invalid'; readonly problems: readonly string[] };

export type TrustedKeys = (
  host: Host,
) => Promise<
  | { readonly ok: true; readonly fingerprints: readonly string[] }
  | { readonly ok: false; readonly problem: string }
>;

export interface ExecuteDeps {
  /** Read anew for every call. */
  readonly policy: () => Policy | Promise<Policy>;
  readonly catalogue: readonly CommandSpec[];
  readonly limits: Limits;
  readonly verify: () => Verify;
  readonly sealer: Sealer;
  readonly spent: SpentStore<Ended>;
  readonly windows: Windows;
  readonly requests: ClientRequests;
  readonly locks: HostLocks;
  readonly freeze: Freeze;
  readonly runner: CommandRunner;
  /** The keys that a host may show now; a change is bound to them. */
  readonly trustedKeys: TrustedKeys;
  readonly audit: AuditLog;
  readonly cleaners: Cleaners;
  readonly outputs: OutputStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

export type Execute = (ask: CommandAsk, caller: Caller, control: CallControl) => Promise<CommandReply>;

/** One ask on its way: what was asked, by whom, and what it is on each host. */
export interface Context {
  readonly ask: CommandAsk;
  readonly caller: Caller;
  readonly control: CallControl;
  readonly on: readonly [OnHost, ...OnHost[]];
}

export const neverRan = 'The audit log cannot be written, so nothing was run.';
