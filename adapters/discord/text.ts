/**
 * Text as Discord's Markdown draws it, made harmless: what comes from hosts or the model formats, links and
 * mentions nothing that we did not write.
 */
import { visible } from '../../src/core/visible.ts';

const zeroWidthSpace = '\u200b';

/** Text without any formatting: every character that Discord's Markdown knows is escaped. Lines are kept. */
export function plain(text: string): string {
  return visible(text).replace(/[\\`*_~|<>@#[\]():+-]/g, '\\$&');
}

/** The same on one line, cut to `max` characters before the escapes of Markdown. */
export function plainLine(text: string, max = 200): string {
  return plain(clip(oneLine(visible(text)), max));
}

/** A word or line of code inside a sentence. */
export function code(text: string, max = 300): string {
  const inner = spaceBackticks(clip(oneLine(visible(text)), max));
  if (inner.trim() === '') return '` `';
  return inner.includes('`') ? `\`\` ${inner} \`\`` : `\`${inner}\``;
}

/** A code block that its text cannot close; nothing for blank text. */
export function block(text: string): string {
  const inner = spaceBackticks(visible(text));
  return inner.trim() === '' ? '' : `\`\`\`\n${inner}\n\`\`\``;
}

/**
 * The model's Markdown: emphasis, lists and code stay; mentions, masked links, timestamps and custom emoji are
 * shown as the characters they are, and a code block that was left open is closed. Read from left to right as
 * Discord does, so that both agree on what is code.
 */
export function agentMarkdown(markdown: string): string {
  const source = visible(markdown);
  let out = '';
  for (let i = 0; i < source.length; ) {
    const { length, shown } = token(source, i, out);
    out += shown;
    i += length;
  }
  return out;
}

/** The same, at most `max` characters long: cut at a line, with a note that says how much is missing. */
export function agentMarkdownWithin(markdown: string, max: number): string {
  let shown = agentMarkdown(markdown);
  let kept = markdown;
  while (shown.length > max) {
    const room = Math.min(kept.length - 1, Math.floor((kept.length * (max - 60)) / shown.length));
    if (room <= 0) return cutNote(markdown.length);
    kept = cutAtLine(kept, room);
    shown = `${agentMarkdown(kept)}\n${cutNote(markdown.length - kept.length)}`;
  }
  return shown;
}

/** At most `max` characters, ending at the end of a line where one is near, never inside a character. */
export function cutAtLine(text: string, max: number): string {
  if (text.length <= max) return text;
  const head = text.slice(0, max);
  const line = head.lastIndexOf('\n');
  return (line > max / 2 ? head.slice(0, line) : head).replace(/[\ud800-\udbff]$/, '');
}

/** The beginning of what a host printed, small enough to stand beside other facts; what is missing is said. */
export function excerpt(output: string, lines: number, chars: number): string {
  const whole = visible(output).trimEnd();
  const shown = cutAtLine(whole.split('\n').slice(0, lines).join('\n'), chars);
  return shown.length < whole.length ? `${shown}\n… cut here` : shown;
}

export function clip(text: string, max: number): string {
  return text.length <= max ? text : `${cutAtLine(text, max - 1)}…`;
}

function cutNote(missing: number): string {
  return `-# … cut here, ${missing} more characters`;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

/** A zero-width space after each backtick: no run of them is left that could close a fence. */
function spaceBackticks(text: string): string {
  return text.replaceAll('`', `\`${zeroWidthSpace}`);
}

/** What stands at `i`, as it is to be written after `out`. */
function token(source: string, i: number, out: string): { length: number; shown: string } {
  const at = (pattern: RegExp) => {
    pattern.lastIndex = i;
    return pattern.exec(source);
  };
  const pair = at(/\\[^0-9A-Za-z\s]/y);
  if (pair) return { length: 2, shown: pair[0] };
  const fenced = at(/```([^\n`]*)\n([\s\S]*?)(?:\n?```|$)/y);
  if (fenced) return { length: fenced[0].length, shown: fence(fenced[1] ?? '', fenced[2] ?? '') };
  const inline = at(/`[^`\n]+`(?!`)/y);
  if (inline) return { length: inline[0].length, shown: inline[0] };

  const char = source.charAt(i);
  const startsLine = /(?:^|\n)\s*$/.test(out.slice(-20));
  const acts =
    '`<@'.includes(char) ||
    (char === '(' && out.endsWith(']')) ||
    (char === '>' && startsLine && source.startsWith('>>>', i));
  return { length: 1, shown: acts ? `\\${char}` : char };
}

function fence(info: string, body: string): string {
  const language = /^[a-z0-9_+.#-]{1,20}$/i.exec(info.trim())?.[0] ?? '';
  return body.trim() === '' ? '' : `\`\`\`${language}\n${spaceBackticks(body)}\n\`\`\``;
}
