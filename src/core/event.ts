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
  | 'run.stopped'
  | 'run.ended'
  | 'approval.asked'
  | 'approval.voted'
  | 'approval.refused'
  | 'approval.expired'
  | 'call.refused'
  | 'command.started'
  | 'command.ended'
  | 'host.trusted';

export interface AuditEvent {
  readonly kind: AuditKind;
  readonly runId?: string;
  readonly callId?: string;
  /** Who it is about, as `platform:id`. */
  readonly who?: string;
  readonly data?: JsonObject;
}
