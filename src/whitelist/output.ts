/**
 * Output of a host is hostile data: one path cleans it for everyone who will read it, and fences it for the model.
 * Nothing leaves this server that has not been through here.
 */
import { randomBytes } from 'node:crypto';
import type { CommandResult } from '../core/command.ts';

export interface Cleaners {
  /** Takes secrets out. When it throws, the output is withheld. */
  readonly redact: (text: string) => string;
  /** Shows control, bidirectional and invisible characters in an escaped form. */
  readonly visible: (text: string) => string;
}

export const withheld = '[output withheld: it could not be checked for secrets]';

/** stdout and stderr as one clean text, not yet cut. */
export function cleanOutput(result: CommandResult, { redact, visible }: Cleaners): string {
  const stdout = result.stdout.replace(/\n+$/, '');
  const stderr = result.stderr.replace(/\n+$/, '');
  const notes = result.truncated ? ['[output limit reached: the rest stayed on the host]'] : [];
  try {
    // Twice: escaping may bring together what the host had split, and split what stood together.
    const clean = (text: string) => redact(visible(redact(text)));
    const parts = [stdout && clean(stdout), stderr && `[stderr]\n${clean(stderr)}`, ...notes];
    return parts.filter((part) => part !== '').join('\n');
  } catch {
    return withheld;
  }
}

/** Head and tail of a text of at most about `max` characters, with a line between that says what is missing. */
export function foldOutput(text: string, max: number): { readonly text: string; readonly folded: boolean } {
  if (text.length <= max) return { text, folded: false };
  const head = cutAtLine(text.slice(0, Math.ceil(max * 0.6)), 'end');
  const tail = cutAtLine(text.slice(-Math.floor(max * 0.4)), 'start');
  const gone = text.length - head.length - tail.length;
  const lines = text.slice(head.length, text.length - tail.length).split('\n').length;
  return { text: `${head}\n[… ${lines} lines, ${gone} characters left out …]\n${tail}`, folded: true };
}

/** Drops the part of a line at the cut, where a whole line is left, and never half a surrogate pair. */
function cutAtLine(text: string, at: 'start' | 'end'): string {
  if (at === 'end') {
    const last = text.lastIndexOf('\n');
    return last > text.length / 2 ? text.slice(0, last) : text.replace(/[\uD800-\uDBFF]$/, '');
  }
  const first = text.indexOf('\n');
  return first !== -1 && first < text.length / 2
    ? text.slice(first + 1)
    : text.replace(/^[\uDC00-\uDFFF]/, '');
}

/**
 * Output as the model reads it, between delimiters that the host cannot have guessed; text in it that looks like
 * one of ours is defused all the same.
 */
export function fenceOutput(
  text: string,
  label: { readonly host: string; readonly command: string },
): string {
  const id = randomBytes(9).toString('base64url');
  const inside = text.replace(/<(\/?)(output)/gi, '‹$1$2');
  const open = `<output id="${id}" host="${label.host}" command="${label.command}">`;
  return `${open}\n${inside || '(no output)'}\n</output id="${id}">`;
}
