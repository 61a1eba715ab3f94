/**
 * One segment of a run: what the person said, the agent's words, its calls as lines that open, and notices.
 * Parts are kept and changed in place, so that an open call stays open and text streams without a jump.
 */
import { createChange, hasChange } from './change.js';
import { codeBlock, duration, el, hostNames, icon, timeNode, visible } from './dom.js';
import { renderMarkdown } from './markdown.js';

/** `{node, update(view)}` for one entry of kind `segment`; `undo` is for what its calls changed, see `createChange`. */
export function createSegment({ undo }) {
  const body = el('div', { class: 'parts' });
  const foot = el('div', { class: 'segment-foot' });
  const node = el('article', { class: 'segment' }, body, foot);
  let parts = [];

  return {
    node,
    update(view) {
      const kept = [];
      view.parts.forEach((part, i) => {
        const name = part.kind === 'call' ? `call ${part.call.id}` : part.kind;
        const old = parts[i];
        const drawing = old?.name === name ? old : { name, ...makers[part.kind](undo), json: '' };
        const json = JSON.stringify(part);
        if (drawing.json !== json) drawing.update(part);
        drawing.json = json;
        if (drawing !== old) {
          if (old) old.node.replaceWith(drawing.node);
          else body.append(drawing.node);
        }
        kept.push(drawing);
      });
      for (const gone of parts.slice(kept.length)) gone.node.remove();
      parts = kept;
      foot.replaceChildren(...footOf(view));
    },
  };
}

/** The agent's last words in a view, for reading them out. */
export function lastWords(view) {
  const texts = view.parts.filter((part) => part.kind === 'text' || part.kind === 'notice');
  const last = texts.at(-1);
  return last ? (last.markdown ?? last.text) : '';
}

/** A person's message, also used for one that is still on its way. */
export function personNode(user, text, at) {
  const you = user.platform === 'console' && user.id === 'owner';
  return el(
    'div',
    { class: 'person' },
    el(
      'div',
      { class: 'who' },
      you ? 'You' : visible(user.name),
      at ? ' · ' : false,
      at ? timeNode(at) : false,
    ),
    el('div', { class: 'person-text' }, visible(text)),
  );
}

const makers = {
  person() {
    const node = el('div');
    return { node, update: (part) => node.replaceChildren(personNode(part.user, part.text, part.at)) };
  },
  text() {
    const words = el('div', { class: 'markdown' });
    const node = el('div', { class: 'agent' }, el('span', { class: 'hidden' }, 'opsagent: '), words);
    return { node, update: (part) => renderMarkdown(words, part.markdown) };
  },
  notice() {
    const node = el('p');
    return {
      node,
      update(part) {
        node.className = `notice notice-${part.level}`;
        const symbol = { info: 'waiting', warning: 'unknown', error: 'failed' }[part.level] ?? 'unknown';
        node.replaceChildren(icon(symbol), el('span', {}, visible(part.text)));
      },
    };
  },
  call: createCall,
};

const statusWords = {
  running: 'running',
  waiting: 'waiting for approval',
  approved: 'approved',
  ok: 'succeeded',
  failed: 'failed',
  refused: 'refused',
  unknown: 'outcome unknown',
};

function createCall(undo) {
  const summary = el('summary');
  const inside = el('div', { class: 'call-inside' });
  const line = el('details', { class: 'call' }, summary, inside);
  const changes = el('div', { class: 'changes' });
  const drawn = new Map();

  /** One for each result, kept by its host: an answer to an Undo stays where it is. */
  function drawChanges(call) {
    const nodes = call.ran.filter(hasChange).map((ran) => {
      const change = drawn.get(ran.host) ?? createChange({ callId: call.id, undo });
      drawn.set(ran.host, change);
      change.update(ran);
      return change.node;
    });
    const same = nodes.length === changes.children.length && nodes.every((n, i) => n === changes.children[i]);
    if (!same) changes.replaceChildren(...nodes);
  }

  return {
    node: el('div', { class: 'call-part' }, line, changes),
    update({ call }) {
      line.dataset.status = call.status;
      drawChanges(call);
      const hosts = [...new Set(call.ran.flatMap(hostsOf))];
      summary.replaceChildren(
        icon('chevron'),
        icon(call.status),
        el('span', { class: 'hidden' }, `${statusWords[call.status] ?? call.status}: `),
        el('span', { class: 'call-title' }, visible(call.title)),
        el(
          'span',
          { class: 'call-facts' },
          hosts.length > 0 && el('span', { class: 'call-host' }, visible(hostNames(hosts))),
          call.ms !== undefined && el('span', { class: 'call-ms' }, duration(call.ms)),
          el('span', { class: 'call-outcome' }, visible(call.outcome)),
        ),
      );
      inside.replaceChildren(...insideOf(call));
    },
  };
}

/** Said of a call that has no command to show. */
const notes = {
  running: 'The command and its output are shown here when it has ended.',
  waiting: 'Nothing has run: it waits for the card below.',
  approved: 'Nothing has run yet.',
  refused: 'Nothing has run.',
  unknown: 'It was not run again. Check the host.',
};

function insideOf(call) {
  if (call.ran.length > 0) return [...call.ran.map(ranNode), ...(call.notRun ?? []).map(notRunNode)];
  const args = Object.entries(call.args);
  return [
    notes[call.status] && el('p', { class: 'call-note' }, notes[call.status]),
    el('p', { class: 'call-reason' }, visible(call.outcome)),
    args.length > 0 && codeBlock(JSON.stringify(call.args, null, 2), 'Arguments'),
  ].filter(Boolean);
}

const hostsOf = (ran) => [ran.host, ...(ran.sameOn ?? [])];

/** Hosts of a group on which it was not run, and why. */
function notRunNode({ command, hosts, reason }) {
  const where = el('span', { title: visible(hosts.join(', ')) }, visible(hostNames(hosts)));
  return el('p', { class: 'call-note' }, `${visible(command)} not run on `, where, `: ${visible(reason)}`);
}

function ranNode(ran) {
  const ok = ran.end.kind === 'exited' && ran.end.code === 0;
  const output =
    ran.output === ''
      ? el('p', { class: 'call-note' }, 'No output.')
      : codeBlock(ran.output, `Output of ${visible(ran.command)} on ${visible(hostNames(hostsOf(ran)))}`);
  output.classList.add('output');
  return el(
    'div',
    { class: 'ran', 'data-ok': String(ok) },
    el('div', { class: 'ran-line' }, el('code', {}, visible(ran.line))),
    el(
      'div',
      { class: 'ran-facts' },
      `${visible(ran.command)} on `,
      el('span', { title: visible(hostsOf(ran).join(', ')) }, visible(hostNames(hostsOf(ran)))),
      ` · ${duration(ran.ms)} · `,
      el('span', { class: 'ran-end' }, visible(endText(ran.end))),
      ran.truncated && ' · output cut at its limit',
    ),
    ran.differs && codeBlock(ran.differs, 'Compared with most hosts'),
    output,
  );
}

/** The same words as the server's `endText`. */
function endText(end) {
  switch (end.kind) {
    case 'exited':
      return `exit ${end.code}`;
    case 'signalled':
      return `ended by ${end.signal}`;
    case 'timed-out':
      return end.ended ? 'time limit reached, ended there' : 'time limit reached, still running there';
    case 'cancelled':
      return end.ended ? 'stopped, ended there' : 'stopped here, still running there';
    case 'unreachable':
      return `not run: ${end.problem}`;
    default:
      return `outcome unknown: ${end.problem ?? ''}`;
  }
}

function footOf(view) {
  if (view.footer) return [el('p', { class: 'footer' }, visible(view.footer))];
  const last = view.parts.at(-1)?.kind;
  const quiet = last === 'person' || last === undefined;
  if (quiet && (view.status === 'queued' || view.status === 'thinking'))
    return [el('p', { class: 'pulse', 'aria-hidden': 'true' }, el('i'), el('i'), el('i'))];
  return [];
}
