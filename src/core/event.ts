/**
 * What the audit log keeps: one line an event, with who, what and where, never a secret or a command's output.
 */
import type { JsonObject } from './json.ts';

export type AuditKind =
  | 'process.started'
  | 'process.stopped'
  | 'config.loaded'
  | 'request.accepted'
  | 'request.refused'
  | 'request.joined'
  | 'request.kept'
  | 'run.stopped'
  | 'run.ended'
  /** Found in the store where a run or a job should be, and none: nobody acts on it. */
  | 'store.ignored'
  | 'approval.asked'
  | 'approval.voted'
  | 'approval.refused'
  | 'approval.expired'
  | 'call.refused'
  | 'command.started'
  | 'command.ended'
  | 'people.added'
  | 'people.removed'
  | 'host.trusted'
  | 'config.refused'
  | 'model.called'
  | 'command.rendered'
  | 'approval.posted'
  | 'changes.frozen'
  | 'changes.thawed'
  | 'window.granted'
  | 'window.used'
  | 'window.revoked'
  | 'anchor.failed'
  | 'anchor.restored';

export interface AuditEvent {
  readonly kind: AuditKind;
  readonly runId?: string;
  readonly callId?: string;
  /** Who it is about, as `platform:id`. */
  readonly who?: string;
  readonly data?: JsonObject;
}
