/**
 * `get_result`: how a request stands that was kept for people, and in the end what the command gave. Runs nothing; only
 * the account that asked is told anything.
 */
import { z } from 'zod';
import { type ClientRequest, callOfClientRequest, isFinal } from '../core/client-request.ts';
import type { CommandSpec, Host } from '../core/command.ts';
import type { Clock } from '../core/ports.ts';
import { resolveTargets } from '../core/targets.ts';
import type { Ended } from './asked.ts';
import { fingerprintOf } from './ended.ts';
import type { Caller } from './identity.ts';
import { type Keep, refusedReply, replyToOne, type ToolReply } from './reply.ts';
import { closedReply, type KeptView, runningReply, waitingReply, withRequest } from './reply-kept.ts';
import { type ClientRequests, type Found, isOpen } from './requests.ts';
import { RanOutput } from './schemas.ts';
import type { SpentStore } from './spent.ts';
import { type Tool, tool } from './tools-shape.ts';

export interface ResultToolOptions {
  readonly catalogue: readonly CommandSpec[];
  readonly hosts: readonly Host[];
  readonly requests: ClientRequests;
  readonly spent: SpentStore<Ended>;
  readonly clock: Clock;
  readonly keep: Keep;
}

const lookEveryMs = 200;
const longestWaitSeconds = 50;

export function createGetResult(options: ResultToolOptions): Tool {
  return tool({
    name: 'get_result',
    title: 'Get the result of a kept request',
    description:
      'How a request stands that waits for an approval, and its result once people approved it and it ran. For clients that were given a request_id. Runs nothing.',
    input: z.strictObject({
      request_id: z
        .string()
        .regex(/^q[0-9a-f]{20}$/, { error: 'is not the id of a request' })
        .describe('As the answer said that kept the request'),
      wait_seconds: z
        .int()
        .min(0)
        .max(longestWaitSeconds)
        .optional()
        .describe('Answer only when it has ended, or after so many seconds (default 0)'),
    }),
    output: RanOutput,
    readOnly: true,
    async run({ request_id: id, wait_seconds: seconds = 0 }, { caller, control }) {
      const [client] = caller.kind === 'unsigned' ? caller.askers : [];
      // The clock of this process: it is about how long an answer takes, and nothing is decided by it.
      const until = performance.now() + seconds * 1000;
      for (;;) {
        const found = client && (await options.requests.find(id, client.account));
        if (!found) return refusedReply(`There is no request ${id} of yours here.`);
        const { reply, ended } = await standing(options, found, caller);
        if (ended || control.signal.aborted || performance.now() >= until) return reply;
        await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
      }
    },
  });
}

interface Standing {
  readonly reply: ToolReply;
  readonly ended: boolean;
}

/** What this server has on disk of the run comes before what the bot said of it. */
async function standing(options: ResultToolOptions, found: Found, caller: Caller): Promise<Standing> {
  const { requests, spent, clock } = options;
  const { request, state } = found;
  const now = clock.now();
  const waits = state?.kind === 'waiting' ? state : undefined;
  const view: KeptView = {
    id: request.id,
    command: request.command,
    hosts: request.hosts,
    expiresAt: waits?.expiresAt ?? request.expiresAt,
    ...(waits?.needs ? { needs: waits.needs } : {}),
    watched: await requests.isWatched(now),
  };
  const callId = callOfClientRequest(request.id);
  const kept = await spent.kept(callId);
  if (kept) {
    const ask = askOf(options, request);
    if (ask && fingerprintOf(ask) !== kept.fingerprint)
      return over(closedReply(view, 'refused', 'Something else ran in its place; this has not run.'));
    // Without the command or a host in today's configuration, what the bot has of it is the only account left.
    if (ask)
      return over(
        withRequest(
          await replyToOne({ ask, reply: kept.reply }, caller, options.keep),
          view,
          kept.reply.kind === 'lost' ? 'lost' : 'done',
        ),
      );
  }
  if (state && isFinal(state)) return over(finalReply(view, state));
  const begun = await spent.state(callId);
  // A worker that comes back finds out how it ended; where none does, nobody here knows.
  if (begun === 'over' && !view.watched)
    return over(
      closedReply(view, 'lost', 'It was started, and the process that watched it ended before it did.'),
    );
  if (state?.kind === 'running' || begun !== 'unspent') return { reply: runningReply(view), ended: false };
  return isOpen(found, now)
    ? { reply: waitingReply(view, now), ended: false }
    : over(closedReply(view, 'expired', 'Nobody decided in time; it was not run.'));
}

function finalReply(view: KeptView, state: NonNullable<Found['state']>): ToolReply {
  switch (state.kind) {
    case 'done': {
      const { text, isError, ran } = state;
      return withRequest({ text, isError, structured: { ran: [], ...ran } }, view, 'done');
    }
    case 'refused': {
      const status = state.by === 'person' ? 'denied' : state.by === 'expired' ? 'expired' : 'refused';
      return closedReply(view, status, state.reason);
    }
    case 'lost':
      return closedReply(view, 'lost', state.reason);
    default:
      throw new TypeError('a request that has not ended');
  }
}

const over = (reply: ToolReply): Standing => ({ reply, ended: true });

/** What was asked, as it runs today; undefined where the command or a host is gone. */
function askOf({ catalogue, hosts }: ResultToolOptions, request: ClientRequest) {
  const spec = catalogue.find((c) => c.name === request.command);
  const resolved = resolveTargets(request.hosts, hosts);
  return spec && resolved.ok ? { spec, params: request.params, hosts: resolved.hosts } : undefined;
}
