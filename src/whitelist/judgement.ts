/**
 * What the gate decides from, and what it decides.
 */
import type { ApprovalRequest, HostState } from '../core/approval.ts';
import type { CommandSpec } from '../core/command.ts';
import type { JsonObject } from '../core/json.ts';
import type { ApproveRule, Policy } from '../core/policy.ts';
import type { FreezeState } from './freeze.ts';
import type { Caller, SignedCaller, Verify } from './identity.ts';
import type { OnHost } from './on-host.ts';
import type { Sealer } from './seal.ts';
import type { Window, Windows } from './windows.ts';

export interface GateContext {
  /** As it is now, not as it was when people were asked. */
  readonly policy: Policy;
  /** Where the nearest allowed command is looked for when this one is refused. */
  readonly catalogue?: readonly CommandSpec[];
  readonly verify: Verify;
  readonly sealer: Sealer;
  readonly windows: Pick<Windows, 'find'>;
  readonly freeze: FreezeState;
  readonly now: number;
}

export interface GateCall {
  readonly caller: Caller;
  readonly spec: CommandSpec;
  readonly on: readonly [OnHost, ...OnHost[]];
  /** The fingerprints that each host may show now, by its name; for a change. */
  readonly keys: ReadonlyMap<string, readonly string[]>;
  /** The sealed state, when the caller comes back with people's answer. */
  readonly sealed?: string;
}

export type Judgement =
  | { readonly kind: 'run'; readonly cleared?: Cleared }
  /** `question` makes what people are asked, with what the state of the hosts is. */
  | {
      readonly kind: 'ask';
      readonly question: (state: readonly HostState[] | undefined) => ApprovalRequest;
    }
  /** A client asks in nobody's name for what people have to approve under this rule: it is kept for them. */
  | { readonly kind: 'unsigned'; readonly rule: ApproveRule }
  | Refused;

export interface Refused {
  readonly kind: 'refused';
  /** `client`: people may ask for it, this client may not. */
  readonly of: 'call' | 'approval' | 'client';
  readonly reason: string;
  readonly data?: JsonObject;
}

/** A change on its way to people or back from them. */
export interface AskedChange extends GateCall {
  readonly caller: SignedCaller;
  readonly rule: ApproveRule;
  /** What decides what happens where: see binding.ts. */
  readonly binding: JsonObject;
}

/** Who allowed it, for the audit, and what goes with it. */
export interface Cleared {
  readonly rule: string;
  readonly digest: string;
  readonly approvers: readonly string[];
  /** The approval whose window covers this call. */
  readonly by?: string;
  /** The window that these votes open. */
  readonly window?: Window;
  /** The state of the hosts as the card showed it. */
  readonly before?: readonly HostState[];
}
