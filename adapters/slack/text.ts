/**
 * Text on its way through Slack: what a person typed, decoded; what we say, made harmless and short enough.
 */
import { visible } from '../../src/core/visible.ts';

/** A person's words as they typed them: Slack's escapes undone, mentions and links in readable form, the bot's name gone. */
export function decode(text: string, botUserId: string): string {
  return text
    .replace(new RegExp(`\\s*<@${botUserId}(?:\\|[^>]*)?>`, 'g'), '')
    .replace(/<([^<>]*)>/g, (_, inner: string) => reference(inner))
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&amp;/g, '&')
    .trim();
}

function reference(inner: string): string {
  const [target = '', label] = inner.split('|', 2);
  if (target.startsWith('@') || target.startsWith('#')) return label ? `${target[0]}${label}` : target;
  if (target.startsWith('!')) return label ?? `@${target.slice(1)}`;
  // Slack links host names and addresses by itself: give back what was typed.
  if (!label || target === label) return target.replace(/^mailto:/, '');
  const linked = [`http://${label}`, `https://${label}`, `mailto:${label}`];
  return linked.includes(target) ? label : `${label} (${target})`;
}

/** For the one place that Slack parses: the notification text beside the blocks. */
export function escaped(text: string): string {
  return visible(text).replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}

/** The start of a text up to a line's end within the limit, and how many lines were left out. */
export function cutAtLine(text: string, limit: number): { readonly text: string; readonly left: number } {
  if (text.length <= limit) return { text, left: 0 };
  const end = text.lastIndexOf('\n', limit);
  const kept = end > 0 ? text.slice(0, end) : sliceWhole(text, limit);
  return { text: kept, left: text.slice(kept.length).replace(/^\n/, '').split('\n').length };
}

/** One line of at most so many characters as they are shown: no name or reason can begin a line of its own. */
export function clip(text: string, limit: number): string {
  const shown = visible(text)
    .split(/\n+/)
    .map((l) => l.trim())
    .join(' ');
  return shown.length > limit ? `${sliceWhole(shown, limit)}…` : shown;
}

/** The beginning of what a host printed, small enough to stand beside other facts. */
export function excerpt(output: string): string {
  const lines = visible(output).trimEnd().split('\n');
  const { text, left } = cutAtLine(lines.slice(0, mostExcerptLines).join('\n'), 400);
  const more = left + Math.max(0, lines.length - mostExcerptLines);
  return more > 0 ? `${text}\n${leftOut(more)}` : text;
}

const mostExcerptLines = 6;

/** A slice that never splits a character in two. */
function sliceWhole(text: string, limit: number): string {
  const last = text.charCodeAt(limit - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? limit - 1 : limit);
}

export function leftOut(lines: number): string {
  return `… ${lines} more ${lines === 1 ? 'line' : 'lines'} left out`;
}
