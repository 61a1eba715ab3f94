/**
 * One verified connection to a host: what is known of its key and our login are read first, then it is dialled.
 */
import type { Client } from 'ssh2';
import type { Host } from '../../core/command.ts';
import type { Logger } from '../../core/ports.ts';
import { type Dialled, dial } from './dial.ts';
import {
  algorithmsOf,
  type ExpectedKey,
  expectedKey,
  fingerprint,
  type ReadFile,
  type TailnetKeys,
} from './host-key.ts';
import { typeOfKey } from './known-hosts.ts';
import { type Login, loginFor } from './login.ts';
import type { Reach } from './reached.ts';
import type { Slots } from './slots.ts';

export interface ConnectOptions {
  readonly logger: Logger;
  readonly readFile: ReadFile;
  /** Unix socket of an ssh-agent for hosts without a key file. */
  readonly agent?: string;
  readonly connectTimeoutMs: number;
  /** How often a quiet connection is asked whether it is still there; default ten seconds. */
  readonly keepAliveMs?: number;
  /** Host keys as the tailnet knows them; without it, hosts whose key is the tailnet's to say are refused. */
  readonly tailnetKeys?: TailnetKeys;
}

export type Opened =
  | { readonly ok: true; readonly client: Client; readonly hostKey: string }
  | { readonly ok: false; readonly problem: string; readonly onTheWay?: true };

/** What a connection goes by; `basis` is it as text, to tell whether it has changed. */
interface Terms {
  readonly expected: ExpectedKey;
  readonly login: Login;
  readonly basis: string;
}

type TermsResult =
  | { readonly ok: true; readonly terms: Terms }
  | { readonly ok: false; readonly problem: string };

/** Reads files, agent and tailnet; asks the host nothing. */
export async function termsFor(host: Host, options: ConnectOptions): Promise<TermsResult> {
  const expectation = await expectedKey(host, options.readFile, options.tailnetKeys);
  if (!expectation.ok) return expectation;
  const login = await loginFor(host, options.readFile, options.agent);
  if (!login.ok) return login;
  const { expected } = expectation;
  const basis = `${expected.basis} ${login.login.identity}`;
  return { ok: true, terms: { expected, login: login.login, basis } };
}

/** Never rejects. The caller owns the client. */
export async function connect(
  host: Host,
  { expected, login }: Terms,
  reach: Reach,
  handshakes: Slots,
  { connectTimeoutMs: timeoutMs, keepAliveMs, logger }: ConnectOptions,
): Promise<Opened> {
  const how = {
    judge: expected.judge,
    login,
    timeoutMs,
    reach,
    handshakes,
    ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
  };
  const dialled = await dialVerified(host, expected, (algorithms) => dial(host, { ...how, algorithms }));
  if (dialled.kind === 'ready') {
    return { ok: true, client: dialled.client, hostKey: fingerprint(dialled.hostKey) };
  }
  if (dialled.kind === 'key-refused') {
    logger.error({ host: host.name, shown: fingerprint(dialled.hostKey) }, 'host key refused');
  } else {
    logger.warn({ host: host.name, problem: dialled.problem }, 'host not reached');
  }
  const onTheWay = dialled.kind === 'failed' && dialled.onTheWay;
  return { ok: false, problem: dialled.problem, ...(onTheWay ? { onTheWay } : {}) };
}

/**
 * A pin does not say its type, and a host shows one key of those asked for: after a refusal it is asked for the
 * types not yet shown. The first refusal is what is told.
 */
async function dialVerified(
  host: Host,
  expected: ExpectedKey,
  attempt: (algorithms: readonly string[]) => Promise<Dialled>,
): Promise<Dialled> {
  const first = await attempt(expected.algorithms);
  let last = first;
  let left = expected.algorithms;
  while (last.kind === 'key-refused' && host.hostKey.kind === 'fingerprint') {
    const shown = algorithmsOf(typeOfKey(last.hostKey) ?? '');
    const next = left.filter((algorithm) => !shown.includes(algorithm));
    if (next.length === 0 || next.length === left.length) return first;
    left = next;
    last = await attempt(left);
  }
  return last.kind === 'ready' ? last : first;
}
