/**
 * Anchors read back: from the file they were written to, or from what a syslog kept, where each is behind its mark
 * and other messages stand between.
 */
import { basename, dirname } from 'node:path';
import { type Anchor, anchorMark } from '../core/anchor.ts';
import { linesOf } from './audit-files.ts';

export interface FoundAnchors {
  readonly anchors: readonly Anchor[];
  /** Numbers of the lines, from 1, that should be anchors and cannot be read. */
  readonly unreadable: readonly number[];
}

/** Throws what the file system throws. */
export function readAnchors(file: string): FoundAnchors {
  const anchors: Anchor[] = [];
  const unreadable: number[] = [];
  let number = 0;
  for (const { bytes } of linesOf(dirname(file), basename(file))) {
    number += 1;
    const line = bytes.toString('utf8');
    const marked = line.indexOf(`${anchorMark} `);
    if (marked === -1 && !line.startsWith('{')) continue;
    const anchor = anchorFrom(marked === -1 ? line : line.slice(marked + anchorMark.length + 1));
    if (anchor) anchors.push(anchor);
    else unreadable.push(number);
  }
  return { anchors, unreadable };
}

function anchorFrom(text: string): Anchor | undefined {
  try {
    const { writer, file, seq, hash, count, at } = JSON.parse(text) as Anchor;
    const isAnchor =
      /^[a-z]+(?:-\d+)?$/.test(writer) &&
      /^[0-9a-f]{64}$/.test(hash) &&
      [seq, count].every((n) => Number.isSafeInteger(n) && n > 0) &&
      [file, at].every((t) => typeof t === 'string');
    return isAnchor ? { writer, file, seq, hash, count, at } : undefined;
  } catch {
    return undefined;
  }
}
