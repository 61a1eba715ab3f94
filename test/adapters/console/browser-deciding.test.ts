/**
 * Two people with two browsers decide one request over the real inbox: each sees at once what the other did, and
 * everyone whom the rule leaves out is told so at the card.
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { consoleThread } from '../../../adapters/console/events.ts';
import { addPerson } from '../../../src/backends/people.ts';
import type { Run } from '../../../src/core/run.ts';
import { notePost } from '../../../src/core/run-changes.ts';
import { draw } from '../../../src/core/view.ts';
import { until } from '../../contract/until.ts';
import { needs } from '../../needs.ts';
import { launchBrowser } from './browser.ts';
import { askedOfBoth, closeAll, newDataDir, startWithPeople } from './with-people.ts';

needs('chromium')('a card that two people decide', () => {
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

  it('counts each once, shows each what the other did, and tells the one who may not', async () => {
    const dir = newDataDir();
    const tokens = ['ada', 'grace', 'mel'].map((name) => addPerson(dir, name, Date.now()));
    const { console, store, url } = await startWithPeople(dir);
    const { run } = askedOfBoth();
    const thread = consoleThread('t1');
    await store.create({ ...run, conversation: thread, posts: [] });
    /** As the worker does: the thread is made equal to the run. */
    const show = async () => {
      const now = (await store.load(run.id)) as Run;
      for (const { key, view } of draw(now)) {
        const ref = await console.post(thread, key, view, false);
        await store.update(run.id, (r) => notePost(r, { key, ref }));
      }
      return now;
    };
    await show();
    const [adas, graces, mels] = await Promise.all(
      tokens.map(async (token) => {
        const page = await (await browser.newContext()).newPage();
        page.setDefaultTimeout(5_000);
        pages.push(page);
        await page.goto(String(url(`/t/t1?token=${token}`)));
        await page.locator('.card').waitFor();
        return page;
      }),
    );
    if (!adas || !graces || !mels) throw new Error('three pages were opened');
    const approve = (page: Page) => page.getByRole('button', { name: 'Approve', exact: true }).click();

    await approve(mels);
    await mels
      .locator('.card .said-problem')
      .getByText('You are not among those who may decide this')
      .waitFor();

    await approve(adas);
    await adas.locator('.card .said').getByText('Counted: 1 of 2 approvals').waitFor();
    await show();
    await graces.locator('.card').getByText('1 of 2: ada (console:ada)').waitFor();
    expect(await graces.locator('.card .said').innerText()).toBe('');
    await adas.locator('.card').getByText('1 of 2: ada (console:ada)').waitFor();
    await approve(adas);
    await adas.locator('.card .said-problem').getByText('You have decided this already').waitFor();

    await approve(graces);
    await until('the verdict', async () => (await show()).turns.some((turn) => isApproved(turn)));
    for (const page of [adas, graces, mels]) {
      await page.locator('.card').getByText('Approved by grace (console:grace)').waitFor();
      expect(await page.locator('.card .approve').count()).toBe(0);
    }
  });
});

function isApproved(turn: Run['turns'][number]): boolean {
  return turn.kind === 'agent' && turn.calls.some((call) => call.approval?.verdict === 'approved');
}
