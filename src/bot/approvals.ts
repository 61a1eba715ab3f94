/**
 * The open approvals of all threads and platforms, for whoever asks in words, in the console or on the command line.
 */
import { isApprovalId, runIdOf } from '../core/ids.ts';
import { listedApproval, openApprovals } from '../core/open-approvals.ts';
import type { Policy } from '../core/policy.ts';
import type { ApprovalList, Clock, RunStore } from '../core/ports.ts';

/** More runs than this do not wait at once; the longest waiting are looked at. */
const mostRuns = 500;

export function createApprovalList({
  store,
  clock,
  policy,
}: {
  readonly store: Pick<RunStore, 'load' | 'waiting'>;
  readonly clock: Clock;
  readonly policy: () => Policy;
}): ApprovalList {
  return {
    open: async (looker) => openApprovals(await store.waiting(mostRuns), policy(), looker, clock.now()),
    async find(id, looker) {
      const run = isApprovalId(id) ? await store.load(runIdOf(id)) : undefined;
      return run && isApprovalId(id) ? listedApproval(run, id, policy(), looker, clock.now()) : undefined;
    },
  };
}
