/**
 * Where every adapter brings what it heard: decides whether it may be asked and keeps it. Only when this has
 * resolved does an adapter acknowledge its platform. What is refused is audited and said to the person alone.
 */
import type { Mention, StopRequest, UndoRequest } from '../core/conversation.ts';
import { conversationKey, sameConversation, userKey } from '../core/conversation.ts';
import type { RunId } from '../core/ids.ts';
import { isCallId, runIdFor, runIdOf } from '../core/ids.ts';
import {
  type AskedCommand,
  askerOf,
  type HostName,
  isAdmin,
  isAmong,
  isIncidentChannel,
  mayTalk,
  type Policy,
} from '../core/policy.ts';
import { commandsFor } from '../core/policy-decision.ts';
import type { AuditLog, Clock, Inbox, Outsider, Received, RunQueue, RunStore, Tools } from '../core/ports.ts';
import { allCalls, hasEnded, newRun, type Run } from '../core/run.ts';
import { askStop, join } from '../core/run-changes.ts';
import type { OrderStatement, RequestStatement, SignedOrder, SignedRequest } from '../core/signed.ts';
import { createApprovalList } from './approvals.ts';
import { type Decide, decideOn } from './decide.ts';
import { helpText, notAllowedText, pendingText, policyNotice, shownText, statusText } from './replies.ts';
import { orderIn, shownId, wordOf } from './words.ts';

/** Earlier runs of a thread that are looked at; the model reads as many. */
const historyLimit = 10;

export interface InboxParts extends Omit<Decide, 'nudge'> {
  readonly store: RunStore;
  readonly queue: RunQueue;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly policy: () => Policy;
  readonly sign: Decide['sign'] &
    ((statement: RequestStatement) => SignedRequest) &
    ((statement: OrderStatement) => SignedOrder);
  /** Hands an order to the whitelist server and tells what became of it. */
  readonly order: Tools['order'];
  /** What there is, for help: it shows those that the person may run here. */
  readonly commands: () => readonly AskedCommand[];
  readonly hosts: () => readonly HostName[];
  /** Why policy.yaml as it is now is not in force, one line each; admins are told. */
  readonly policyProblems?: () => readonly string[];
}

export function createInbox(parts: InboxParts): Inbox {
  const { store, queue, audit, clock, policy } = parts;
  const approvals = createApprovalList(parts);

  async function wake(id: RunId): Promise<void> {
    await queue.advance(id);
    await queue.nudge(id);
  }

  async function mentioned(mention: Mention): Promise<Received> {
    const { conversation, user } = mention;
    const known = await store.byEvent(conversation.platform, mention.eventId);
    if (known) {
      await wake(known);
      return { kind: 'accepted', runId: known };
    }

    const history = await store.history(conversation, historyLimit);
    if (!mention.addressed && !isForUs(policy(), mention, history)) return { kind: 'ignored' };

    const looked = await lookedAt(mention);
    if (looked) return looked;

    const order = mention.direct ? undefined : orderIn(mention.text);
    // An admin stops everything from anywhere, also from where they may ask for nothing.
    if (order && order.order !== 'revoke' && isAdmin(policy(), askerOf(user, mention.groups)))
      return ordered(mention, order);

    if (!mayTalk(policy(), askerOf(user, mention.groups), conversation)) {
      // Plain talk in a thread of ours by somebody without rights is a conversation among people.
      if (!mention.addressed) return { kind: 'ignored' };
      await audit.record({
        kind: 'request.refused',
        who: userKey(user),
        data: { in: conversationKey(conversation) },
      });
      return { kind: 'refused', text: notAllowedText(user) };
    }

    const active = history.filter((run) => !hasEnded(run));
    const word = mention.direct ? undefined : wordOf(mention.text);
    if (word === 'help') return { kind: 'answered', text: helpFor(mention) };
    if (word === 'status')
      return { kind: 'answered', text: statusText(history, clock.now()) + noticeFor(mention) };
    if (word === 'stop') return { kind: 'answered', text: await stopAll(active, mention) };

    if (order) return ordered(mention, order);

    const working = mention.direct ? undefined : active.findLast((run) => !run.direct);
    return (working && (await joined(working, mention))) ?? accepted(mention, history);
  }

  /** The words about open approvals, which whoever may decide one may say anywhere, also without a right to ask. */
  async function lookedAt(mention: Mention): Promise<Received | undefined> {
    const id = shownId(mention.text);
    const isWord = id !== undefined || wordOf(mention.text) === 'pending';
    if (mention.direct || !isWord || !mayLook(policy(), mention)) return undefined;
    const text =
      id === undefined
        ? pendingText(await approvals.open(mention), clock.now())
        : shownText(await approvals.find(id, mention), clock.now());
    return { kind: 'answered', text, privately: true };
  }

  /** The whitelist server decides whether it is obeyed, and audits it; here it is only signed and handed over. */
  async function ordered(
    mention: Mention,
    given: NonNullable<ReturnType<typeof orderIn>>,
  ): Promise<Received> {
    const { user, groups, conversation } = mention;
    const statement = { kind: 'order', ...given, user, groups, conversation, at: clock.now() } as const;
    const { ok, text } = await parts.order(parts.sign(statement));
    return ok ? { kind: 'answered', text } : { kind: 'refused', text };
  }

  /** Undo is a request like any other: it is asked, decided and run by the same rules. */
  async function undone(undo: UndoRequest): Promise<Received> {
    const { callId, host, eventId, conversation, user, groups, at } = undo;
    const run = isCallId(callId) ? await store.load(runIdOf(callId)) : undefined;
    const call = run && allCalls(run).find((c) => c.id === callId);
    const ran = call?.state.kind === 'done' ? call.state.result.ran.find((r) => r.host === host) : undefined;
    if (!run || !ran?.undo || !sameConversation(run.conversation, conversation))
      return { kind: 'refused', text: 'There is nothing to undo here.' };
    const { command, params } = ran.undo;
    const values = Object.entries(params).map(([name, value]) => `${name}=${value}`);
    const hosts = [ran.host, ...(ran.sameOn ?? [])].join(',');
    const text = ['Undo:', command, ...values, `on ${hosts}`].join(' ');
    const direct = { command, params, host: hosts };
    return mentioned({
      eventId,
      conversation,
      user,
      groups,
      text,
      at,
      addressed: true,
      opensThread: false,
      direct,
    });
  }

  function helpFor(mention: Mention): string {
    const askers = [askerOf(mention.user, mention.groups)];
    const theirs = commandsFor(policy(), askers, mention.conversation, parts.commands(), parts.hosts());
    return helpText(theirs) + noticeFor(mention);
  }

  function noticeFor({ user, groups }: Mention): string {
    if (!isAdmin(policy(), askerOf(user, groups))) return '';
    return policyNotice(parts.policyProblems?.() ?? []);
  }

  async function joined(run: Run, mention: Mention): Promise<Received | undefined> {
    const request = requestOf(parts, run.id, mention);
    await audit.record({ kind: 'request.joined', runId: run.id, who: userKey(mention.user) });
    const saved = await store.update(run.id, (r) => join(r, request, mention.text));
    if (!saved) return undefined;
    await wake(run.id);
    return { kind: 'joined', runId: run.id };
  }

  async function accepted(mention: Mention, history: readonly Run[]): Promise<Received> {
    const id = runIdFor(mention.conversation.platform, mention.eventId);
    const request = requestOf(parts, id, mention);
    await audit.record({
      kind: 'request.accepted',
      runId: id,
      who: userKey(mention.user),
      data: {
        in: conversationKey(mention.conversation),
        ...(mention.direct ? { command: mention.direct.command } : {}),
      },
    });
    const run = newRun({
      id,
      request,
      text: mention.text,
      ownThread: mention.opensThread || (history[0]?.ownThread ?? false),
      ...(mention.direct ? { direct: mention.direct } : {}),
    });
    await store.create(run);
    await wake(id);
    return { kind: 'accepted', runId: id };
  }

  async function stopAll(active: readonly Run[], { user }: Pick<Mention, 'user'>): Promise<string> {
    for (const run of active) {
      await audit.record({ kind: 'run.stopped', runId: run.id, who: userKey(user) });
      await store.update(run.id, (r) => askStop(r, user, clock.now()));
      await wake(run.id);
    }
    return active.length === 0 ? 'Nothing is running in this thread.' : 'Stopping.';
  }

  async function stopped(stop: StopRequest): Promise<Received> {
    const run = await store.load(stop.runId);
    if (!run) return { kind: 'refused', text: 'There is no such run.' };
    if (!mayTalk(policy(), askerOf(stop.user, stop.groups), run.conversation)) {
      await audit.record({
        kind: 'request.refused',
        runId: run.id,
        who: userKey(stop.user),
        data: { what: 'stop' },
      });
      return { kind: 'refused', text: notAllowedText(stop.user) };
    }
    if (hasEnded(run)) return { kind: 'answered', text: 'It has ended already.' };
    return { kind: 'answered', text: await stopAll([run], stop) };
  }

  async function refused({ user, conversation, what, why }: Outsider): Promise<void> {
    const data = { in: conversationKey(conversation), what, why };
    await audit.record({ kind: 'request.refused', who: userKey(user), data });
  }

  return {
    mentioned,
    stopped,
    undone,
    refused,
    decided: (decision) => decideOn({ ...parts, nudge: wake }, decision),
  };
}

function mayLook(policy: Policy, { user, groups, conversation }: Mention): boolean {
  const asker = askerOf(user, groups);
  if (mayTalk(policy, asker, conversation) || isAdmin(policy, asker)) return true;
  return policy.approve.some((rule) => isAmong(policy, rule.who, asker));
}

/** A follow-up without a mention: in a thread that began with one, or where an incident channel called us before. */
function isForUs(policy: Policy, mention: Mention, history: readonly Run[]): boolean {
  const first = history[0];
  return first !== undefined && (first.ownThread || isIncidentChannel(policy, mention.conversation));
}

function requestOf(parts: Pick<InboxParts, 'sign'>, runId: RunId, mention: Mention): SignedRequest {
  return parts.sign({
    kind: 'request',
    runId,
    eventId: mention.eventId,
    user: mention.user,
    groups: mention.groups,
    conversation: mention.conversation,
    at: mention.at,
  });
}
