/**
 * The agent's Markdown as DOM nodes. The text is hostile: every character ends up in a text node, links show
 * where they lead and lead only to http and https, images and raw HTML stay text.
 */
import { codeBlock, el, visible } from './dom.js';

/** Redraws `node` from `source`, leaving blocks that did not change alone so that selection and scroll survive. */
export function renderMarkdown(node, source, depth = 0) {
  const text = String(source).replaceAll('\r\n', '\n');
  const blocks = depth < maxDepth ? splitBlocks(text.split('\n')) : [{ kind: 'paragraph', text, raw: text }];
  blocks.forEach((block, i) => {
    const there = node.children[i];
    if (there && drawn.get(there) === block.raw) return;
    const fresh = renderBlock(block, depth + 1);
    drawn.set(fresh, block.raw);
    if (there) there.replaceWith(fresh);
    else node.append(fresh);
  });
  while (node.children.length > blocks.length) node.lastElementChild.remove();
}

/** Quotes in quotes and lists in lists beyond this stay text: nobody means them. */
const maxDepth = 8;

/** What each drawn block was made of. */
const drawn = new WeakMap();

const fence = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/;
const heading = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/;
const rule = /^ {0,3}([-*_])\s*(\1\s*){2,}$/;
const item = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const quote = /^ {0,3}> ?(.*)$/;
const tableRule = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

function splitBlocks(lines) {
  const blocks = [];
  let i = 0;
  while (i < lines.length) {
    const start = i;
    const line = lines[i];
    if (line.trim() === '') {
      i += 1;
      continue;
    }
    let block;
    if (fence.test(line)) {
      const [, marks, language] = fence.exec(line);
      i += 1;
      const body = [];
      while (i < lines.length && !closesFence(lines[i], marks)) body.push(lines[i++]);
      i += 1;
      block = { kind: 'code', language: language.trim(), text: body.join('\n') };
    } else if (heading.test(line)) {
      const [, marks, text] = heading.exec(line);
      i += 1;
      block = { kind: 'heading', level: marks.length, text };
    } else if (rule.test(line)) {
      i += 1;
      block = { kind: 'rule' };
    } else if (quote.test(line)) {
      const body = [];
      while (i < lines.length && quote.test(lines[i])) body.push(quote.exec(lines[i++])[1]);
      block = { kind: 'quote', lines: body };
    } else if (item.test(line)) {
      while (i < lines.length && (item.test(lines[i]) || continuesItem(lines, i))) i += 1;
      block = { kind: 'list', lines: lines.slice(start, i) };
    } else if (line.includes('|') && tableRule.test(lines[i + 1] ?? '')) {
      i += 2;
      while (i < lines.length && lines[i].includes('|')) i += 1;
      block = { kind: 'table', lines: lines.slice(start, i) };
    } else {
      while (i < lines.length && (i === start || !startsBlock(lines[i]))) i += 1;
      block = { kind: 'paragraph', text: lines.slice(start, i).join('\n') };
    }
    blocks.push({ ...block, raw: lines.slice(start, i).join('\n') });
  }
  return blocks;
}

function closesFence(line, marks) {
  const text = line.trim();
  return text.startsWith(marks) && text === marks[0].repeat(text.length);
}

function continuesItem(lines, i) {
  if (lines[i].trim() === '') return item.test(lines[i + 1] ?? '') || /^\s{2,}\S/.test(lines[i + 1] ?? '');
  return /^\s{2,}\S/.test(lines[i]);
}

function startsBlock(line) {
  return [/^\s*$/, fence, heading, rule, quote, item].some((shape) => shape.test(line));
}

function renderBlock(block, depth) {
  switch (block.kind) {
    case 'code':
      return codeBlock(block.text, block.language ? `Code, ${visible(block.language)}` : 'Code');
    case 'heading':
      return el(`h${Math.min(6, block.level + 2)}`, {}, inline(block.text));
    case 'rule':
      return el('hr');
    case 'quote': {
      const node = el('blockquote');
      renderMarkdown(node, block.lines.join('\n'), depth);
      return node;
    }
    case 'list':
      return renderList(block.lines, depth);
    case 'table':
      return renderTable(block.lines);
    default:
      return el('p', {}, inline(block.text));
  }
}

/** Items of the first indent are this list's; deeper lines belong to the item above them. */
function renderList(lines, depth) {
  const [, indent, marker] = item.exec(lines[0]);
  const ordered = /\d/.test(marker);
  const list = el(
    ordered ? 'ol' : 'ul',
    ordered && marker !== '1.' ? { start: String(parseInt(marker, 10)) } : {},
  );
  const items = [];
  for (const line of lines) {
    const found = item.exec(line);
    if (found && found[1].length <= indent.length) items.push({ text: found[3], under: [] });
    else items.at(-1)?.under.push(line);
  }
  for (const { text, under } of items) {
    const node = el('li', {}, inline(text));
    const nested = el('div');
    renderMarkdown(nested, dedent(under).join('\n'), depth);
    node.append(...nested.childNodes);
    list.append(node);
  }
  return list;
}

function dedent(lines) {
  const indents = lines.filter((line) => line.trim()).map((line) => /^\s*/.exec(line)[0].length);
  const shared = indents.length > 0 ? Math.min(...indents) : 0;
  return lines.map((line) => line.slice(shared));
}

function renderTable(lines) {
  const [head, , ...rows] = lines.map(cells);
  const row = (tag, values) =>
    el(
      'tr',
      {},
      values.map((text) => el(tag, {}, inline(text))),
    );
  const table = el(
    'table',
    {},
    el('thead', {}, row('th', head)),
    el(
      'tbody',
      {},
      rows.map((values) => row('td', values)),
    ),
  );
  return el('div', { class: 'table', tabindex: '0', role: 'region', 'aria-label': 'Table' }, table);
}

function cells(line) {
  const text = line.trim().replace(/^\|/, '').replace(/\|$/, '');
  return text.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'));
}

// Tried where their first character stands and bounded in length, so that hostile text costs linear time.
const spans = {
  '`': [[/(`{1,8})(?!`)([^`]|[^`][\s\S]{0,2000}?[^`])\1(?!`)/uy, (m) => el('code', {}, visible(m[2]))]],
  '[': [
    [/\[([^[\]]{0,500})\]\(\s*<?([^\s<>()]{1,2000})>?(?:\s+"[^"]{0,200}")?\s*\)/uy, (m) => link(m[2], m[1])],
  ],
  h: [[/https?:\/\/[^\s<>"'`)\]]{0,2000}[^\s<>"'`)\].,;:!?]/iuy, (m) => link(m[0])]],
  '*': [
    [/\*\*(?=\S)([^\n]{0,2000}?\S)\*\*/uy, (m) => el('strong', {}, inline(m[1]))],
    [/\*(?=[^\s*])([^*\n]{0,2000}?[^\s*])\*/uy, (m) => el('em', {}, inline(m[1]))],
  ],
  _: [
    [/__(?=\S)([^\n]{0,2000}?\S)__(?![\p{L}\p{N}])/uy, (m) => el('strong', {}, inline(m[1]))],
    [/_(?=[^\s_])([^_\n]{0,2000}?[^\s_])_(?![\p{L}\p{N}_])/uy, (m) => el('em', {}, inline(m[1]))],
  ],
  '~': [[/~~(?=\S)([^\n]{0,2000}?\S)~~/uy, (m) => el('s', {}, inline(m[1]))]],
};
const special = /[`[*_~]|https?:\/\//giu;
const wordBefore = /[\p{L}\p{N}_]$/u;

/** The nodes of one run of text, left to right: the first span that fits is taken, what is left is text. */
function inline(text) {
  const nodes = [];
  let plain = 0;
  special.lastIndex = 0;
  let at = next(text, 0);
  while (at >= 0) {
    const found = spanAt(text, at);
    if (found) {
      if (at > plain) nodes.push(visible(text.slice(plain, at)));
      nodes.push(found.node);
      plain = at + found.length;
    }
    // A run of one mark that opens nothing is passed as a whole.
    at = next(text, found ? plain : at + runLength(text, at));
  }
  if (plain < text.length) nodes.push(visible(text.slice(plain)));
  return nodes;
}

function next(text, from) {
  special.lastIndex = from;
  return special.exec(text)?.index ?? -1;
}

function runLength(text, at) {
  let end = at + 1;
  while (text[at] !== '[' && text[end] === text[at]) end += 1;
  return end - at;
}

function spanAt(text, at) {
  const mark = text[at].toLowerCase();
  // Inside a word an underscore is part of the name, and a link begins at a word.
  if ('_h'.includes(mark) && wordBefore.test(text.slice(Math.max(0, at - 2), at))) return undefined;
  for (const [shape, make] of spans[mark] ?? []) {
    shape.lastIndex = at;
    const match = shape.exec(text);
    const node = match && make(match);
    if (node) return { node, length: match[0].length };
  }
  return undefined;
}

/** The words, then the address as the browser understands it: what is read is what is opened. */
function link(address, words) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return undefined;
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined;
  const anchor = el(
    'a',
    { href: url.href, target: '_blank', rel: 'noopener noreferrer nofollow' },
    visible(url.href),
  );
  return words === undefined || words === address
    ? anchor
    : el('span', {}, `${visible(words)} (`, anchor, ')');
}
