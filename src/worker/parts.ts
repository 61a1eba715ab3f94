/**
 * What a worker is made of: the ports it drives, handed in by the composition root.
 */
import type { Platform } from '../core/conversation.ts';
import type { Budget } from '../core/policy.ts';
import type {
  AuditLog,
  ChatAdapter,
  Clock,
  Logger,
  Model,
  RunQueue,
  RunStore,
  Tools,
} from '../core/ports.ts';

export interface WorkerParts {
  readonly store: RunStore;
  readonly queue: RunQueue;
  readonly model: Model;
  readonly tools: Tools;
  readonly adapters: ReadonlyMap<Platform, ChatAdapter>;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly logger: Logger;
  /** As policy.yaml has it at this moment. */
  readonly budget: () => Budget;
  /** How long a call runs before the thread is told how it is coming along, in ms. */
  readonly patienceMs?: number;
  /** Names this worker process in leases. */
  readonly name: string;
}
