/**
 * An approval card: what will run exactly, where and as whom, who asks and who may answer. While it is pending it
 * has buttons and a countdown; afterwards it says who decided and what came of it.
 */
import { createActions } from './card-actions.js';
import { createAsked } from './card-asked.js';
import { decided } from './card-decided.js';
import { codeBlock, el, hostNames, icon, kept, timeNode, visible } from './dom.js';

/**
 * `{node, update(view, at), around(open, call), tick(now)}`. `decide(view, answer)`, with an answer of `{verdict,
 * reason, windowMinutes, all}`, resolves to `{ok, text}`: not ok means that it did not count, and the words say why.
 * `around` tells what stands elsewhere in the thread: the run's open cards, and the call that this card is about.
 */
export function createCard({ decide }) {
  const head = kept('header', { class: 'card-head' }, header);
  const line = kept('div', { class: 'card-line' }, (text) => codeBlock(text, 'The exact command line'));
  const outcome = kept('div', { class: 'decision' }, (shown, at, came) =>
    shown.verdict === 'pending' ? [] : decided(titles[shown.verdict], shown, at, came),
  );
  const asked = createAsked();
  const answering = el('div');
  const said = el('p', { class: 'said', role: 'status' });
  const node = el(
    'article',
    { class: 'card', tabindex: '0' },
    [head.node, line.node, outcome.node, asked.node],
    [answering, said],
  );
  node.addEventListener('keydown', onKey);

  let view;
  let drawnAt;
  let came;
  let actions;
  let expired = false;
  let busy = false;
  // After an answer that counted, until the card shows what came of it.
  let counted = false;

  function update(next, at) {
    const heldFocus = node.contains(document.activeElement);
    const isOpen = next.verdict === 'pending';
    view = next;
    drawnAt = at;
    counted = false;
    node.dataset.verdict = view.verdict;
    node.dataset.risk = view.subject.risk;
    node.setAttribute('aria-label', labelOf(view));
    head.update(view.verdict, view.subject.risk, view.expiresAt);
    line.update(view.subject.line);
    outcome.update(view, at, came);
    asked.update(view);
    if (isOpen && !actions) {
      actions = createActions(send);
      answering.replaceChildren(actions.node);
    } else if (!isOpen && actions) {
      actions = undefined;
      answering.replaceChildren();
      // That it counted is now said by the card itself; why it did not stays with the person.
      if (!said.classList.contains('said-problem')) say('');
    }
    actions?.update(view);
    if (heldFocus && !node.contains(document.activeElement)) node.focus({ preventScroll: true });
    tick(Date.now());
  }

  function around(open, call) {
    came = call && { status: call.status, ends: call.ran.map((ran) => ran.end) };
    outcome.update(view, drawnAt, came);
    actions?.cover(open);
  }

  function tick(now) {
    if (view?.verdict !== 'pending') return;
    const left = Math.ceil((view.expiresAt - now) / 1000);
    expired = left <= 0;
    const countdown = head.node.querySelector('.countdown');
    const text = expired ? 'time is up' : `expires in ${timeLeft(left)}`;
    if (countdown && countdown.textContent !== text) countdown.textContent = text;
    countdown?.classList.toggle('soon', left <= 60);
    actions?.enable(mayAnswer());
  }

  const mayAnswer = () => !expired && !busy && !counted;

  async function send(answer) {
    if (!mayAnswer() || view.verdict !== 'pending') return;
    const before = view;
    busy = true;
    say(answer.verdict === 'approve' ? 'Approving…' : 'Denying…');
    actions.enable(false);
    const { ok, text } = await decide(view, answer);
    busy = false;
    // The card may have been drawn anew before the answer came.
    counted = ok && view === before;
    if (ok && view.verdict !== 'pending') say('');
    else say(text, !ok);
    if (ok) actions?.close();
    tick(Date.now());
  }

  function say(text, isProblem = false) {
    said.textContent = visible(text);
    said.classList.toggle('said-problem', isProblem);
  }

  /** Only with the card itself focused, and never by a key that is held down. */
  function onKey(event) {
    if (event.target !== node || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'a') send({ verdict: 'approve' });
    else if (event.key === 'd') actions?.askReason();
    else return;
    event.preventDefault();
  }

  return { node, update, around, tick };
}

const titles = {
  pending: 'Approval needed',
  approved: 'Approved',
  denied: 'Denied',
  expired: 'Expired',
  withdrawn: 'Withdrawn',
};
const icons = {
  pending: 'shield',
  approved: 'approved',
  denied: 'refused',
  expired: 'waiting',
  withdrawn: 'refused',
};

function labelOf({ verdict, subject }) {
  const where = hostNames(subject.targets.map((target) => target.host));
  return `${titles[verdict]}: ${visible(subject.command)} on ${visible(where)}`;
}

function header(verdict, risk, expiresAt) {
  const countdown = timeNode(expiresAt, '');
  countdown.className = 'countdown';
  // A timer is not read out each second, only when somebody goes to it.
  countdown.setAttribute('role', 'timer');
  return [
    icon(icons[verdict]),
    el('h3', {}, titles[verdict]),
    el('span', { class: `risk risk-${risk}` }, risk),
    verdict === 'pending' && countdown,
  ];
}

function timeLeft(seconds) {
  const hours = Math.floor(seconds / 3600);
  if (hours >= 48) return `${Math.floor(hours / 24)} days`;
  if (hours >= 1) return `${hours} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
