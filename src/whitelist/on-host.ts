/**
 * One rendered command on its host, before and after it ran.
 */
import type { Host, RanCommand, RenderedCommand } from '../core/command.ts';

export interface OnHost {
  readonly host: Host;
  readonly command: RenderedCommand;
}

/** `text` is all of its clean output. */
export interface RanOne {
  readonly ran: RanCommand;
  readonly text: string;
}
