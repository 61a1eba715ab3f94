/**
 * Anchors of the audit log: the end of a writer's chain, told to a second place that whoever can write the log cannot
 * change. What is anchored can be cut off or built anew only by being found out.
 */

/** The end of one chain at one moment. */
export interface Anchor {
  readonly writer: string;
  /** Name of the file that the line is in. */
  readonly file: string;
  readonly seq: number;
  /** `hash` of that line. */
  readonly hash: string;
  /** Lines of that file up to it. */
  readonly count: number;
  /** ISO 8601, UTC. */
  readonly at: string;
}

/** Where anchors go. A unix socket is written by the program `logger`, the other two speak RFC 5424 themselves. */
export type AnchorPlace =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'syslog'; readonly socket: string }
  | { readonly kind: 'syslog-udp' | 'syslog-tcp'; readonly host: string; readonly port: number };

export interface AnchorSettings {
  readonly places: readonly AnchorPlace[];
  /** An anchor at least every so many lines, besides those at start and stop and at the end of a day. */
  readonly every: number;
  /** No change starts while an anchor that is due cannot be made. */
  readonly required: boolean;
}

/** Stands before the anchor in a syslog message, so that it is found again among others. */
export const anchorMark = 'opsagent-anchor';

export function placeText(place: AnchorPlace): string {
  if (place.kind === 'file') return place.path;
  if (place.kind === 'syslog') return `syslog ${place.socket}`;
  return `${place.kind} ${place.host}:${place.port}`;
}
