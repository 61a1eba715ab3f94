/**
 * Output of a host is hostile data: one path cleans it for everyone who will read it, folds it, and fences it for the
 * model. Nothing leaves this server that has not been through here.
 */
import { randomBytes } from 'node:crypto';
import type { CommandEnd, CommandResult } from '../core/command.ts';
import { createStreamCleaner } from '../core/redact-stream.ts';

export interface Cleaners {
  /** Takes secrets out. When it throws, the output is withheld. */
  readonly redact: (text: string) => string;
  /** Shows control, bidirectional and invisible characters in an escaped form. */
  readonly visible: (text: string) => string;
}

export const withheld = '[output withheld: it could not be checked for secrets]';

/** So much is cleaned in one go; between such pieces other calls get their turn. */
const pieceBytes = 256 * 1024;

/** stdout and stderr as one clean text, not yet cut. Never rejects. */
export async function cleanOutput(result: CommandResult, { redact }: Cleaners): Promise<string> {
  const notes = result.truncated ? ['[output limit reached: the rest stayed on the host]'] : [];
  try {
    const stdout = await cleanStream(result.stdout, redact);
    const stderr = await cleanStream(result.stderr, redact);
    return [stdout, stderr && `[stderr]\n${stderr}`, ...notes].filter((part) => part !== '').join('\n');
  } catch {
    return withheld;
  }
}

async function cleanStream(text: string, redact: Cleaners['redact']): Promise<string> {
  const cleaner = createStreamCleaner({ redact, window: pieceBytes / 2 });
  const bytes = Buffer.from(text.replace(/\n+$/, ''), 'utf8');
  let clean = '';
  for (let i = 0; i < bytes.length; i += pieceBytes) {
    if (i > 0) await new Promise((resolve) => setImmediate(resolve));
    clean += cleaner.push(bytes.subarray(i, i + pieceBytes));
  }
  return clean + cleaner.end();
}

/** How a command ended, where a host may have had a word in it. */
export function cleanEnd(end: CommandEnd, cleaners: Cleaners): CommandEnd {
  return 'problem' in end ? { ...end, problem: cleanLine(end.problem, cleaners) } : end;
}

/** One line of text without secrets; withheld when that cannot be told. */
export function cleanLine(text: string, { redact, visible }: Cleaners): string {
  try {
    return redact(visible(redact(text)));
  } catch {
    return withheld;
  }
}

/** What stands between head and tail: how much, and under which id all of it is kept. */
export interface Gap {
  readonly lines: number;
  readonly characters: number;
}

export interface Folded {
  readonly text: string;
  readonly folded: boolean;
  readonly gap?: Gap;
}

/**
 * Repeated lines as one with their count, then head and tail of at most about `max` characters, with a line between
 * that says what is missing and, given the output's id, how to read it.
 */
export function foldOutput(whole: string, max: number, outputId?: string): Folded {
  const text = foldRepeats(whole);
  if (text.length <= max) return { text, folded: text !== whole };
  const head = cutAtLine(text.slice(0, Math.ceil(max * 0.6)), 'end');
  const tail = cutAtLine(text.slice(text.length - Math.floor(max * 0.4)), 'start');
  const characters = text.length - head.length - tail.length;
  const lines = text.slice(head.length, text.length - tail.length).split('\n').length;
  const where = outputId === undefined ? '' : `; read_output ${outputId} has all of it`;
  const line = `[… ${lines} lines, ${characters} characters left out${where} …]`;
  return { text: `${head}\n${line}\n${tail}`, folded: true, gap: { lines, characters } };
}

/** From this many on, identical lines in a row are worth a count. */
const repeats = 4;

function foldRepeats(text: string): string {
  const lines = text.split('\n');
  const out: string[] = [];
  for (let i = 0; i < lines.length; ) {
    const line = lines[i] ?? '';
    let n = i + 1;
    while (n < lines.length && lines[n] === line) n += 1;
    if (n - i < repeats) out.push(...lines.slice(i, n));
    else out.push(line, `[… the line above ${n - i} times …]`);
    i = n;
  }
  return out.join('\n');
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

export interface Label {
  readonly host: string;
  readonly command: string;
  /** Under which `read_output` has the whole. */
  readonly outputId?: string;
}

/**
 * Output as the model reads it, between delimiters that the host cannot have guessed; text in it that looks like
 * one of ours is defused all the same.
 */
export function fenceOutput(text: string, { host, command, outputId }: Label): string {
  const id = randomBytes(9).toString('base64url');
  const inside = text.replace(/<(?=[\s/]{0,20}output)/gi, '‹');
  const kept = outputId === undefined ? '' : ` output_id="${outputId}"`;
  return `<output id="${id}" host="${host}" command="${command}"${kept}>\n${inside || '(no output)'}\n</output id="${id}">`;
}
