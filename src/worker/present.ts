/**
 * Keeps a thread equal to its run: draws it, posts what is new, edits what changed, no faster than the platform
 * likes. A post saves its key first, so that a worker that dies in between makes no second message.
 */
import type { Conversation } from '../core/conversation.ts';
import type { ChatAdapter, Clock, Logger } from '../core/ports.ts';
import type { Run } from '../core/run.ts';
import { notePost } from '../core/run-changes.ts';
import { type CardView, type Drawing, draw, type Live } from '../core/view.ts';

export interface PresenterParts {
  readonly adapter: ChatAdapter | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Saves what is known about posts, whoever owns the run now. */
  readonly save: (change: (run: Run) => Run) => Promise<Run | undefined>;
  /** Hears of every card that people now see, and under which message. */
  readonly onCard: (card: CardView, to: Conversation, ref: string) => Promise<void>;
}

export class Presenter {
  private wanted: { run: Run; live: Live } | undefined;
  private readonly shown = new Map<string, string>();
  private readonly editedAt = new Map<string, number>();
  private readonly refs = new Map<string, string>();
  private readonly announced = new Set<string>();
  private pumping: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private failed: unknown;
  private readonly parts: PresenterParts;

  constructor(parts: PresenterParts, run: Run) {
    this.parts = parts;
    for (const { key, ref } of run.posts) {
      this.announced.add(key);
      if (ref) this.refs.set(key, ref);
    }
  }

  /** Wants the thread to look like this, soon. Never throws. */
  show(run: Run, live: Live = {}): void {
    this.wanted = { run, live: { ...live, ...(live.notes ? { notes: new Map(live.notes) } : {}) } };
    this.pump(false);
  }

  /** Resolves once the thread looks as last wanted; throws what the platform threw otherwise. */
  async settle(): Promise<void> {
    while (this.pumping) await this.pumping;
    await this.pump(true);
    if (this.failed) throw this.failed;
  }

  private pump(now: boolean): Promise<void> {
    if (this.pumping && !now) return this.pumping;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.failed = undefined;
    const running = this.pumpOnce(now)
      .catch((err: unknown) => {
        this.failed = err;
        this.parts.logger.warn({ runId: this.wanted?.run.id, err }, 'thread not updated');
      })
      .finally(() => {
        if (this.pumping !== running) return;
        this.pumping = undefined;
        // Something may have been wanted after the last look and before this.
        if (!this.failed && !this.timer && this.next()) this.pump(false);
      });
    this.pumping = running;
    return running;
  }

  private async pumpOnce(now: boolean): Promise<void> {
    const { adapter, clock } = this.parts;
    if (!adapter) return;
    for (let drawing = this.next(); drawing; drawing = this.next()) {
      const { key, view } = drawing;
      const wait = (this.editedAt.get(key) ?? 0) + adapter.editEveryMs - clock.now();
      if (!now && wait > 0 && this.refs.has(key)) {
        this.timer = setTimeout(() => void this.pump(false), wait);
        return;
      }
      const conversation = this.wanted?.run.conversation;
      if (!conversation) return;
      this.editedAt.set(key, clock.now());
      await this.put(adapter, conversation, drawing);
      this.shown.set(key, JSON.stringify(view));
    }
  }

  private next(): Drawing | undefined {
    // Of a platform that is not served here (switched off since) nothing can be shown, and nothing waits to be.
    if (!this.wanted || !this.parts.adapter) return undefined;
    return draw(this.withPosts(this.wanted.run), this.wanted.live).find(
      ({ key, view }) => this.shown.get(key) !== JSON.stringify(view),
    );
  }

  /** What was posted while this state of the run was on its way stands in the thread as well, and is kept true. */
  private withPosts(run: Run): Run {
    const posted = [...this.announced].filter((key) => run.posts.every((p) => p.key !== key));
    return posted.length === 0 ? run : { ...run, posts: [...run.posts, ...posted.map((key) => ({ key }))] };
  }

  private async put(adapter: ChatAdapter, to: Conversation, { key, view }: Drawing): Promise<void> {
    const ref = this.refs.get(key);
    if (ref) return adapter.edit(to, key, ref, view);
    const maybePosted = this.announced.has(key);
    if (!maybePosted) await this.parts.save((run) => notePost(run, { key }));
    this.announced.add(key);
    const posted = await adapter.post(to, key, view, maybePosted);
    // On record before it is known as posted: a worker that dies in between posts and records again, which is one
    // line too many and never one too few.
    if (view.kind === 'card') await this.parts.onCard(view, to, posted);
    await this.parts.save((run) => notePost(run, { key, ref: posted }));
    this.refs.set(key, posted);
  }
}
