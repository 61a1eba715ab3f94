/**
 * The console passes the suite of all chat adapters; what a person sees is read from the real page.
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import { consoleThread, threadFor } from '../../../adapters/console/events.ts';
import { createConsole } from '../../../adapters/console/index.ts';
import type { Conversation } from '../../../src/core/conversation.ts';
import type { BoardEntry } from '../../../src/core/ports.ts';
import type { AdapterHarness, SeenMessage } from '../../contract/chat-adapter.ts';
import { chatAdapterContract, recordingInbox } from '../../contract/chat-adapter.ts';
import { createMemoryBoard } from '../../fakes/memory-board.ts';
import { needs } from '../../needs.ts';
import { launchBrowser, openPage } from './browser.ts';
import type { Started } from './started.ts';
import { consoleOptions, startConsole, token } from './started.ts';

needs('chromium')('the console', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser.close());

  chatAdapterContract({
    name: 'console',
    create: () => createHarness(() => browser),
    cannot: {
      'bare talk in a thread arrives as not addressed':
        'whatever is written in the console is meant for opsagent',
      'text over the limit is cut at a line, with a visible note': 'the page scrolls, so nothing is left out',
    },
  });
});

async function createHarness(browser: () => Browser): Promise<AdapterHarness> {
  const board = createMemoryBoard();
  const inbox = recordingInbox();
  const thread = consoleThread('t-there-before');
  const adapter = createConsole(consoleOptions({ board }));
  // A second console on the same board shows the page also where the case never starts the first.
  const shows = await startConsole({ board, inbox });
  const pages = new Map<string, Page>();
  const privates: SeenMessage[] = [];
  const owner = 'owner';
  let events = 0;
  let last = { path: '', body: {} as object };
  let acknowledged = false;

  async function send(path: string, body: object): Promise<void> {
    last = { path, body };
    acknowledged = false;
    const sent = fetch(new URL(path, adapter.url()), {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }).then(async (answer) => {
      const value = await answer.json();
      acknowledged = answer.ok;
      const text = value.error?.message ?? value.result?.text;
      if (text) privates.push({ text, buttons: [], privateTo: owner });
    });
    // Whether anybody answers is what some cases are about.
    sent.catch(() => undefined);
  }

  async function pageOf(where: Conversation): Promise<Page> {
    const open = pages.get(where.thread);
    if (open) return open;
    const { page } = await openPage(browser(), shows, where.thread);
    pages.set(where.thread, page);
    return page;
  }

  /** The page approves all only where it shows all: the others of the run are put beside the one that is there. */
  async function approveAll(page: Page, where: Conversation, { key, view }: BoardEntry): Promise<void> {
    const count = view.kind === 'card' ? (view.all?.count ?? 0) : 0;
    if (count === 0) throw new Error('there is no Approve all');
    for (let n = 1; n < count; n += 1) await board.put(where.thread, `${key}-${n}`, view);
    const button = (scope: string) =>
      page
        .locator('.card')
        .first()
        .locator(scope)
        .getByRole('button', { name: /^Approve all/ });
    await button('.card-actions > .card-buttons').click();
    await button('.all-form').click();
  }

  return {
    adapter,
    inbox,
    people: [owner, owner],
    thread,
    start: () => adapter.start(inbox),
    another: () => createConsole(consoleOptions({ board })),
    async mention(text, { inThread } = {}) {
      events += 1;
      const id = `event-${String(events).padStart(4, '0')}`;
      await send('/api/ask', { text, id, ...(inThread ? { thread: inThread.thread } : {}) });
      return { eventId: id, conversation: inThread ?? consoleThread(threadFor(id)) };
    },
    async say() {
      // There is nobody else in the console to talk to.
    },
    redeliver: () => send(last.path, last.body),
    async echoOwn(text) {
      await board.put(thread.thread, 'own', {
        kind: 'segment',
        runId: 'r0123456789abcdef0123' as never,
        parts: [{ kind: 'text', markdown: text }],
        stoppable: false,
      });
    },
    async click(to, key, label) {
      const page = await pageOf(to);
      const entry = (await board.read(to.thread)).find((e) => e.key === key);
      if (!entry) throw new Error(`nothing is shown under ${key}`);
      if (label === 'Stop') return page.locator('#stop').click();
      await drawn(page, shows, to);
      const shown = page.locator(label === 'Undo' ? '.change' : '.card').first();
      if (label === 'Approve all') return approveAll(page, to, entry);
      const button = shown.locator('button').getByText(label, { exact: true }).first();
      const folded = shown.getByText('Approve and allow for a while…');
      const unfolds = !(await button.isVisible()) && (await folded.isVisible());
      if (unfolds) await folded.click();
      if (!(await button.isVisible())) throw new Error(`there is no ${label}`);
      await button.click();
      if (label !== 'Deny') return;
      await shown.getByLabel('Reason for denying').fill('not now');
      await shown.locator('.deny-form').getByRole('button', { name: 'Deny' }).click();
    },
    async pressWithoutDigest(_to, key) {
      await send('/api/decide', { approval: key, verdict: 'approve', id: 'event-old-card' });
    },
    async mangled() {
      for (const body of ['{', '[]', '{"text":1}', '{"approval":"x","verdict":"approve"}'])
        for (const path of ['/api/ask', '/api/run', '/api/decide', '/api/stop', '/api/undo'])
          await post(adapter.url() + path.slice(1), body);
    },
    seen: async (where) => [...(await read(await pageOf(where), shows, where)), ...privates],
    acknowledged: () => acknowledged,
    // A web page of one's own notifies nobody.
    pinged: async () => [],
    fail: (how) => board.fail(how === 'down'),
    async close() {
      for (const page of pages.values()) await page.context().close();
      await adapter.stop();
      await shows.console.stop();
    },
  };
}

function post(url: string, body: string): Promise<Response> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  return fetch(url, { method: 'POST', headers, body });
}

/** What the page shows once it has drawn the newest state of every entry. */
async function read(page: Page, shows: Started, where: Conversation): Promise<SeenMessage[]> {
  await drawn(page, shows, where);
  return page.evaluate(() => {
    const read = (node: Element, selector: string) =>
      [...node.querySelectorAll<HTMLElement>(selector)].filter((found) => found.checkVisibility());
    const said = (article: HTMLElement) => read(article, '.said').map((note) => note.innerText);
    const messages = read(document.body, '.log > article').map((article) => ({
      // What was answered to this person stands in the card, and is counted below as theirs alone.
      text: said(article).reduce((text, own) => text.replace(own, ''), article.innerText),
      buttons: read(article, '.card-actions button').map((button) => button.innerText.trim()),
    }));
    const own = read(document.body, '.said-problem, #problem, .private').map((note) => ({
      text: note.innerText,
      buttons: [],
      privateTo: 'owner',
    }));
    return [...messages, ...own];
  });
}

async function drawn(page: Page, { board }: Started, where: Conversation): Promise<void> {
  const entries = await board.read(where.thread);
  const newest = Math.max(0, ...entries.map((entry) => entry.seq));
  await page.waitForFunction(
    (seq) => Number(document.getElementById('log')?.dataset.seq ?? 0) >= seq,
    newest,
  );
}
