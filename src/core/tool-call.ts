/**
 * One tool call of the agent and where it stands. Nothing that can run is called before `started` is saved;
 * a call found `started` by another worker is attached to by its id, never run a second time by us.
 */
import type { Approval } from './approval.ts';
import type { NotRun, RanCommand } from './command.ts';
import type { CallId } from './ids.ts';
import type { JsonObject } from './json.ts';

/** What a finished call left behind: text for the model, commands for people. */
export interface CallResult {
  readonly text: string;
  readonly isError: boolean;
  readonly ran: readonly RanCommand[];
  /** Of a call on several hosts, in a line: "37 of 40 agree; 3 differ; 2 unreachable". */
  readonly summary?: string;
  readonly notRun?: readonly NotRun[];
}

export type CallState =
  | { readonly kind: 'proposed' }
  | { readonly kind: 'waiting' }
  | { readonly kind: 'cleared' }
  | { readonly kind: 'started'; readonly at: number; readonly by: string }
  | { readonly kind: 'done'; readonly result: CallResult; readonly ms: number }
  /** `by` says whose no it was: the policy's, a person's, or nobody's because time ran out or the run was stopped. */
  | {
      readonly kind: 'refused';
      readonly by: 'policy' | 'person' | 'expired' | 'stopped';
      readonly reason: string;
    }
  | { readonly kind: 'lost'; readonly reason: string };

export interface ToolCall {
  readonly id: CallId;
  /** The id under which the model wants its result. */
  readonly modelId: string;
  readonly tool: string;
  readonly args: JsonObject;
  readonly approval?: Approval;
  readonly state: CallState;
}

export function isSettled(call: ToolCall): boolean {
  return call.state.kind === 'done' || call.state.kind === 'refused' || call.state.kind === 'lost';
}

/** Calls that the owner may make now: never asked, or cleared by people, or begun by a worker that died. */
export function isCallable(call: ToolCall): boolean {
  return call.state.kind === 'proposed' || call.state.kind === 'cleared' || call.state.kind === 'started';
}

/** What the model reads as the result of a settled call. */
export function resultText(call: ToolCall): { readonly text: string; readonly isError: boolean } {
  switch (call.state.kind) {
    case 'done':
      return { text: call.state.result.text, isError: call.state.result.isError };
    case 'refused':
      return { text: call.state.reason, isError: true };
    case 'lost':
      return {
        text: `Outcome unknown: ${call.state.reason} It was not run again. Check the state with a read-only command before doing anything else.`,
        isError: true,
      };
    default:
      return { text: 'This call has not finished.', isError: true };
  }
}
