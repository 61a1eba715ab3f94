/**
 * The thread that is open: its entries in order, what this page has sent but not seen yet, and private answers.
 * The newest state of an entry wins, however it came, so reading again after a break loses and doubles nothing.
 */
import { createCard } from './card.js';
import { el, hostNames, icon, visible } from './dom.js';
import { createSegment, lastWords, personNode } from './segment.js';

const active = new Set(['queued', 'thinking', 'working', 'waiting']);
const nearBottom = 60;

export function createThread({ log, scroller, newest, decide, undo, say, shout, changed }) {
  let entries = new Map();
  let sending = [];
  let isFresh = true;

  const atBottom = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < nearBottom;
  const toBottom = () => {
    scroller.scrollTop = scroller.scrollHeight;
    newest.hidden = true;
  };

  const onScroll = () => {
    if (atBottom()) newest.hidden = true;
  };

  /** Changes the log and follows it only for somebody who was reading its end. */
  function drawing(change) {
    const follow = atBottom();
    change();
    lookAround();
    if (follow) toBottom();
    else newest.hidden = false;
    changed(state());
  }

  function place(entry) {
    const had = entries.get(entry.key);
    if (had && had.entry.seq >= entry.seq) return;
    const drawn = had ?? {
      ...(entry.view.kind === 'card' ? createCard({ decide }) : createSegment({ undo })),
    };
    const before = had?.entry.view;
    drawn.entry = entry;
    try {
      drawn.update(entry.view, entry.at);
    } catch (error) {
      // One entry that cannot be drawn must not take the rest of the thread with it.
      drawn.node.replaceChildren('This part could not be drawn. Reload the page to try again.');
      reportError(error);
    }
    if (!had) insert(drawn);
    entries.set(entry.key, drawn);
    log.dataset.seq = String(Math.max(Number(log.dataset.seq ?? 0), entry.seq));
    if (!isFresh) announce(before, entry.view);
    settle(entry.view);
  }

  /** Tells each card what stands elsewhere: the open ones of its run, and what came of its call. */
  function lookAround() {
    const sorted = [...entries.values()].sort((a, b) => a.entry.order - b.entry.order);
    const views = sorted.map((drawn) => drawn.entry.view);
    const open = views.filter((view) => view.kind === 'card' && view.verdict === 'pending');
    const parts = views.flatMap((view) => (view.kind === 'segment' ? view.parts : []));
    const calls = new Map(parts.flatMap((part) => (part.kind === 'call' ? [[part.call.id, part.call]] : [])));
    for (const drawn of sorted) {
      const { runId, approvalId } = drawn.entry.view;
      drawn.around?.(
        open.filter((view) => view.runId === runId),
        calls.get(approvalId?.replace(/-a$/, '')),
      );
    }
  }

  function insert(drawn) {
    const after = [...entries.values()]
      .filter((other) => other.entry.order > drawn.entry.order)
      .sort((a, b) => a.entry.order - b.entry.order)[0];
    log.insertBefore(drawn.node, after?.node ?? log.querySelector('.sending, .private'));
  }

  function forget() {
    entries = new Map();
    sending = [];
    log.replaceChildren();
    delete log.dataset.seq;
    newest.hidden = true;
  }

  /** Takes away the message on its way once the thread itself shows it. */
  function settle(view) {
    if (view.kind !== 'segment') return;
    const said = view.parts.filter((part) => part.kind === 'person').map((part) => part.text.trim());
    sending = sending.filter((mine) => {
      // The first words of a run are its own; those that joined one are known by what they say.
      const shown =
        mine.runId === view.runId && said.length > 0 && (!mine.joined || said.includes(mine.text));
      if (shown) mine.node.remove();
      return !shown;
    });
  }

  function announce(before, view) {
    if (view.kind === 'card') {
      if (!before)
        shout(
          `Approval needed: ${view.subject.command} on ${hostNames(view.subject.targets.map((t) => t.host))}. It would run: ${view.subject.line}`,
        );
      else if (before.verdict !== view.verdict) say(`${view.subject.command}: ${view.verdict}.`);
      return;
    }
    // A reminder is an entry of its own, with nothing but a notice in it.
    if (!before && view.parts.length > 0 && view.parts.every((part) => part.kind === 'notice')) {
      say(lastWords(view));
      return;
    }
    const ended = view.status && !active.has(view.status) && before?.status !== view.status;
    if (ended) say(`opsagent: ${lastWords(view).slice(0, 1500) || view.status}`);
  }

  /** What the status line and the list show. The newest run that still works is the one to stop. */
  function state() {
    const sorted = [...entries.values()].map((drawn) => drawn.entry).sort((a, b) => a.order - b.order);
    const segments = sorted.filter((entry) => entry.view.kind === 'segment');
    const live = segments.filter((entry) => active.has(entry.view.status)).at(-1);
    const first = segments.flatMap((entry) => entry.view.parts).find((part) => part.kind === 'person');
    const cards = sorted.filter((entry) => entry.view.kind === 'card' && entry.view.verdict === 'pending');
    return {
      title: first?.text ?? sending[0]?.text,
      live: live?.view,
      status: (live ?? segments.filter((entry) => entry.view.status).at(-1))?.view.status,
      pendingCards: cards.length,
      isEmpty: entries.size === 0 && log.childElementCount === 0,
      isSending: sending.length > 0,
    };
  }

  scroller.addEventListener('scroll', onScroll, { passive: true });
  newest.append(icon('down'), 'Newest');
  newest.addEventListener('click', toBottom);
  setInterval(() => {
    for (const drawn of entries.values()) drawn.tick?.(Date.now());
  }, 1000);

  return {
    /** Empties the log for another thread. */
    clear() {
      forget();
      isFresh = true;
      changed(state());
    },
    /** All entries as read now; the first time it shows the end. */
    read(all) {
      // The server has forgotten this thread (a store that keeps nothing over a stop): so does the page.
      if (all.length === 0 && entries.size > 0) forget();
      const first = isFresh && entries.size === 0;
      drawing(() => {
        for (const entry of all) place(entry);
      });
      isFresh = false;
      if (first) toBottom();
    },
    put(entry) {
      drawing(() => place(entry));
    },
    /** Shows the person's words at once. `accepted` ties them to their run, `failed` takes them back. */
    sent(text) {
      const node = el(
        'div',
        { class: 'sending' },
        personNode({ platform: 'console', id: 'owner', name: 'You' }, text),
      );
      const mine = { node, text, runId: undefined };
      sending.push(mine);
      log.append(node);
      toBottom();
      changed(state());
      return {
        accepted({ runId, kind }) {
          mine.runId = runId;
          mine.joined = kind === 'joined';
          for (const drawn of entries.values()) settle(drawn.entry.view);
          changed(state());
        },
        failed() {
          sending = sending.filter((other) => other !== mine);
          node.remove();
          changed(state());
        },
      };
    },
    /** An answer that only this person sees, and that is not kept. */
    answered(text) {
      const note = el(
        'p',
        { class: 'private' },
        el('span', { class: 'private-label' }, 'Only you see this'),
        visible(text),
      );
      log.append(note);
      toBottom();
      changed(state());
    },
    state,
  };
}
