/**
 * A real headless Chromium with the console's page in it, signed in by the link that is printed at start.
 */
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { chromium } from 'playwright-core';
import { programPath } from '../../system-packages.mjs';
import type { Started } from './started.ts';

export async function launchBrowser(): Promise<Browser> {
  const executablePath = process.env.CHROMIUM ?? programPath('chromium');
  return chromium.launch({
    ...(executablePath ? { executablePath } : {}),
    args: [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  });
}

export interface Opened {
  readonly page: Page;
  /** Errors of the page and refusals of its own policy; a good page has none. */
  readonly problems: string[];
}

/** A page of its own profile, at the thread or at a new conversation. */
export async function openPage(
  browser: Browser,
  started: Started,
  thread?: string,
  options: BrowserContextOptions = {},
): Promise<Opened> {
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(5000);
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    const text = message.text();
    // A server that is away for a moment is part of some tests and no fault of the page.
    if (message.type() === 'error' && !text.includes('Failed to load resource')) problems.push(text);
  });
  await page.goto(started.console.link(thread));
  await page.locator('#banner').waitFor({ state: 'hidden' });
  return { page, problems };
}
