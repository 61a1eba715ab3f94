/**
 * What is written to the audit log about one command: who asked, what exactly, how it ended. Never its output, only
 * what proves later which one it was.
 */
import type { CommandResult, CommandSpec, Host } from '../core/command.ts';
import { problemOf } from '../core/errors.ts';
import { type JsonObject, sha256 } from '../core/json.ts';
import type { AuditLog, Logger } from '../core/ports.ts';
import { hostKeyText } from './binding.ts';
import { accountsOf, type Caller } from './identity.ts';
import type { OnHost } from './on-host.ts';

interface Writers {
  readonly audit: AuditLog;
  readonly logger: Logger;
}

interface Asked {
  readonly spec: Pick<CommandSpec, 'name' | 'risk'>;
  readonly hosts: readonly Host[];
}

interface About {
  readonly ask: Asked;
  readonly caller: Caller;
}

type Kind =
  | 'call.refused'
  | 'request.kept'
  | 'approval.asked'
  | 'approval.refused'
  | 'command.rendered'
  | 'command.started'
  | 'command.ended'
  | 'window.granted'
  | 'window.used';

/** Writes one audit line; false when it could not be written, which is logged here. */
export async function said(
  { audit, logger }: Writers,
  { ask, caller }: About,
  kind: Kind,
  data: JsonObject,
): Promise<boolean> {
  const signed = caller.kind === 'signed';
  const askers = signed ? accountsOf(caller.requests) : caller.askers.map((a) => a.account);
  try {
    await audit.record({
      kind,
      ...(signed ? { runId: caller.runId, callId: caller.callId } : {}),
      ...(askers[0] ? { who: askers[0] } : {}),
      data: { command: ask.spec.name, ...hostsOf(ask), risk: ask.spec.risk, askers, ...data },
    });
    return true;
  } catch (error) {
    logger.error({ problem: problemOf(error), kind }, 'the audit log cannot be written');
    return false;
  }
}

/** `host` is what a reader of the log looks for; several are listed, each then has a line of its own. */
function hostsOf({ hosts }: Asked): JsonObject {
  const names = hosts.map((h) => h.name);
  return names.length === 1 ? { host: names[0] ?? '' } : { hosts: names };
}

export function startData({ host, command }: OnHost): JsonObject {
  return {
    host: host.name,
    line: command.line,
    args: command.args,
    address: host.address,
    port: host.port,
    login: host.user,
    hostKey: hostKeyText(host.hostKey),
    digest: command.digest,
  };
}

export function fingerprintOfOutput({ stdout, stderr }: CommandResult): JsonObject {
  const bytes = Buffer.from(stdout + stderr, 'utf8');
  return { bytes: bytes.length, sha256: sha256(bytes) };
}
