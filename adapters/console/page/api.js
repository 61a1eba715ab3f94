/**
 * The server as the page sees it: calls that answer with a value or a problem in words, and the event line that
 * comes back by itself.
 */

/** `{ok: true, value}` or `{ok: false, message, signedOut, unreachable}`; never throws. */
export async function call(path, body) {
  let response;
  try {
    response = await fetch(path, {
      method: body === undefined ? 'GET' : 'POST',
      credentials: 'same-origin',
      redirect: 'error',
      ...(body === undefined
        ? {}
        : { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }),
    });
  } catch {
    return { ok: false, unreachable: true, message: 'opsagent cannot be reached. Is it running?' };
  }
  const value = await response.json().catch(() => undefined);
  if (response.ok && value !== undefined) return { ok: true, value };
  const { message, remedy } = value?.error ?? {};
  return {
    ok: false,
    signedOut: response.status === 401,
    message: [message ?? `opsagent answered with ${response.status}.`, remedy].filter(Boolean).join(' '),
  };
}

/** A new id for one thing this page sends; sending it again is known as a repeat. */
export function newEventId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

const waits = [300, 700, 1500, 3000, 5000];
// The server beats every ten seconds; a line that is silent for longer than this is dead.
const silenceMs = 25_000;

/**
 * Keeps a line open. `onLive` is called each time it stands, before any entry arrives on it: what the page shows
 * must be read again then, so that nothing put while the line was down is missed.
 */
export function openEvents({ onLive, onEntry, onBeat, onDown }) {
  let source;
  let failures = 0;
  let timer;
  let silence;

  function heard() {
    clearTimeout(silence);
    silence = setTimeout(lost, silenceMs);
  }

  function connect() {
    clearTimeout(timer);
    source?.close();
    source = new EventSource('/api/events');
    source.addEventListener('hello', () => {
      failures = 0;
      heard();
      onLive();
    });
    source.addEventListener('entry', (event) => {
      heard();
      onEntry(JSON.parse(event.data));
    });
    source.addEventListener('beat', () => {
      heard();
      onBeat();
    });
    source.addEventListener('error', lost);
  }

  function lost() {
    source?.close();
    clearTimeout(silence);
    clearTimeout(timer);
    failures += 1;
    timer = setTimeout(connect, waits[Math.min(failures, waits.length) - 1]);
    onDown(failures);
  }

  addEventListener('online', connect);
  // Leaving the page is not a lost line.
  addEventListener('pagehide', () => source?.close());
  addEventListener('pageshow', (event) => event.persisted && connect());
  connect();
  return { retry: connect };
}
