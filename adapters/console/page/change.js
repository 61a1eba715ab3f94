/**
 * What a change did on one host: the state before and after it side by side with the lines that differ marked, which
 * window allowed it, and the request that reverses it.
 */
import { newEventId } from './api.js';
import { el, evidence, kept, visible } from './dom.js';
import { lineDiff } from './line-diff.js';

export function hasChange(ran) {
  return ran.probe !== undefined || ran.undo !== undefined || ran.allowedBy !== undefined;
}

/**
 * `{node, update(ran)}`. `undo({call, host, id})` resolves to `{ok, taken, text}`: ok when the server took it in, taken when
 * it made a request of it.
 */
export function createChange({ callId, undo }) {
  const state = kept('div', {}, (host, others, probe) => probe && stateNodes(host, others, probe));
  const allowed = kept(
    'div',
    {},
    (by) => by && el('p', { class: 'allowed-by' }, `Allowed without a card by ${visible(by)}.`),
  );
  const reverse = kept('div', {}, (host, asks) => asks && undoNodes(host, asks));
  const node = el('div', { class: 'change' }, state.node, allowed.node, reverse.node);

  function undoNodes(host, { where, command, params }) {
    const said = el('p', { class: 'said', role: 'status' });
    const button = el('button', { type: 'button', class: 'button small undo' }, 'Undo');
    const values = Object.entries(params).map(([name, value]) => `${name}=${value}`);
    const asked = [command, ...values, 'on', where].join(' ');
    let busy = false;
    // One id for a press, kept until the server has answered: pressed again meanwhile it is the same request.
    let id;

    button.addEventListener('click', async (event) => {
      if (busy || event.detail > 1) return;
      busy = true;
      button.setAttribute('aria-disabled', 'true');
      said.classList.remove('said-problem');
      said.textContent = 'Asking…';
      id ??= newEventId();
      const { ok, taken, text } = await undo({ call: callId, host, id });
      if (ok) id = undefined;
      said.textContent = visible(text);
      said.classList.toggle('said-problem', !taken);
      button.removeAttribute('aria-disabled');
      busy = false;
    });
    return [
      el(
        'div',
        { class: 'undo-row' },
        button,
        el('p', {}, 'asks for ', el('code', {}, visible(asked)), ', by the same rules as any change'),
      ),
      said,
    ];
  }

  return {
    node,
    update(ran) {
      const where = [ran.host, ...(ran.sameOn ?? [])];
      state.update(ran.host, where.length - 1, ran.probe);
      allowed.update(ran.allowedBy);
      reverse.update(ran.host, ran.undo && { where: where.join(','), ...ran.undo });
    },
  };
}

/** The state is of one host, also where others ended the same. */
function stateNodes(host, others, { line, before, after }) {
  const same = before !== undefined && before.trimEnd() === after.trimEnd();
  const head = el(
    'p',
    { class: 'change-head' },
    el('strong', {}, `State of ${visible(host)}`),
    others > 0 && ' (not of the others that ended the same)',
    ', as it printed it ',
    el('code', {}, visible(line)),
  );
  if (same) return [head, column('Before and after: unchanged', after, host)];
  const marks = before === undefined ? undefined : lineDiff(before.trimEnd(), after.trimEnd());
  return [
    head,
    el(
      'div',
      { class: 'sides' },
      before === undefined
        ? el('section', {}, el('h4', {}, 'Before'), el('p', { class: 'nothing' }, 'It was not looked at.'))
        : column('Before', before, host, marks && { lines: marks.before, tag: 'del' }),
      column('After', after, host, marks && { lines: marks.after, tag: 'ins' }),
    ),
  ];
}

function column(title, text, host, marked) {
  const block = evidence(text, `${title}: state of ${visible(host)}`);
  if (marked && block.tagName === 'PRE')
    block.replaceChildren(
      ...marked.lines.map((line) =>
        el(line.isChanged ? marked.tag : 'span', { class: 'line' }, `${visible(line.text)}\n`),
      ),
    );
  return el('section', {}, el('h4', {}, title), block);
}
