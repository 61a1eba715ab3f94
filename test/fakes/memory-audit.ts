/**
 * An audit log in memory; `full` makes it refuse, as a full disk does.
 */
import { OpsError } from '../../src/core/errors.ts';
import type { AuditEvent } from '../../src/core/event.ts';
import type { AuditLog } from '../../src/core/ports.ts';

export interface MemoryAudit extends AuditLog {
  readonly events: AuditEvent[];
  full: boolean;
}

export function memoryAudit(): MemoryAudit {
  const audit: MemoryAudit = {
    events: [],
    full: false,
    async record(event) {
      if (audit.full) throw new OpsError('audit-unwritable', 'The audit log cannot be written.');
      audit.events.push(event);
    },
    async close() {},
  };
  return audit;
}
