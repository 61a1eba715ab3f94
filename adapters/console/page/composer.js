/**
 * The message box. Its text is kept over a reload, and until the server took it in: what could not be sent comes
 * back, under the same id, so that sending it again is never a second request.
 */
import { newEventId } from './api.js';

const prefix = 'opsagent.draft.';

/** `submit({text, id})` resolves to true once the server took it in, else the text is put back. */
export function createComposer({ form, box, button, submit }) {
  let thread = '';
  let online = true;
  let busy = false;
  let failed;

  function resize() {
    box.style.height = 'auto';
    box.style.height = `${Math.min(box.scrollHeight, 240)}px`;
    button.disabled = busy || !online || box.value.trim() === '';
  }

  async function send() {
    const text = box.value.trim();
    if (text === '' || busy || !online) return;
    const id = failed?.text === text ? failed.id : newEventId();
    const from = thread;
    busy = true;
    // Kept as the draft until it is taken in: a reload meanwhile gives it back, under its id.
    keep(from, { text, id });
    box.value = '';
    resize();
    const taken = await submit({ text, id });
    busy = false;
    failed = taken ? undefined : { text, id };
    if (!taken && thread === from) box.value = box.value.trim() ? `${text}\n${box.value}` : text;
    if (taken) keep(from, thread === from ? { text: box.value } : {});
    resize();
    box.focus({ preventScroll: true });
  }

  box.addEventListener('input', () => {
    keep(thread, { text: box.value });
    resize();
  });
  box.addEventListener('keydown', (event) => {
    // `isComposing`: Enter that ends an input method's word is not ours.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    send();
  });

  return {
    /** Brings the draft of this thread; '' is the new conversation. */
    open(next) {
      thread = next;
      const draft = kept(thread);
      failed = draft.id ? draft : undefined;
      box.value = draft.text ?? '';
      resize();
    },
    /** The new conversation became this thread while its words were on their way. */
    became(next) {
      thread = next;
    },
    fill(text) {
      box.value = text;
      keep(thread, { text });
      resize();
      box.focus();
    },
    setOnline(isOnline) {
      online = isOnline;
      resize();
    },
    send,
  };
}

function keep(thread, draft) {
  try {
    if (draft.text?.trim()) localStorage.setItem(prefix + thread, JSON.stringify(draft));
    else localStorage.removeItem(prefix + thread);
  } catch {
    // Storage is full or forbidden: the text is still in the box.
  }
}

function kept(thread) {
  try {
    return JSON.parse(localStorage.getItem(prefix + thread) ?? '{}');
  } catch {
    return {};
  }
}
