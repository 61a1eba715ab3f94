/**
 * The page: which thread is open, the line to the server, and what a person does here.
 * State lives on the server; the page shows it and reads it again whenever the line was down.
 */
import { createAnswering } from './answering.js';
import { call, openEvents } from './api.js';
import { createComposer } from './composer.js';
import { el, icon, visible } from './dom.js';
import { createPicker } from './picker.js';
import { createStatus } from './status.js';
import { createThread } from './thread.js';
import { createThreadList } from './threads.js';

const examples = [
  'Check the server status',
  'How much disk space is available?',
  'Show me the memory usage',
  'Give me a system overview',
  'What commands can you run?',
  'Is the docker service running?',
  'Check the size of /var/log',
];

const $ = (id) => document.getElementById(id);
const say = (text) => announce($('say'), text);
const shout = (text) => announce($('shout'), text);

let open = threadInAddress();
let summaries = [];
let isLive = false;
let soon;

const status = createStatus({ stop });
const list = createThreadList({ list: $('threads'), none: $('no-threads') });
const thread = createThread({
  log: $('log'),
  scroller: $('scroll'),
  newest: $('newest'),
  ...createAnswering({ thread: () => open, shout }),
  say,
  shout,
  changed: drawState,
});
const composer = createComposer({ form: $('composer'), box: $('text'), button: $('send'), submit: ask });
createPicker({ dialog: $('picker'), opener: $('pick'), run });
const line = openEvents({ onLive, onEntry, onBeat: refresh, onDown });

setUp();
go(open, 'stay');

/** Shows another thread; '' is a new conversation. */
function go(next, how) {
  open = next;
  if (how === 'push') history.pushState(null, '', addressOf(open));
  showList(false);
  thread.clear();
  composer.open(open);
  showProblem('');
  list.show(summaries, open);
  if (open) readThread();
  if (how === 'push' || !open) $('text').focus({ preventScroll: true });
}

async function readThread() {
  const asked = open;
  const answer = await call(`/api/threads/${encodeURIComponent(asked)}`);
  if (asked !== open) return;
  if (answer.ok) thread.read(answer.value.entries);
  else if (!answer.unreachable) failed(answer);
}

async function readThreads() {
  const answer = await call('/api/threads');
  if (!answer.ok) return answer.signedOut && signedOut(answer);
  summaries = answer.value.threads;
  list.show(summaries, open);
}

/** Whose browser this is: two people may share a machine. */
async function readMe() {
  const answer = await call('/api/me');
  if (!answer.ok) return;
  $('me-name').textContent = `Signed in as ${visible(answer.value.name)}`;
  $('me').hidden = false;
}

async function signOut() {
  const answer = await call('/api/signout', {});
  if (answer.ok || answer.signedOut) location.assign('/');
  else failed(answer);
}

function readThreadsSoon() {
  if (soon) return;
  soon = setTimeout(() => {
    soon = undefined;
    readThreads();
  }, 250);
}

function refresh() {
  readThreads();
  if (open) readThread();
}

function onLive() {
  isLive = true;
  $('banner').hidden = true;
  composer.setOnline(true);
  refresh();
  readMe();
}

function onEntry(entry) {
  if (entry.thread === open) thread.put(entry);
  readThreadsSoon();
}

/** One missed try is not worth a word; the second is. Signed out looks the same to the line, so it is asked. */
async function onDown(failures) {
  isLive = false;
  composer.setOnline(false);
  if (failures === 1 && document.visibilityState === 'hidden') return;
  showBanner('Connection lost. What you see may be old; trying again…');
  const answer = await call('/api/hosts');
  if (answer.signedOut) signedOut(answer);
}

function signedOut(answer) {
  showBanner(`This browser is not signed in. ${answer.message}`);
}

function showBanner(text) {
  if (isLive) return;
  $('banner-text').textContent = text;
  $('banner').hidden = false;
}

async function ask({ text, id }) {
  return (await send('/api/ask', text, { text, id })) === undefined;
}

async function run(request) {
  const params = Object.entries(request.params).map(([name, value]) => `${name}=${value}`);
  const text = ['run', request.command, ...params, ...(request.host ? [`on ${request.host}`] : [])].join(' ');
  return send('/api/run', text, request);
}

/** Shows the words at once, sends them, and says what became of them: undefined, or the problem. */
async function send(path, text, body) {
  showProblem('');
  const from = open;
  const mine = thread.sent(text);
  const answer = await call(path, { ...body, ...(from ? { thread: from } : {}) });
  if (!answer.ok) {
    mine.failed();
    failed(answer);
    return answer.message;
  }
  const { result } = answer.value;
  if (result.kind === 'refused') {
    mine.failed();
    showProblem(result.text);
    return result.text;
  }
  if (open !== from) return undefined;
  if (result.kind === 'answered' || result.kind === 'ignored') {
    mine.failed();
    if (result.kind === 'answered') thread.answered(result.text);
    return undefined;
  }
  if (!from) enter(answer.value.thread);
  mine.accepted(result);
  readThread();
  return undefined;
}

/** The new conversation got its own address. */
function enter(id) {
  open = id;
  composer.became(id);
  history.pushState(null, '', addressOf(id));
  readThreadsSoon();
}

async function stop(run) {
  const answer = await call('/api/stop', { run });
  if (!answer.ok) failed(answer);
  else if (answer.value.kind === 'refused') showProblem(answer.value.text);
  return answer.ok && answer.value.kind !== 'refused';
}

function drawState(state) {
  status.draw(state, open === '');
  $('empty').hidden = !(open === '' && state.isEmpty);
}

function failed(answer) {
  if (answer.signedOut) signedOut(answer);
  showProblem(answer.message);
}

function showProblem(text) {
  $('problem').hidden = text === '';
  $('problem').textContent = visible(text);
}

function announce(region, text) {
  region.textContent = '';
  // A region that gets the same words twice in one frame is not read out.
  requestAnimationFrame(() => {
    region.textContent = visible(text);
  });
}

function threadInAddress() {
  const found = /^\/t\/([^/]+)$/.exec(location.pathname);
  return found ? decodeURIComponent(found[1]) : '';
}

function addressOf(id) {
  return id ? `/t/${encodeURIComponent(id)}` : '/';
}

function showList(isShown) {
  document.body.classList.toggle('list-open', isShown);
  $('shade').hidden = !isShown;
  $('open-list').setAttribute('aria-expanded', String(isShown));
  $('main').inert = isShown;
  if (isShown) $('new').focus();
}

function setUp() {
  $('open-list').append(icon('menu'));
  $('close-list').append(icon('close'));
  $('new').prepend(icon('plus'));
  $('examples').append(
    ...examples.map((text) =>
      el('button', { type: 'button', class: 'example', onclick: () => sendExample(text) }, text),
    ),
  );
  $('retry').addEventListener('click', line.retry);
  $('sign-out').addEventListener('click', signOut);
  $('open-list').addEventListener('click', () => showList(true));
  for (const id of ['close-list', 'shade'])
    $(id).addEventListener('click', () => {
      showList(false);
      $('open-list').focus();
    });
  $('sidebar').addEventListener('click', follow);
  addEventListener('popstate', () => go(threadInAddress(), 'stay'));
  document.addEventListener('keydown', onKey);
}

function sendExample(text) {
  composer.fill(text);
  composer.send();
}

/** Opens a thread in place; a click that asks for a new tab stays the browser's. */
function follow(event) {
  const anchor = event.target.closest('a[href]');
  if (!anchor || event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  go(anchor.dataset.thread ?? '', 'push');
}

function onKey(event) {
  if (event.key === 'Escape' && document.body.classList.contains('list-open')) {
    showList(false);
    $('open-list').focus();
    return;
  }
  const typing = event.target.closest?.('input, textarea, select, dialog');
  if (typing || event.ctrlKey || event.metaKey || event.altKey) {
    if (event.key === 'Escape' && event.target === $('text')) $('scroll').focus();
    return;
  }
  if (event.key === '/') {
    event.preventDefault();
    $('text').focus();
  }
}
