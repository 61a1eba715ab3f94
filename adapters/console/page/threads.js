/**
 * The list of conversations: title, a status that is a colour, a shape and a word, and the time of the last change.
 */
import { el, listTime, timeNode, visible } from './dom.js';

export const statusWords = {
  queued: 'Queued',
  thinking: 'Thinking',
  working: 'Working',
  waiting: 'Waiting for approval',
  finished: 'Finished',
  failed: 'Failed',
  cancelled: 'Stopped',
};

export function createThreadList({ list, none }) {
  const rows = new Map();

  /** Redraws the list; rows are kept by thread so that focus stays where it is. */
  function show(threads, open) {
    const nodes = threads.map((summary) => {
      const row = rows.get(summary.thread) ?? createRow(summary.thread);
      rows.set(summary.thread, row);
      row.update(summary, summary.thread === open);
      return row.node;
    });
    const same = nodes.length === list.children.length && nodes.every((node, i) => list.children[i] === node);
    if (!same) {
      const focused = list.contains(document.activeElement) ? document.activeElement : undefined;
      list.replaceChildren(...nodes);
      focused?.focus({ preventScroll: true });
    }
    none.hidden = threads.length > 0;
  }

  return { show };
}

export function statusDot(node, status) {
  node.className = 'dot';
  node.dataset.status = status ?? '';
}

function createRow(thread) {
  const dot = el('span', { class: 'dot', 'aria-hidden': 'true' });
  const title = el('span', { class: 'row-title' });
  const word = el('span', { class: 'row-status' });
  const time = el('span', { class: 'row-time' });
  const anchor = el(
    'a',
    { class: 'row', href: `/t/${encodeURIComponent(thread)}`, 'data-thread': thread },
    dot,
    title,
    word,
    time,
  );
  return {
    node: el('li', {}, anchor),
    update(summary, isOpen) {
      statusDot(dot, summary.status);
      title.textContent = visible(summary.title);
      word.textContent = statusWords[summary.status] ?? '';
      time.replaceChildren(timeNode(summary.updatedAt, listTime(summary.updatedAt)));
      if (isOpen) anchor.setAttribute('aria-current', 'page');
      else anchor.removeAttribute('aria-current');
    },
  };
}
