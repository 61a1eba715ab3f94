/**
 * One worker's hold on one run: every change goes through the lease, every change is shown, and a stop or a lost
 * lease is noticed at once (nudge) or at the next renewal.
 */
import { setMaxListeners } from 'node:events';
import type { CallId, RunId } from '../core/ids.ts';
import type { Clock, Logger, RunStore } from '../core/ports.ts';
import { hasEnded, type Run } from '../core/run.ts';
import { claim, owns } from '../core/run-changes.ts';
import type { Presenter } from './present.ts';

export const leaseMs = 5_000;
const renewEveryMs = 1_500;

/** Another worker has the run: whatever this one still knows of it is void. */
export class LeaseLost extends Error {
  constructor(id: RunId) {
    super(`the lease of run ${id} was lost`);
    this.name = 'LeaseLost';
  }
}

export interface SessionParts {
  readonly store: RunStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly owner: string;
}

export class Session {
  /** Aborts when somebody said stop; what runs is then ended and its end recorded. */
  readonly stopping = new AbortController();
  private current: Run;
  private lost = false;
  private readonly notes = new Map<CallId, string>();
  private readonly renewal: NodeJS.Timeout;
  private readonly parts: SessionParts;
  private readonly presenter: Presenter;

  constructor(parts: SessionParts, run: Run, presenter: Presenter) {
    this.parts = parts;
    this.current = run;
    this.presenter = presenter;
    // Each call and each turn listens to it for its own while.
    setMaxListeners(0, this.stopping.signal);
    this.renewal = setInterval(() => void this.renew(), renewEveryMs);
    this.observe(run);
  }

  get run(): Run {
    return this.current;
  }

  /** Saves a change and shows it. A change that returns undefined refuses itself; undefined comes back. */
  async apply(change: (run: Run) => Run | undefined): Promise<Run | undefined> {
    const { store, owner } = this.parts;
    let refused = false;
    const saved = await store.update(this.current.id, (run) => {
      refused = false;
      this.lost = !owns(run, owner);
      if (this.lost) return undefined;
      const changed = change(run);
      refused = changed === undefined;
      return changed;
    });
    if (this.lost) throw new LeaseLost(this.current.id);
    if (refused) return undefined;
    if (!saved) throw new LeaseLost(this.current.id);
    this.observe(saved);
    return saved;
  }

  /** Looks again: somebody changed the run and told us. */
  async refresh(): Promise<void> {
    const run = await this.parts.store.load(this.current.id);
    if (run && owns(run, this.parts.owner)) this.observe(run);
  }

  stream(text: string): void {
    this.presenter.show(this.current, { streaming: text });
  }

  /** Shows how a call under way is coming along; undefined takes that back. Nothing of it is stored. */
  note(id: CallId, text: string | undefined): void {
    if (text === undefined) {
      this.notes.delete(id);
      return;
    }
    this.notes.set(id, text);
    this.presenter.show(this.current, { notes: this.notes });
  }

  /** Ends the hold. The run itself was released or ended by a change before. */
  close(): void {
    clearInterval(this.renewal);
  }

  private observe(run: Run): void {
    this.current = run;
    if (run.stop && !this.stopping.signal.aborted) this.stopping.abort();
    this.presenter.show(run, { notes: this.notes });
  }

  private async renew(): Promise<void> {
    const { store, owner, clock, logger } = this.parts;
    try {
      const run = await store.update(this.current.id, (r) =>
        owns(r, owner) && !hasEnded(r) ? claim(r, owner, clock.now(), leaseMs) : undefined,
      );
      if (run?.stop && !this.stopping.signal.aborted) this.stopping.abort();
    } catch (err) {
      logger.warn({ runId: this.current.id, err }, 'lease not renewed');
    }
  }
}
