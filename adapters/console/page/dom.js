/**
 * Building blocks of the page: elements made only of text nodes, and how times and invisible characters are shown.
 * Nothing here or elsewhere sets markup from a string; the page's policy forbids it too.
 */

/** An element. `on*` attributes are listeners, `true` is an empty attribute, `false` and undefined are left out. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== false));
  return node;
}

/**
 * An element whose inside is drawn anew only when the facts it shows have changed: focus, what was opened and what
 * was selected stay. `draw` gives a node, a list of them, or nothing.
 */
export function kept(tag, attributes, draw) {
  const node = el(tag, attributes);
  let shown;
  return {
    node,
    update(...facts) {
      const json = JSON.stringify(facts);
      if (json === shown) return;
      shown = json;
      node.replaceChildren(...[draw(...facts)].flat(Infinity).filter(Boolean));
    },
  };
}

/** Text of a host, an agent or a person: what would be invisible or turn the line around is shown as its code. */
export function visible(text) {
  return String(text).replaceAll('\r\n', '\n').replace(unseen, escaped);
}

/** Controls, lone surrogates, and what draws nothing or turns the line around; tab and newline stay. */
const unseen = new RegExp(
  [
    '[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\ud800-\\udfff\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5',
    '\\u180b-\\u180f\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufe00-\\ufe0d\\ufeff\\uffa0\\ufff0-\\ufffb',
    '\\u{1bca0}-\\u{1bca3}\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}]',
  ].join(''),
  'gu',
);

function escaped(character) {
  return `\\u{${character.codePointAt(0).toString(16)}}`;
}

const paths = {
  ok: 'M3.5 8.5l3 3 6-7',
  failed: 'M4.5 4.5l7 7M11.5 4.5l-7 7',
  refused: 'M8 2.5a5.5 5.5 0 1 0 .01 0M4.2 4.2l7.6 7.6',
  unknown: 'M5.8 6a2.2 2.2 0 1 1 3.2 2c-.7.4-1 .8-1 1.6M8 12.4v.1',
  waiting: 'M8 2.5a5.5 5.5 0 1 0 .01 0M8 5v3.2l2 1.3',
  approved: 'M8 2.5a5.5 5.5 0 1 0 .01 0M5.5 8.2l1.8 1.8 3.2-3.8',
  running: 'M8 2.5a5.5 5.5 0 1 0 5.5 5.5',
  chevron: 'M6 4l4 4-4 4',
  menu: 'M2.5 4.5h11M2.5 8h11M2.5 11.5h7',
  close: 'M4 4l8 8M12 4l-8 8',
  plus: 'M8 3.5v9M3.5 8h9',
  down: 'M8 3v10M3.8 9L8 13l4.2-4',
  command: 'M3 4.5L6.5 8 3 11.5M8 12h5',
  copy: 'M5.5 5.5V3h7.5v7.5h-2.5M3 5.5h7.5V13H3z',
  shield: 'M8 2l5 1.8v4c0 3-2.1 5.2-5 6.2-2.9-1-5-3.2-5-6.2v-4z',
};

/** A small line drawing; decoration only, the word beside it carries the meaning. */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('class', `icon icon-${name}`);
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', paths[name] ?? '');
  svg.append(path);
  return svg;
}

export function clockTime(at) {
  return new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}

/** Short, for the list: the time today, the date before. */
export function listTime(at, now = Date.now()) {
  const then = new Date(at);
  if (then.toDateString() === new Date(now).toDateString()) return clockTime(at);
  return then.toLocaleDateString([], { month: 'short', day: 'numeric' });
}

export function timeNode(at, text = clockTime(at)) {
  const date = new Date(at);
  return el('time', { datetime: date.toISOString(), title: date.toLocaleString() }, text);
}

export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** All of a few, else the first with the number of the others. */
export function hostNames(names) {
  return names.length <= 3 ? names.join(', ') : `${names[0]} and ${names.length - 1} more`;
}

/** What a host printed, kept apart from our words. */
export function evidence(text, label) {
  const shown = text.trimEnd();
  return shown === ''
    ? el('p', { class: 'nothing' }, 'It printed nothing.')
    : el('pre', { class: 'evidence', tabindex: '0', role: 'region', 'aria-label': label }, visible(shown));
}

/** A pre that scrolls by keyboard too, with a copy button where the browser allows it. */
export function codeBlock(text, label) {
  const pre = el('pre', { tabindex: '0', role: 'region', 'aria-label': label }, visible(text));
  const block = el('div', { class: 'code-block' }, pre);
  if (navigator.clipboard) {
    const button = el('button', {
      type: 'button',
      class: 'icon-button copy',
      'aria-label': `Copy: ${label}`,
    });
    button.append(icon('copy'));
    button.addEventListener('click', async () => {
      const copied = await navigator.clipboard.writeText(text).then(
        () => 'ok',
        () => 'failed',
      );
      button.replaceChildren(icon(copied));
      setTimeout(() => button.replaceChildren(icon('copy')), 1500);
    });
    block.append(button);
  }
  return block;
}
