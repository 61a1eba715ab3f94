/**
 * How a run ends: answered, stopped by somebody, or failed with the reason people are told.
 */
import type { Problem } from '../core/errors.ts';
import { requester } from '../core/run.ts';
import { end } from '../core/run-changes.ts';
import type { WorkerParts } from './parts.ts';
import type { Session } from './session.ts';

/** Ends the run, unless somebody said something meanwhile that is still to be taken up. */
export async function finish(
  parts: WorkerParts,
  session: Session,
  state: Parameters<typeof end>[1],
): Promise<boolean> {
  const { audit, clock } = parts;
  const ended = await session.apply((r) =>
    state.kind === 'finished' && (r.joined.length > 0 || r.stop) ? undefined : end(r, state, clock.now()),
  );
  if (!ended) {
    await session.refresh();
    return false;
  }
  await audit.record({ kind: 'run.ended', runId: session.run.id, data: { how: state.kind } });
  return true;
}

/** Ends a run that cannot go on. */
export async function fail(parts: WorkerParts, session: Session, problem: Problem): Promise<'ended'> {
  parts.logger.warn({ runId: session.run.id, by: requester(session.run).id, problem }, 'run failed');
  await finish(parts, session, { kind: 'failed', problem });
  return 'ended';
}
