/**
 * What can be answered on a pending card: approve, deny with a reason, approve everything that the run has open, and
 * approve with a window. Forms stand in the place of the buttons, and stay when the card is drawn anew.
 */
import { el, hostNames, icon, visible } from './dom.js';

/** `{node, update(view), cover(open), enable(isEnabled), askReason(), close()}`; `send(answer)` takes a press. */
export function createActions(send) {
  let view;
  let open = [];
  const buttons = el('div', { class: 'card-buttons' });
  const panels = {};

  /** Shows one of the forms, or the buttons again; `opener` gets the focus back. */
  function show(name, opener) {
    const inside = node.contains(document.activeElement);
    for (const [other, panel] of Object.entries(panels)) panel.hidden = other !== name;
    buttons.hidden = name !== undefined;
    drawAllowing();
    deny.setAttribute('aria-expanded', String(name === 'deny'));
    all.setAttribute('aria-expanded', String(name === 'all'));
    const field = panels[name]?.querySelector('input, button');
    if (field) {
      field.focus();
      panels[name].scrollIntoView({ block: 'nearest' });
    } else if (inside) opener?.focus();
  }

  const approve = button('Approve', 'approve', () => send({ verdict: 'approve' }));
  approve.prepend(icon('ok'));
  const deny = button('Deny', 'deny', () => show('deny'));
  deny.setAttribute('aria-expanded', 'false');
  const all = button('', '', () => show('all'));
  all.setAttribute('aria-expanded', 'false');
  const keys = [el('kbd', {}, 'A'), ' approves, ', el('kbd', {}, 'D'), ' denies'];
  buttons.append(approve, deny, all, el('span', { class: 'keys' }, 'on the card: ', ...keys));

  const reason = el('input', {
    type: 'text',
    maxlength: '500',
    placeholder: 'Why not? (the agent reads this)',
    'aria-label': 'Reason for denying',
  });
  const confirmDeny = button('Deny', 'deny', () => send({ verdict: 'deny', reason: reason.value.trim() }));
  panels.deny = form('deny-form', () => confirmDeny.click(), [
    reason,
    el('div', { class: 'card-buttons' }, confirmDeny, cancel(deny)),
  ]);

  const covered = el('div', { class: 'covered' });
  const confirmAll = button('', 'approve', () => {
    if (coversAll()) send({ verdict: 'approve', all: view.all.digest });
  });
  panels.all = form('all-form', () => confirmAll.click(), [
    covered,
    el('div', { class: 'card-buttons' }, confirmAll, cancel(all)),
  ]);

  const windows = [15, 60].map((minutes) =>
    button(`Approve + ${minutes} min`, '', () => send({ verdict: 'approve', windowMinutes: minutes })),
  );
  const votes = el('span');
  const allowing = el(
    'details',
    { class: 'allowing' },
    el('summary', {}, 'Approve and allow for a while…'),
    el(
      'p',
      {},
      'Approves this, and for that long lets exactly this command run again on the same hosts in this thread without another card. ',
      votes,
      el('code', {}, 'revoke'),
      ' in this thread ends it.',
    ),
    el('div', { class: 'card-buttons' }, windows),
  );

  allowing.addEventListener('toggle', () => {
    if (allowing.open) allowing.scrollIntoView({ block: 'nearest' });
  });

  const node = el('div', { class: 'card-actions' }, buttons, Object.values(panels), allowing);

  function cancel(opener) {
    const quiet = el('button', { type: 'button', class: 'button quiet' }, 'Cancel');
    quiet.addEventListener('click', () => show(undefined, opener));
    return quiet;
  }

  function form(name, submit, inside) {
    const made = el('form', { class: name, hidden: true }, inside);
    made.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      show(undefined, name === 'deny-form' ? deny : all);
    });
    made.addEventListener('submit', (event) => {
      event.preventDefault();
      submit();
    });
    return made;
  }

  function drawAllowing() {
    allowing.hidden = buttons.hidden || !view.mayOpenWindow;
  }

  /** Only what the page shows may be approved from it. */
  const coversAll = () => view.all !== undefined && open.length === view.all.count;

  function drawAll() {
    all.hidden = view.all === undefined;
    if (view.all === undefined) {
      if (!panels.all.hidden) show(undefined, approve);
      return;
    }
    const { count } = view.all;
    const text = `Approve all ${count}`;
    if (all.textContent !== text) all.textContent = text;
    if (confirmAll.textContent !== text) confirmAll.textContent = text;
    covered.replaceChildren(
      el('p', {}, `Approves all ${count} open requests of this run, each as its own card shows it:`),
      el('ol', {}, open.map(coveredNode)),
      coversAll()
        ? el('p', { class: 'aside' }, 'Each still needs every approval that its card asks for.')
        : el('p', { class: 'said-problem' }, 'This page does not show all of them yet, so it cannot.'),
    );
    setEnabled(confirmAll, isEnabled && coversAll());
  }

  let isEnabled = true;
  return {
    node,
    update(next) {
      view = next;
      drawAllowing();
      votes.textContent =
        view.rule.people > 1
          ? 'It opens only if everyone who approves asks for one; the shortest counts. '
          : '';
      drawAll();
    },
    /** The open cards of the run, in the order of the thread. */
    cover(next) {
      const changed = JSON.stringify(next) !== JSON.stringify(open);
      open = next;
      if (changed) drawAll();
    },
    enable(next) {
      isEnabled = next;
      for (const each of [approve, deny, all, confirmDeny, ...windows]) setEnabled(each, isEnabled);
      setEnabled(confirmAll, isEnabled && coversAll());
    },
    askReason: () => show('deny'),
    close: () => show(undefined, approve),
  };
}

function coveredNode({ subject }) {
  const where = hostNames(subject.targets.map((target) => target.host));
  return el(
    'li',
    {},
    el('code', {}, visible(subject.line)),
    el('span', { class: 'aside' }, ` on ${visible(where)}, ${subject.risk}`),
  );
}

/** A button that is out of use keeps the focus; the second click of a double click is no press of its own. */
function button(text, look, press) {
  const made = el('button', { type: 'button', class: `button ${look}` }, text);
  made.addEventListener('click', (event) => {
    if (event.detail <= 1 && made.getAttribute('aria-disabled') !== 'true') press();
  });
  return made;
}

function setEnabled(made, isEnabled) {
  if (isEnabled) made.removeAttribute('aria-disabled');
  else made.setAttribute('aria-disabled', 'true');
}
