/**
 * What is going on in the open thread: its title, the live line above the message box, and the Stop button.
 */
import { visible } from './dom.js';
import { statusDot, statusWords } from './threads.js';

const $ = (id) => document.getElementById(id);

/** `{draw(state), reset()}`; `stop(run)` resolves to true when the request to stop was taken in. */
export function createStatus({ stop }) {
  let live;

  async function press() {
    if (!live) return;
    $('stop').disabled = true;
    $('stop').textContent = 'Stopping…';
    if (!(await stop(live.runId))) reset();
  }

  function reset() {
    $('stop').disabled = false;
    $('stop').textContent = 'Stop';
  }

  $('stop').addEventListener('click', press);

  return {
    draw(state, isNew) {
      drawTitle(state, isNew);
      const before = live?.runId;
      live = state.live;
      $('status').hidden = !live;
      if (live?.runId !== before) reset();
      if (!live) return;
      statusDot($('status-dot'), live.status);
      const text = liveText(live, state.pendingCards);
      if ($('status-text').textContent !== text) $('status-text').textContent = text;
      $('stop').hidden = !live.stoppable;
    },
  };
}

function drawTitle(state, isNew) {
  const title = visible(state.title ?? (isNew ? 'New conversation' : 'Conversation'));
  $('title').textContent = title;
  $('title').title = title;
  $('top-status').textContent = statusWords[state.status] ?? '';
  $('top-status').dataset.status = state.status ?? '';
  document.title = `${state.pendingCards > 0 ? 'Approval needed: ' : ''}${title} · opsagent`;
}

function liveText(live, pendingCards) {
  const running = live.parts.filter((part) => part.kind === 'call' && part.call.status === 'running');
  if (live.status === 'working' && running.length > 0)
    return `Running ${running.map((part) => visible(part.call.title)).join(', ')}`;
  if (live.status === 'waiting' && pendingCards > 1) return `Waiting for ${pendingCards} approvals`;
  return statusWords[live.status] ?? '';
}
