/**
 * What an MCP client of the whitelist server asks for that people have to approve first: kept until they have, and
 * how it stands. The whitelist server keeps it, the bot signs it and puts it before people like any other request.
 */
import { missingText } from './approval.ts';
import { type Conversation, type User, unnamedClient } from './conversation.ts';
import { problemText } from './errors.ts';
import { type CallId, callIdFor, type RunId, runIdFor } from './ids.ts';
import type { JsonObject } from './json.ts';
import type { Policy } from './policy.ts';
import { allCalls, type Run } from './run.ts';
import { resultText } from './tool-call.ts';

/** As it is kept in the data directory. Times are ms since the epoch. */
export interface ClientRequest {
  /** `q` + 20 hex digits, random: nobody can ask for a request's result by guessing. */
  readonly id: string;
  /** `mcp`, or `mcp:NAME` of its token. */
  readonly account: string;
  readonly command: string;
  readonly params: Readonly<Record<string, string>>;
  /** Host names, separated by commas. */
  readonly hosts: string;
  /** Why, in the client's own words. */
  readonly reason?: string;
  readonly askedAt: number;
  /** Nobody is asked any more after this. */
  readonly expiresAt: number;
}

/** How it stands, as the bot knows it. The result of a change is the whitelist server's own to tell. */
export type ClientRequestState =
  | {
      readonly kind: 'waiting';
      readonly approvalId?: string;
      /** Whose approval is missing, in words. */
      readonly needs?: string;
      readonly expiresAt?: number;
    }
  | { readonly kind: 'running' }
  | { readonly kind: 'done'; readonly text: string; readonly isError: boolean; readonly ran: JsonObject }
  | {
      readonly kind: 'refused';
      readonly by: 'policy' | 'person' | 'expired' | 'stopped';
      readonly reason: string;
    }
  | { readonly kind: 'lost'; readonly reason: string };

const idForm = /^q[0-9a-f]{20}$/;

export function isClientRequestId(text: string): boolean {
  return idForm.test(text);
}

/** The run that carries it. */
export function runOfClientRequest(id: string): RunId {
  return runIdFor('mcp', id);
}

/** The one call of that run, which runs the command. */
export function callOfClientRequest(id: string): CallId {
  return callIdFor(runOfClientRequest(id), 0);
}

/** The client as the one who asks. */
export function clientUser(account: string): User {
  const id = account.startsWith('mcp:') ? account.slice('mcp:'.length) : unnamedClient;
  return { platform: 'mcp', id, name: id === unnamedClient ? 'MCP client' : `MCP client ${id}` };
}

/** Where people are asked about what this client wants: as policy.yaml says, else in a console thread of its own. */
export function clientConversation({ clientsIn }: Policy, account: string): Conversation {
  return clientsIn ?? { platform: 'console', channel: 'console', thread: account.replace(':', '-') };
}

export function isFinal({ kind }: ClientRequestState): boolean {
  return kind !== 'waiting' && kind !== 'running';
}

/** How the run of a request stands. */
export function clientRequestState(run: Run): ClientRequestState {
  const [call] = allCalls(run);
  if (!call) {
    if (run.state.kind === 'failed')
      return { kind: 'refused', by: 'stopped', reason: problemText(run.state.problem) };
    if (run.state.kind === 'cancelled')
      return { kind: 'refused', by: 'stopped', reason: `Stopped by ${run.state.by.name}; nothing has run.` };
    return { kind: 'waiting' };
  }
  const { state, approval } = call;
  switch (state.kind) {
    case 'waiting':
      return approval
        ? {
            kind: 'waiting',
            approvalId: approval.id,
            needs: missingText(approval),
            expiresAt: approval.expiresAt,
          }
        : { kind: 'waiting' };
    case 'proposed':
      return { kind: 'waiting' };
    case 'cleared':
      return { kind: 'running' };
    // Before people were asked it has only been handed over, and nothing runs of it.
    case 'started':
      return approval ? { kind: 'running' } : { kind: 'waiting' };
    case 'done': {
      const { text, isError, ran, summary, notRun } = state.result;
      const data = { ran, ...(summary ? { summary } : {}), ...(notRun ? { not_run: notRun } : {}) };
      return { kind: 'done', text, isError, ran: JSON.parse(JSON.stringify(data)) as JsonObject };
    }
    case 'refused':
      return { kind: 'refused', by: state.by, reason: state.reason };
    case 'lost':
      return { kind: 'lost', reason: resultText(call).text };
    default:
      return state satisfies never;
  }
}
