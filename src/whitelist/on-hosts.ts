/**
 * Commands on one host or a group. Reads go to all hosts of the group at once, each judged, counted and audited by
 * itself; what people have to be asked about is one ask for the whole group.
 */
import type { CommandSpec, Host } from '../core/command.ts';
import type { CommandAsk, CommandReply, Execute } from './asked.ts';
import { fanOut } from './fan-out.ts';
import { withoutHost } from './fold.ts';
import type { Answered } from './reply.ts';
import type { ToolCallContext } from './tools-shape.ts';

export interface Asked {
  readonly specs: readonly CommandSpec[];
  readonly params: Readonly<Record<string, string>>;
  /** Never empty. */
  readonly hosts: readonly Host[];
  readonly mayAsk: boolean;
  /** Why, in the words of whoever calls. */
  readonly reason?: string;
}

/** One answer a command, in the order of the commands. `atOnce` is how many hosts are asked at a time. */
export async function askHosts(
  { execute, atOnce }: { readonly execute: Execute; readonly atOnce: number },
  asked: Asked,
  { caller, control, sealed }: ToolCallContext,
): Promise<readonly Answered[]> {
  const { specs, params, hosts, mayAsk, reason } = asked;
  const ask = (spec: CommandSpec, on: readonly Host[], may: boolean) => {
    const state = { ...(sealed === undefined ? {} : { sealed }), ...(reason ? { reason } : {}) };
    const one: CommandAsk = { spec, params, hosts: on, mayAsk: may, ...state };
    return execute(one, caller, control);
  };
  const apart = hosts.length > 1 ? specs.filter(asksNobody) : [];
  const together = specs.filter((spec) => !apart.includes(spec));

  const byHost = fanOut(apart.length > 0 ? hosts : [], {
    atOnce,
    signal: control.signal,
    work: (host) => Promise.all(apart.map((spec) => ask(spec, [host], false))),
    unbegun: () => apart.map((): CommandReply => ({ kind: 'refused', reason: unbegun })),
    onEnded: (ended) => control.hosts(ended, hosts.length),
  });
  const whole = Promise.all(together.map((spec) => ask(spec, hosts, mayAsk)));
  const [replies, wholes] = await Promise.all([byHost, whole]);
  return specs.map((spec): Answered => {
    const at = apart.indexOf(spec);
    const reply =
      at < 0
        ? wholes[together.indexOf(spec)]
        : merged(
            hosts,
            replies.flatMap((each) => each[at] ?? []),
          );
    if (!reply) throw new TypeError('a command without an answer');
    return { ask: { spec, params, hosts }, reply };
  });
}

const unbegun = 'It was stopped before it began; nothing has run.';

/** What needs nobody's word, wherever it runs; the gate decides it all the same. */
function asksNobody({ risk, approval }: CommandSpec): boolean {
  return risk === 'read' && approval === undefined;
}

/** The answers of single hosts as one; where nothing ran anywhere it is a refusal, or says what is wrong. */
function merged(hosts: readonly Host[], replies: readonly CommandReply[]): CommandReply {
  const invalid = replies.find((reply) => reply.kind === 'invalid');
  // The same values are right or wrong on every host.
  if (invalid) return invalid;
  const each = replies.flatMap((reply) => (reply.kind === 'ran' || reply.kind === 'lost' ? reply.each : []));
  const notRun = hosts.flatMap((host, i) => {
    const reply = replies[i];
    if (!reply || reply.kind === 'ran') return [];
    return [
      { host: host.name, reason: 'reason' in reply ? reply.reason : 'people have to approve it first' },
    ];
  });
  if (each.length > 0) return { kind: 'ran', each, notRun };
  const reasons = new Map(notRun.map(({ host, reason }) => [withoutHost(reason, host), reason]));
  return { kind: 'refused', reason: [...reasons.values()].join(' ') };
}
