/**
 * When the end of the log is anchored: at the first line after a start, every so many lines, at the end of a day and
 * at the stop. Anchors are sent one after another and hold up no line; one that fails is tried again with the next.
 */
import { type Anchor, type AnchorSettings, placeText } from '../core/anchor.ts';
import type { Logger } from '../core/ports.ts';
import { sendAnchor } from './audit-anchor-places.ts';

export interface Anchorer {
  /** Tells up to where the log is on disk. `endOfDay`: an anchor whatever the count. */
  reached(head: Anchor, endOfDay?: boolean): void;
  /**
   * Before `lines` more that begin a change: undefined, or why it may not begin. Makes the anchor that is due first.
   */
  refusal(lines: number): Promise<string | undefined>;
  /** Resolves when the end is anchored or could not be. */
  settle(): Promise<void>;
}

export interface AnchorerOptions {
  readonly settings: AnchorSettings;
  readonly logger?: Logger;
  /** A place does not take anchors any more, or does so again. */
  readonly onChange: (kind: 'anchor.failed' | 'anchor.restored', problem: string) => void;
}

export function createAnchorer({ settings, logger, onChange }: AnchorerOptions): Anchorer {
  const { places, every, required } = settings;
  let latest: Anchor | undefined;
  /** The last line that every place has an anchor of; 0 before the first. */
  let anchored = 0;
  /** The last line that an anchor was asked for. */
  let asked = 0;
  let begun = false;
  let problem: string | undefined;
  let queue: { readonly anchor: Anchor; readonly keep: boolean }[] = [];
  let sending: Promise<void> | undefined;

  const drain = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) await send(next.anchor);
    sending = undefined;
  };

  const send = async (anchor: Anchor) => {
    const failures: string[] = [];
    await Promise.all(
      places.map((place) =>
        sendAnchor(place, anchor).catch((error: unknown) => {
          failures.push(`${placeText(place)}: ${error instanceof Error ? error.message : String(error)}`);
        }),
      ),
    );
    if (failures.length === 0) {
      anchored = Math.max(anchored, anchor.seq);
      if (problem !== undefined) {
        logger?.info({ seq: anchor.seq }, 'the audit log is anchored again');
        onChange('anchor.restored', problem);
      }
      problem = undefined;
      return;
    }
    const before = problem;
    problem = failures.join('; ');
    if (before !== undefined) return;
    logger?.error({ problem, seq: anchor.seq, required }, 'the audit log cannot be anchored');
    onChange('anchor.failed', problem);
  };

  const enqueue = (anchor: Anchor, keep: boolean) => {
    asked = anchor.seq;
    // Of anchors that wait, the newest says all that the others would, but for the end of a day.
    queue = [...queue.filter((waiting) => waiting.keep), { anchor, keep }];
    sending ??= Promise.resolve().then(drain);
  };

  return {
    reached(head, endOfDay = false) {
      latest = head;
      const isDue = !begun || head.seq - asked >= every || problem !== undefined;
      if (endOfDay ? head.seq > asked : isDue) enqueue(head, endOfDay);
      begun = true;
    },
    async refusal(lines) {
      if (!required) return undefined;
      const isDue = problem !== undefined || (latest !== undefined && latest.seq + lines - anchored > every);
      if (latest && isDue) {
        enqueue(latest, false);
        await sending;
      }
      return problem;
    },
    async settle() {
      await sending;
      if (latest && latest.seq > anchored) enqueue(latest, false);
      await sending;
    },
  };
}
