/**
 * Slack's rich text: the one kind of block in which text is only text, so that nothing in it can act. The agent's
 * Markdown is turned into it here, without links: a link's address is shown, not hidden behind its words.
 */
import type { RichTextBlock, RichTextPreformatted, RichTextSection, RichTextText } from '@slack/types';
import { visible } from '../../src/core/visible.ts';

export type RichPart = RichTextSection | RichTextPreformatted;
export type Style = NonNullable<RichTextText['style']>;

/** Literal text. Split after `<` so that a mention's markup never stands in one piece in what we send. */
export function words(text: string, style?: Style): RichTextText[] {
  return visible(text)
    .split(/(?<=<)(?=[!@#])/)
    .filter((piece) => piece !== '')
    .map((piece) => ({ type: 'text', text: piece, ...(style ? { style } : {}) }));
}

export function line(...elements: RichTextSection['elements']): RichTextSection {
  return { type: 'rich_text_section', elements };
}

export function preformatted(text: string): RichTextPreformatted {
  return { type: 'rich_text_preformatted', elements: words(text || ' ') };
}

export function richText(elements: RichPart[]): RichTextBlock {
  return { type: 'rich_text', elements };
}

/** Markdown as rich text: fences and tables preformatted, headings bold, inline code, bold and italic kept. */
export function markdown(source: string): RichPart[] {
  const parts: RichPart[] = [];
  let prose: string[] = [];
  const flush = () => {
    const text = prose.join('\n').replace(/^\n+|\n+$/g, '');
    prose = [];
    if (text) parts.push(line(...inline(`${text}\n`)));
  };

  const lines = source.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const current = lines[i] ?? '';
    const fence = /^\s{0,3}(`{3,}|~{3,})/.exec(current)?.[1];
    if (fence) {
      flush();
      const end = lines.findIndex(
        (l, at) => at > i && l.trim().startsWith(fence) && !l.trim().slice(fence.length),
      );
      const stop = end === -1 ? lines.length : end;
      parts.push(preformatted(lines.slice(i + 1, stop).join('\n')));
      i = stop;
    } else if (/^\s*\|.*\|\s*$/.test(current)) {
      flush();
      let stop = i;
      while (/^\s*\|.*\|\s*$/.test(lines[stop] ?? '')) stop++;
      parts.push(preformatted(lines.slice(i, stop).join('\n')));
      i = stop - 1;
    } else prose.push(block(current));
  }
  flush();
  return parts;
}

/** Headings become bold lines and list marks bullets; the rest of the line stays as it is. */
function block(text: string): string {
  const heading = /^#{1,6}\s+(.*?)\s*#*$/.exec(text)?.[1];
  if (heading) return `**${heading.replaceAll('**', '')}**`;
  return text.replace(/^(\s*)[-*+]\s+/, '$1• ');
}

const spans =
  /(`+)(.+?)\1(?!`)|\*\*(\S(?:.*?\S)?)\*\*|(?<![\w*])\*(\S(?:[^*\n]*?\S)?)\*(?![\w*])|(?<!\w)_(\S(?:[^_\n]*?\S)?)_(?!\w)|!?\[([^\]\n]*)\]\(([^()\s]*)\)/g;

function inline(text: string): RichTextText[] {
  const out: RichTextText[] = [];
  let from = 0;
  for (const match of text.matchAll(spans)) {
    const [all, , code, bold, italic, underscored, label, address] = match;
    out.push(...words(text.slice(from, match.index)));
    if (code !== undefined) out.push(...words(code, { code: true }));
    else if (bold !== undefined) out.push(...words(bold, { bold: true }));
    else if (address !== undefined) out.push(...words(label === address ? address : `${label} (${address})`));
    else out.push(...words(italic ?? underscored ?? all, { italic: true }));
    from = match.index + all.length;
  }
  out.push(...words(text.slice(from)));
  return out;
}
