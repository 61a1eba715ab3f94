/**
 * One page of a kept output: lines from a number on, or those that hold a text or match a pattern. Nothing runs.
 */
import { RE2JS } from 're2js';

export interface PageRequest {
  /** From 1. */
  readonly fromLine: number;
  readonly lines: number;
  /** Text to find, or between slashes an RE2 pattern. */
  readonly grep?: string;
  /** Characters of the page; at least one line is given. */
  readonly maxChars: number;
}

export interface Page {
  readonly lines: readonly { readonly n: number; readonly text: string }[];
  readonly total: number;
  /** Where to go on; undefined at the end. */
  readonly next?: number;
}

export type Paged =
  | { readonly ok: true; readonly page: Page }
  | { readonly ok: false; readonly reason: string };

/** A longer line is counted as several, so that each can be reached. */
const lineChars = 1000;

export function pageOf(text: string, request: PageRequest): Paged {
  const matcher = matcherFor(request.grep);
  if (typeof matcher === 'string') return { ok: false, reason: matcher };
  const all = text.split('\n').flatMap(pieces);
  const lines: { n: number; text: string }[] = [];
  let room = request.maxChars;
  let n = request.fromLine;
  for (; n <= all.length && lines.length < request.lines; n++) {
    const line = all[n - 1] ?? '';
    if (!matcher(line)) continue;
    room -= line.length + 8;
    if (room < 0 && lines.length > 0) break;
    lines.push({ n, text: line });
  }
  return { ok: true, page: { lines, total: all.length, ...(n <= all.length ? { next: n } : {}) } };
}

function pieces(line: string): string[] {
  return line.length <= lineChars ? [line] : (line.match(/[\s\S]{1,1000}/gu) ?? []);
}

/** The test of one line, or what is wrong with the pattern. */
function matcherFor(grep: string | undefined): ((line: string) => boolean) | string {
  if (grep === undefined || grep === '') return () => true;
  const pattern = /^\/(.+)\/(i?)$/.exec(grep);
  if (!pattern) return (line) => line.includes(grep);
  try {
    const compiled = RE2JS.compile(pattern[1] ?? '', pattern[2] ? RE2JS.CASE_INSENSITIVE : 0);
    return (line) => compiled.matcher(line).find();
  } catch (error) {
    return `That is no RE2 pattern: ${error instanceof Error ? error.message : 'it cannot be read'}.`;
  }
}
