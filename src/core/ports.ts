/**
 * The outside, as verbs. Each port has one contract suite in test/contract that every implementation passes.
 */
import type { ApprovalRequest, Grant } from './approval.ts';
import type { CommandResult, Host, RenderedCommand } from './command.ts';
import type {
  Conversation,
  Decision,
  Mention,
  Platform,
  StopRequest,
  UndoRequest,
  User,
} from './conversation.ts';
import type { Problem } from './errors.ts';
import type { AuditEvent } from './event.ts';
import type { CallId, RunId } from './ids.ts';
import type { Json, JsonObject } from './json.ts';
import type { ListedApproval, Looker } from './open-approvals.ts';
import type { Run, Usage } from './run.ts';
import type { SignedOrder, SignedRequest } from './signed.ts';
import type { CallResult } from './tool-call.ts';
import type { View } from './view.ts';

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

/** Facts, not prose: a fixed message and data as fields. Secrets are redacted by the implementation. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Logger;
}

/**
 * A platform people talk on. `post` and `edit` work without `start` (the worker only speaks); `start` begins to
 * listen (the bot). Both throw OpsError `chat-unavailable` when the platform cannot be reached or keeps refusing.
 */
export interface ChatAdapter {
  readonly platform: Platform;
  /** How often one message may be edited while text streams, in ms. */
  readonly editEveryMs: number;
  /** Connects and hands every fact to the inbox; acknowledges the platform only after the inbox resolved. */
  start(inbox: Inbox): Promise<void>;
  /** Nothing is delivered to the inbox after this resolves. */
  stop(): Promise<void>;
  /**
   * Shows a view under a key, once: the same key posted again edits what is there. `maybePosted` says that a
   * worker died between saving the key and hearing back, so the thread is asked first. Returns the platform's ref.
   */
  post(to: Conversation, key: string, view: View, maybePosted: boolean): Promise<string>;
  edit(to: Conversation, key: string, ref: string, view: View): Promise<void>;
}

/** What the inbox made of a mention; `text` is for the person alone unless the kind says otherwise. */
export type Received =
  | { readonly kind: 'accepted'; readonly runId: RunId }
  | { readonly kind: 'joined'; readonly runId: RunId }
  /** `privately`: for this person alone also where answers are usually said in the thread. */
  | { readonly kind: 'answered'; readonly text: string; readonly privately?: true }
  | { readonly kind: 'refused'; readonly text: string }
  | { readonly kind: 'ignored' };

/** What became of a button press, in words for the person who pressed. */
export interface Decided {
  readonly kind: 'counted' | 'refused' | 'late';
  readonly text: string;
}

/** Somebody whom the platform's own facts rule out before anything is looked at: a guest, another workspace or server. */
export interface Outsider {
  readonly user: User;
  readonly conversation: Conversation;
  /** What they tried, in a word: `request`, `decision`, `stop`, `undo`. */
  readonly what: string;
  /** What they were told. */
  readonly why: string;
}

/** Where adapters bring what they heard. Throws OpsError `store-unavailable` when it could not be kept. */
export interface Inbox {
  mentioned(mention: Mention): Promise<Received>;
  decided(decision: Decision): Promise<Decided>;
  stopped(stop: StopRequest): Promise<Received>;
  undone(undo: UndoRequest): Promise<Received>;
  /** Keeps on record that somebody was refused before they came this far. */
  refused(outsider: Outsider): Promise<void>;
}

/** The open approvals, as one person may see them. Throws OpsError `store-unavailable`. */
export interface ApprovalList {
  open(looker: Looker): Promise<readonly ListedApproval[]>;
  /** Open or not; undefined when there is none of this id, or none for this person to see. */
  find(id: string, looker: Looker): Promise<ListedApproval | undefined>;
}

/** Runs at rest. All methods throw OpsError `store-unavailable` when the store cannot be reached. */
export interface RunStore {
  create(run: Run): Promise<'created' | 'exists'>;
  load(id: RunId): Promise<Run | undefined>;
  /**
   * Loads, applies the pure change, saves if nobody else did meanwhile, else again. Returns what is stored after;
   * undefined when there is no such run or the change returned undefined. A change that returns its input saves nothing.
   */
  update(id: RunId, change: (run: Run) => Run | undefined): Promise<Run | undefined>;
  /** Runs that need a worker at `now` (see `dueAt`), oldest first. */
  due(now: number, limit: number): Promise<readonly RunId[]>;
  /** The newest runs of a thread, oldest of them first. */
  history(conversation: Conversation, limit: number): Promise<readonly Run[]>;
  /** The run that has taken in this platform event. */
  byEvent(platform: Platform, eventId: string): Promise<RunId | undefined>;
  /** Runs that wait for people (see `pendingApprovals`), of all threads, the longest waiting first. */
  waiting(limit: number): Promise<readonly Run[]>;
}

/** A nudge, never the truth: every advance may come late, twice or not at all. */
export interface RunQueue {
  /** Asks for one `advance`; while one is active, one more is kept. `afterMs` makes it a timer of its own name. */
  advance(id: RunId, timer?: { readonly name: string; readonly afterMs: number }): Promise<void>;
  /** Calls `handler` for each advance until the returned function has stopped it. */
  consume(handler: (id: RunId) => Promise<void>): Promise<() => Promise<void>>;
  /** Tells whoever works on the run that something about it changed (stop, a message). */
  nudge(id: RunId): Promise<void>;
  onNudge(listener: (id: RunId) => void): Promise<() => Promise<void>>;
}

/** One entry of the console's threads. */
export interface BoardEntry {
  readonly thread: string;
  readonly key: string;
  readonly view: View;
  /** Position in the thread, from 1, fixed when first put. */
  readonly order: number;
  /** Grows with each put in the thread, so that a reader can tell what it has. */
  readonly seq: number;
  readonly at: number;
}

export interface ThreadSummary {
  readonly thread: string;
  readonly title: string;
  readonly status: string;
  readonly updatedAt: number;
}

/** What the console shows, kept where bot and worker both reach it. */
export interface Board {
  put(thread: string, key: string, view: View): Promise<BoardEntry>;
  threads(limit: number): Promise<readonly ThreadSummary[]>;
  read(thread: string): Promise<readonly BoardEntry[]>;
  /** Every put from now on, of all threads. */
  watch(listener: (entry: BoardEntry) => void): Promise<() => Promise<void>>;
}

export interface ToolSpec {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: JsonObject;
}

export type ModelMessage =
  | { readonly role: 'person'; readonly text: string }
  | {
      readonly role: 'agent';
      readonly text: string;
      readonly calls: readonly ModelCall[];
      readonly raw?: Json;
    }
  | {
      readonly role: 'results';
      readonly results: readonly {
        readonly callId: string;
        readonly text: string;
        readonly isError: boolean;
      }[];
    };

export interface ModelCall {
  readonly modelId: string;
  readonly tool: string;
  readonly args: JsonObject;
}

export interface ModelInput {
  readonly system: string;
  readonly tools: readonly ToolSpec[];
  readonly messages: readonly ModelMessage[];
}

export type ModelAnswer =
  | {
      readonly kind: 'turn';
      readonly text: string;
      readonly calls: readonly ModelCall[];
      readonly raw?: Json;
      /** Said to people when the model stopped for another reason than being done: refusal, length. */
      readonly note?: string;
      /** The service's own id of the request, for following it up there. */
      readonly requestId?: string;
      readonly usage: Usage;
    }
  | { readonly kind: 'failed'; readonly problem: Problem; readonly usage: Usage }
  | { readonly kind: 'aborted' };

/** The agent's mind. Never throws for what the service does; retries inside, then says it plainly. */
export interface Model {
  /** For people: "Claude (claude-sonnet-5-5)", "the rehearsal model". */
  readonly name: string;
  /** `onText` gets the whole text of the turn so far; a retried turn starts it anew. */
  next(input: ModelInput, onText: (soFar: string) => void, signal: AbortSignal): Promise<ModelAnswer>;
}

export interface ToolRequest {
  readonly callId: CallId;
  readonly tool: string;
  readonly args: JsonObject;
  /** Everyone whose words led to this call. */
  readonly requests: readonly SignedRequest[];
  readonly grant?: Grant;
  /** So many characters the result may have; the server's own limit holds besides. */
  readonly budget?: number;
}

export type ToolOutcome =
  | { readonly kind: 'result'; readonly result: CallResult }
  | { readonly kind: 'approval'; readonly request: ApprovalRequest }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'lost'; readonly reason: string }
  /** The whitelist server could not be reached or died; calling again with the same id is safe. */
  | { readonly kind: 'unavailable'; readonly problem: Problem };

/** The whitelist server, as the worker sees it. There is no other way to a command. */
export interface Tools {
  list(): Promise<readonly ToolSpec[]>;
  /** Aborting ends the remote process and resolves with how it ended. Calling again with the same id attaches. */
  call(
    request: ToolRequest,
    signal: AbortSignal,
    /** Hears now and then how a long call is coming along, in words. */
    onProgress?: (message: string) => void,
  ): Promise<ToolOutcome>;
  /** Hands over an order that the bot signed. Never rejects: `ok` false says why it was not obeyed. */
  order(order: SignedOrder): Promise<{ readonly ok: boolean; readonly text: string }>;
  close(): Promise<void>;
}

/** Runs one rendered command on one host, to its end or to the signal's. Never throws for what the host does. */
export interface CommandRunner {
  /**
   * `onOutput` hears, while it runs, how many more bytes have come. With `keepAs` (an id, [a-z0-9-]{1,64}) the host
   * keeps the run and its result: a lost connection does not end it and is made again, and under one id a host begins
   * at most once: a second `run` gives the result of the first. A host with a remote gate keeps nothing.
   */
  run(
    command: RenderedCommand,
    host: Host,
    signal: AbortSignal,
    onOutput?: (bytes: number) => void,
    keepAs?: string,
  ): Promise<CommandResult>;
  /**
   * How the run kept under this id ended, waiting for it while it still runs; the signal ends it there. Undefined: the
   * host was reached, nothing has begun under this id there, and from now on nothing can. `lost` when the host cannot
   * be asked, or has a record without an end (it restarted). For a week after the result was received only its end
   * is kept, without output; then the record is removed and the answer is undefined.
   */
  collect(
    keepAs: string,
    command: RenderedCommand,
    host: Host,
    signal: AbortSignal,
    onOutput?: (bytes: number) => void,
  ): Promise<CommandResult | undefined>;
  close(): Promise<void>;
}

/** Resolves once the event is on disk; throws OpsError `audit-unwritable` otherwise, and then nothing may run. */
export interface AuditLog {
  record(event: AuditEvent): Promise<void>;
  close(): Promise<void>;
}
