/**
 * What the browser tests share: one Chromium for a file, a console and a page for each test, and at its end a page
 * without a fault. To be called inside a `describe`.
 */
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import type { Part, SegmentView, View } from '../../../src/core/view.ts';
import { launchBrowser, openPage } from './browser.ts';
import { run, segment, to } from './browser-scene.ts';
import type { Started } from './started.ts';
import { startConsole } from './started.ts';

export interface InBrowser {
  /** A test may start another one in its place. */
  started: Started;
  readonly page: Page;
  open(thread?: string, options?: BrowserContextOptions): Promise<void>;
  /** Puts a view into the thread t1, as the worker would. */
  put(key: string, view: View): Promise<string>;
  /** The first segment of the first run, while it works unless told otherwise. */
  show(parts: readonly Part[], over?: Partial<SegmentView>): Promise<string>;
}

export function inBrowser(): InBrowser {
  let browser: Browser | undefined;
  let started: Started | undefined;
  const pages: { readonly page: Page; readonly problems: readonly string[] }[] = [];

  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    started = await startConsole();
  });
  afterEach(async () => {
    const opened = pages.splice(0);
    for (const { page } of opened) await page.context().close();
    await started?.console.stop();
    expect(opened.flatMap(({ problems }) => problems)).toEqual([]);
  });

  const there = <T>(what: T | undefined): T => {
    if (what === undefined) throw new Error('the test has not opened it');
    return what;
  };
  return {
    get started() {
      return there(started);
    },
    set started(next) {
      started = next;
    },
    get page() {
      return there(pages.at(-1)).page;
    },
    async open(thread, options) {
      pages.push(await openPage(there(browser), there(started), thread, options));
    },
    put: (key, view) => there(started).console.post(to('t1'), key, view, false),
    show: (parts, over = {}) =>
      there(started).console.post(
        to('t1'),
        `${run(1)}.s0`,
        segment(1, parts, { status: 'thinking', stoppable: true, ...over }),
        false,
      ),
  };
}
