/**
 * An approval card: what will run exactly, where and as whom, who asks and who may answer. While it is pending it
 * has buttons and a countdown; afterwards it says who decided and what came of it.
 */
import { codeBlock, el, icon, timeNode, visible } from './dom.js';

/**
 * `{node, update(view, at), tick(now)}`. `decide(view, verdict, reason)` resolves to `{ok, text}`: not ok means
 * that it did not count, and the words say why.
 */
export function createCard({ decide }) {
  const about = el('div');
  const answering = el('div');
  const node = el('article', { class: 'card', tabindex: '0' }, about, answering);
  node.addEventListener('keydown', onKey);
  let view;
  let countdown;
  let expired = false;
  let busy = false;
  let actions;

  function update(next, at) {
    const wasPending = view?.verdict === 'pending';
    const heldFocus = node.contains(document.activeElement);
    // A vote of many changes the card while somebody may be writing a reason: that form is kept.
    const writing = wasPending && next.verdict === 'pending' ? actions : undefined;
    view = next;
    node.dataset.verdict = view.verdict;
    node.dataset.risk = view.subject.risk;
    node.setAttribute(
      'aria-label',
      `${titles[view.verdict]}: ${visible(view.subject.command)} on ${visible(view.subject.host)}`,
    );
    actions = view.verdict === 'pending' ? (writing ?? createActions(send)) : undefined;
    const line = codeBlock(view.subject.line, 'The exact command line');
    if (actions) about.replaceChildren(header(), line, facts(view));
    else about.replaceChildren(header(), line, decision(view, at), details(view));
    // The form is not even taken out for a moment: that would take the cursor out of it.
    if (!actions) answering.replaceChildren();
    else if (actions !== writing) answering.replaceChildren(actions.node);
    if (heldFocus && !node.contains(document.activeElement)) node.focus({ preventScroll: true });
    tick(Date.now());
  }

  function header() {
    countdown = el('span', { class: 'countdown' });
    return el(
      'header',
      { class: 'card-head' },
      icon(icons[view.verdict]),
      el('h3', {}, titles[view.verdict]),
      el('span', { class: `risk risk-${view.subject.risk}` }, view.subject.risk),
      view.verdict === 'pending' && countdown,
    );
  }

  function tick(now) {
    if (view?.verdict !== 'pending') return;
    const left = Math.ceil((view.expiresAt - now) / 1000);
    expired = left <= 0;
    const text = expired ? 'time is up' : `expires in ${minutes(left)}`;
    if (countdown.textContent !== text) countdown.textContent = text;
    countdown.classList.toggle('soon', left <= 60);
    actions?.enable(!expired && !busy);
  }

  async function send(verdict, reason) {
    if (busy || expired || view.verdict !== 'pending') return;
    busy = true;
    const sent = actions;
    sent.say(verdict === 'approve' ? 'Approving…' : 'Denying…');
    sent.enable(false);
    const answer = await decide(view, verdict, reason);
    busy = false;
    sent.say(answer.text, !answer.ok);
    tick(Date.now());
  }

  /** Only with the card itself focused, and never by a key that is held down. */
  function onKey(event) {
    if (event.target !== node || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'a') send('approve');
    else if (event.key === 'd') actions?.askReason();
    else return;
    event.preventDefault();
  }

  return { node, update, tick };
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

function facts(view) {
  const { subject, rule } = view;
  const rows = [
    [
      'Command',
      [
        el('code', {}, visible(subject.command)),
        subject.description ? ` ${visible(subject.description)}` : '',
      ],
    ],
    [
      'Host',
      [
        el('strong', {}, visible(subject.host)),
        ` at ${visible(subject.address)} as `,
        el('code', {}, visible(subject.login)),
      ],
    ],
    ['Host key', [el('code', { class: 'key' }, visible(subject.hostKey))]],
    [
      'Asked by',
      [
        `${visible(view.requestedBy.name)} (${visible(`${view.requestedBy.platform}:${view.requestedBy.id}`)})`,
      ],
    ],
    [
      'Agent’s words',
      view.agentReason ? [el('q', { class: 'agent-reason' }, visible(view.agentReason))] : undefined,
    ],
    ['Needs', view.verdict === 'pending' ? [needs(rule, view)] : undefined],
    [
      'Approved by',
      view.approvals.length > 0 ? [view.approvals.map((user) => visible(user.name)).join(', ')] : undefined,
    ],
    ['Digest', [el('code', {}, visible(view.digestPrefix))]],
  ];
  return el(
    'dl',
    { class: 'facts' },
    rows.filter(([, value]) => value).map(([name, value]) => [el('dt', {}, name), el('dd', {}, value)]),
  );
}

/** What was decided on, kept out of the way once it is. */
function details(view) {
  return el('details', { class: 'card-details' }, el('summary', {}, 'What was asked'), facts(view));
}

function needs(rule, view) {
  const count =
    rule.people === 1 ? '1 approval' : `${rule.people} approvals (${view.approvals.length} so far)`;
  const who = rule.approvers.length > 0 ? rule.approvers.map(visible).join(', ') : 'nobody';
  const own = rule.requesterMay ? '' : '; not by the person who asked';
  return `${count} from ${who}${own} (rule ${visible(rule.name)})`;
}

function decision(view, at) {
  const by = view.decidedBy ? ` by ${visible(view.decidedBy.name)}` : '';
  return el(
    'div',
    { class: 'decision' },
    el('p', {}, el('strong', {}, `${titles[view.verdict]}${by}`), ' · ', timeNode(view.decidedAt ?? at)),
    el(
      'p',
      {},
      `On ${visible(view.subject.host)} as ${visible(view.subject.login)}, asked by ${visible(view.requestedBy.name)}`,
    ),
    view.denyReason && el('p', {}, 'Reason: ', el('q', {}, visible(view.denyReason))),
    view.outcome && el('p', { class: 'decision-outcome' }, 'Outcome: ', visible(view.outcome)),
  );
}

/** The two buttons, and the reason's field that Deny opens in their place. */
function createActions(send) {
  const said = el('p', { class: 'said', role: 'status' });
  const approve = el('button', { type: 'button', class: 'button approve' }, icon('ok'), 'Approve');
  const deny = el('button', { type: 'button', class: 'button deny', 'aria-expanded': 'false' }, 'Deny');
  const hint = el(
    'span',
    { class: 'keys' },
    'on the card: ',
    el('kbd', {}, 'A'),
    ' approves, ',
    el('kbd', {}, 'D'),
    ' denies',
  );
  const buttons = el('div', { class: 'card-buttons' }, approve, deny, hint);

  const field = el('input', {
    type: 'text',
    maxlength: '1000',
    placeholder: 'Why not? (the agent reads this)',
    'aria-label': 'Reason for denying',
  });
  const confirm = el('button', { type: 'submit', class: 'button deny' }, 'Deny');
  const cancel = el('button', { type: 'button', class: 'button quiet' }, 'Cancel');
  const form = el(
    'form',
    { class: 'deny-form', hidden: true },
    field,
    el('div', { class: 'card-buttons' }, confirm, cancel),
  );

  function open(isOpen) {
    form.hidden = !isOpen;
    buttons.hidden = isOpen;
    deny.setAttribute('aria-expanded', String(isOpen));
    if (isOpen) {
      field.focus();
      form.scrollIntoView({ block: 'nearest' });
    } else deny.focus();
  }

  approve.addEventListener('click', () => send('approve'));
  deny.addEventListener('click', () => open(true));
  cancel.addEventListener('click', () => open(false));
  form.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    open(false);
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    send('deny', field.value.trim());
  });

  return {
    node: el('div', { class: 'card-actions' }, buttons, form, said),
    askReason: () => open(true),
    enable: (isEnabled) => {
      for (const button of [approve, deny, confirm]) button.disabled = !isEnabled;
    },
    say: (text, isProblem = false) => {
      said.textContent = visible(text);
      said.classList.toggle('said-problem', isProblem);
    },
  };
}

function minutes(seconds) {
  if (seconds >= 3600) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
