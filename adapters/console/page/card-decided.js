/**
 * What a decided card says: who decided and when, why not, the window that was opened and how it ends, and what came
 * of the run.
 */
import { person } from './card-asked.js';
import { clockTime, el, hostNames, timeNode, visible } from './dom.js';

/** `came` is `{status, ends}` of the call that the card is about; undefined where the thread does not show it. */
export function decided(title, view, at, came) {
  const { subject, decidedBy, denyReason, windowMinutes } = view;
  const when = view.decidedAt ?? at;
  const names = subject.targets.map((target) => target.host);
  return [
    el(
      'p',
      {},
      el('strong', {}, decidedBy ? `${title} by ${visible(decidedBy.name)}` : title),
      decidedBy && el('span', { class: 'aside' }, ` (${visible(`${decidedBy.platform}:${decidedBy.id}`)})`),
      ' · ',
      timeNode(when),
    ),
    view.approvals.length > 1 && el('p', {}, `Approved by ${view.approvals.map(person).join(', ')}`),
    el(
      'p',
      {},
      'On ',
      el('span', { title: visible(names.join(', ')) }, visible(hostNames(names))),
      `, asked by ${visible(view.requestedBy.name)}`,
    ),
    denyReason && el('p', {}, 'Reason: ', el('q', { dir: 'auto' }, visible(denyReason))),
    view.outcome && el('p', { class: 'decision-outcome' }, outcomeNodes(view, came)),
    windowMinutes && el('p', { class: 'window-open' }, windowNodes(view, when)),
  ];
}

function outcomeNodes(view, came) {
  const kind = view.verdict === 'approved' ? kindOf(came) : 'never';
  const word = words[kind];
  return [
    'Outcome: ',
    word && el('strong', { class: `came came-${kind}` }, word),
    word ? ' · ' : '',
    visible(view.outcome),
  ];
}

const words = {
  ran: 'Ran',
  failed: 'Ran',
  refused: 'Refused',
  never: 'Never started',
  unknown: 'Unknown',
};

/** From what is known of the call, not from words: those may be a host's. */
function kindOf({ status, ends = [] } = {}) {
  if (status === 'refused' || status === 'unknown') return status;
  if ((status !== 'ok' && status !== 'failed') || ends.length === 0) return 'open';
  if (ends.some((end) => end.kind === 'lost' || end.ended === false)) return 'unknown';
  if (ends.every((end) => end.kind === 'unreachable')) return 'never';
  return status === 'ok' ? 'ran' : 'failed';
}

function windowNodes({ windowMinutes }, when) {
  return [
    el('strong', {}, `Window of ${windowMinutes} min`),
    `, until about ${clockTime(when + windowMinutes * 60_000)}: exactly this command on the same hosts runs in this thread without another card. Write `,
    el('code', {}, 'revoke'),
    ' here to end it.',
  ];
}
