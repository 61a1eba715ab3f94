/**
 * What a client is told of a request that is kept for people: that it is, how it stands, and what became of it.
 */
import type { JsonObject } from '../core/json.ts';

type Status = 'waiting' | 'running' | 'done' | 'denied' | 'expired' | 'refused' | 'lost';

/** What a tool answers, see reply.ts. */
interface Answer {
  readonly text: string;
  readonly isError: boolean;
  readonly structured?: JsonObject;
  readonly outcome?: 'refused' | 'lost';
}

/** What is told of each: the id, what would run and where. */
export interface KeptView {
  readonly id: string;
  readonly command: string;
  readonly hosts: string;
  readonly expiresAt: number;
  /** Whose approval is missing, in words. */
  readonly needs?: string;
  /** Is there a bot that puts it before people, or has put it there? */
  readonly watched: boolean;
}

/** The answer to asking: nothing has run. */
export function keptReply(view: KeptView, line: string, now: number): Answer {
  const text = [
    `Approval required: ${line} on ${view.hosts}. Nothing has run. The request is kept as ${view.id}.`,
    waitsText(view, now),
    howOn(view.id),
  ].join(' ');
  return {
    text,
    isError: false,
    structured: { ...about(view, 'waiting'), approval_required: true, line, how: howOn(view.id) },
  };
}

export function waitingReply(view: KeptView, now: number): Answer {
  const text = `${view.id} (${view.command} on ${view.hosts}): nothing has run. ${waitsText(view, now)} ${howOn(view.id)}`;
  return { text, isError: false, structured: { ...about(view, 'waiting'), approval_required: true } };
}

export function runningReply(view: KeptView): Answer {
  const text = `${view.id} (${view.command} on ${view.hosts}) is approved and runs. ${howOn(view.id)}`;
  return { text, isError: false, structured: about(view, 'running') };
}

/** It ended without a result: nobody let it run, or nobody knows how it ended. */
export function closedReply(
  view: KeptView,
  status: 'denied' | 'expired' | 'refused' | 'lost',
  reason: string,
): Answer {
  return {
    text: `${view.id} (${view.command} on ${view.hosts}): ${status}. ${reason}`,
    isError: true,
    structured: about(view, status),
    outcome: status === 'lost' ? 'lost' : 'refused',
  };
}

/** An ordinary answer of a command, with the request it belongs to. */
export function withRequest(reply: Answer, { id }: KeptView, status: Status): Answer {
  return { ...reply, structured: { ran: [], ...reply.structured, request_id: id, status } };
}

function about({ id, command, hosts, expiresAt, needs }: KeptView, status: Status): JsonObject {
  return {
    ran: [],
    request_id: id,
    status,
    command,
    host: hosts,
    expires_at: new Date(expiresAt).toISOString(),
    ...(needs ? { needs } : {}),
  };
}

function waitsText({ needs, expiresAt, watched }: KeptView, now: number): string {
  const left = Math.max(0, Math.round((expiresAt - now) / 1000));
  const time = left < 120 ? `${left} s` : `${Math.round(left / 60)} min`;
  const until = `for ${time}, until ${new Date(expiresAt).toISOString()}`;
  if (watched) return `It waits for an approval${needs ? ` of ${needs}` : ''} ${until}.`;
  return `It is kept ${until}, but nobody is being asked: no bot looks here. Somebody has to run opsagent start over this data directory.`;
}

function howOn(id: string): string {
  return `Call get_result with request_id ${id} later; it tells how the request stands and then gives the result.`;
}
