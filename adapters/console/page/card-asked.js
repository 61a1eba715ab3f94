/**
 * What a card asks about: every host with its address, login and key, the state there now as the host printed it,
 * who asks and why, and whose approval is still missing.
 */
import { el, evidence, kept, visible } from './dom.js';

/** `{node, update(view)}`; folded once the card is decided. */
export function createAsked() {
  const what = kept('dl', { class: 'facts' }, whatOf);
  const answers = kept('dl', { class: 'facts' }, answersOf);
  const node = el(
    'details',
    { class: 'card-asked', open: true },
    el('summary', {}, 'What was asked'),
    what.node,
    answers.node,
  );
  let wasOpen = true;
  return {
    node,
    update(view) {
      const { subject, requestedBy, agentReason, approvalId, digestPrefix, verdict, approvals } = view;
      what.update({ subject, requestedBy, agentReason, approvalId, digestPrefix });
      answers.update({ approvals, missing: view.missing, rule: view.rule });
      const isOpen = verdict === 'pending';
      if (isOpen !== wasOpen) node.open = isOpen;
      wasOpen = isOpen;
    },
  };
}

/** So many hosts are shown at once; of more the first ones, and the others where they are opened. */
const shownHosts = 4;

function whatOf({ subject, requestedBy, agentReason, approvalId, digestPrefix }) {
  const { targets, state } = subject;
  return [
    row(targets.length === 1 ? 'Host' : 'Hosts', 'wide', [
      targets.length > 1 &&
        el('p', {}, el('strong', {}, `${targets.length} hosts`), ', one after another in this order:'),
      few(targets, targetNode, 'hosts'),
    ]),
    state && row('State now', 'wide', [stateMark(), few(state, stateNode, 'states')]),
    row('Command', '', [
      el('code', {}, visible(subject.command)),
      subject.description ? ` ${visible(subject.description)}` : '',
    ]),
    row('Asked by', '', [person(requestedBy)]),
    agentReason &&
      row('Agent’s words', '', [el('q', { class: 'agent-reason', dir: 'auto' }, visible(agentReason))]),
    row('Digest', '', [
      el('code', {}, visible(digestPrefix)),
      ' verify: ',
      el('code', { class: 'verify' }, `show ${visible(approvalId)}`),
    ]),
  ];
}

function answersOf({ approvals, missing, rule }) {
  const own = rule.requesterMay ? '' : '; not by whoever asked';
  return [
    row('Approved by', '', [
      rule.people > 1 && `${approvals.length} of ${rule.people}${approvals.length > 0 ? ': ' : ''}`,
      approvals.length > 0 && approvals.map(person).join(', '),
      rule.people <= 1 && approvals.length === 0 && 'nobody yet',
    ]),
    missing !== undefined &&
      row('Still needs', '', [
        el('strong', {}, visible(missing)),
        el('span', { class: 'aside' }, ` (rule ${visible(rule.name)}${own})`),
      ]),
  ];
}

/** `wide` ones have all of the width on a telephone. */
function row(name, look, value) {
  return [el('dt', { class: look }, name), el('dd', { class: look }, value)];
}

export function person({ platform, id, name }) {
  return `${visible(name)} (${visible(`${platform}:${id}`)})`;
}

function few(all, draw, name) {
  const more = all.length > shownHosts ? all.slice(shownHosts - 1) : [];
  const first = all.slice(0, all.length - more.length);
  return [
    first.map(draw),
    more.length > 0 &&
      el(
        'details',
        { class: 'more' },
        el('summary', {}, `and ${more.length} more`),
        el(
          'div',
          { class: 'more-list', tabindex: '0', role: 'region', 'aria-label': `The other ${name}` },
          more.map(draw),
        ),
      ),
  ];
}

function targetNode({ host, address, login, hostKey }) {
  return el(
    'p',
    { class: 'target' },
    el('strong', {}, visible(host)),
    ' at ',
    el('code', {}, visible(address)),
    ' as ',
    el('code', {}, visible(login)),
    el('span', { class: 'key' }, el('span', { class: 'aside' }, 'host key '), visible(hostKey)),
  );
}

const stateMark = () => el('p', { class: 'aside' }, 'What the host printed before you were asked:');

function stateNode({ host, line, text }) {
  return el(
    'div',
    { class: 'state' },
    el('p', { class: 'state-line' }, el('strong', {}, visible(host)), ' ', el('code', {}, visible(line))),
    evidence(text, `State of ${visible(host)}, as it printed it`),
  );
}
