/**
 * Two people with two browsers: each page says whose it is, and is theirs no longer once they sign out or are removed.
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { addPerson, removePerson } from '../../../src/backends/people.ts';
import { needs } from '../../needs.ts';
import { launchBrowser } from './browser.ts';
import { closeAll, newDataDir, startWithPeople } from './with-people.ts';

needs('chromium')('the page of a named person', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser.close());
  const pages: Page[] = [];
  afterEach(async () => {
    for (const page of pages.splice(0)) await page.context().close();
    await closeAll();
  });

  async function openAs(url: URL): Promise<Page> {
    const page = await (await browser.newContext()).newPage();
    page.setDefaultTimeout(5_000);
    pages.push(page);
    await page.goto(String(url));
    await page.locator('#me').waitFor({ state: 'visible' });
    return page;
  }

  it('says whose it is, without the token in the address, and signs out for good', async () => {
    const dir = newDataDir();
    const [ada, grace] = ['ada', 'grace'].map((name) => addPerson(dir, name, Date.now()));
    const { url } = await startWithPeople(dir);
    const adas = await openAs(url(`/?token=${ada}`));
    const graces = await openAs(url(`/?token=${grace}`));

    expect(await adas.locator('#me-name').innerText()).toBe('Signed in as ada');
    expect(await graces.locator('#me-name').innerText()).toBe('Signed in as grace');
    expect(adas.url()).toBe(String(url('/')));

    await adas.getByRole('button', { name: 'Sign out' }).click();
    await adas.getByText('This browser is not signed in').waitFor();
    await adas.goto(String(url('/')));
    expect(await adas.locator('h1').innerText()).toBe('This browser is not signed in');
    await graces.reload();
    await graces.getByText('Signed in as grace').waitFor();
  });

  it('says that it is signed out when the person is removed', async () => {
    const dir = newDataDir();
    const { url } = await startWithPeople(dir);
    const page = await openAs(url(`/?token=${addPerson(dir, 'ada', Date.now())}`));

    removePerson(dir, 'ada');

    await page.locator('#banner').getByText('This browser is not signed in').waitFor();
  });
});
