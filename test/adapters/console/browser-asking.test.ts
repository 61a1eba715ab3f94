/**
 * What a person does in the page: asking, drafts, refusals, the picker, links, and all of it by keyboard.
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { OpsError } from '../../../src/core/errors.ts';
import { until } from '../../contract/until.ts';
import { needs } from '../../needs.ts';
import { launchBrowser, openPage } from './browser.ts';
import { approvalOf, card, run, said, segment, to, words } from './browser-scene.ts';
import type { Started } from './started.ts';
import { startConsole } from './started.ts';

needs('chromium')('asking in the browser', () => {
  let browser: Browser;
  let it0: Started;
  let page: Page;
  let problems: string[];
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser.close());
  beforeEach(async () => {
    it0 = await startConsole();
    // As the worker would: the words of an accepted mention appear in its thread.
    it0.inbox.answerMention = async (mention) => {
      const n = it0.inbox.mentions.length;
      const view = segment(n, [said(mention.text)], { status: 'thinking', stoppable: true });
      await it0.console.post(mention.conversation, `${run(n)}.s0`, view, false);
      return { kind: 'accepted', runId: run(n) };
    };
  });
  afterEach(async () => {
    await page.context().close();
    await it0.console.stop();
    expect(problems).toEqual([]);
  });

  const open = async (thread?: string, options = {}) => {
    ({ page, problems } = await openPage(browser, it0, thread, options));
  };
  const box = () => page.getByLabel('Message to opsagent');

  it('offers the seven prompts, and one of them opens a thread whose link survives a reload', async () => {
    await open();
    expect(await page.locator('.example').allInnerTexts()).toEqual([
      'Check the server status',
      'How much disk space is available?',
      'Show me the memory usage',
      'Give me a system overview',
      'What commands can you run?',
      'Is the docker service running?',
      'Check the size of /var/log',
    ]);
    await page.getByRole('button', { name: 'Show me the memory usage' }).click();
    await page.waitForURL(/\/t\/t[0-9a-f]{16}$/);
    expect(page.url()).not.toContain('token');

    await page.reload();
    await page.locator('.person-text').waitFor();
    expect(await page.locator('.person-text').allInnerTexts()).toEqual(['Show me the memory usage']);
    expect(await page.locator('.row[aria-current=page] .row-title').innerText()).toBe(
      'Show me the memory usage',
    );
    expect(it0.inbox.mentions).toHaveLength(1);
  });

  it('shows my words at once, and once', async () => {
    await open('t1');
    const release = it0.inbox.hold();
    await box().fill('check the disk');
    await page.keyboard.press('Enter');

    await page.locator('.sending').getByText('check the disk').waitFor();
    expect(await box().inputValue()).toBe('');
    release();
    await page.locator('.segment').getByText('check the disk').waitFor();
    await page.locator('.sending').waitFor({ state: 'detached' });
    expect(await page.locator('.person-text').count()).toBe(1);
    expect(it0.inbox.mentions[0]).toMatchObject({
      conversation: to('t1'),
      text: 'check the disk',
      opensThread: false,
    });
  });

  it('starts a new line with Shift and Enter, and keeps the draft of each thread over a reload', async () => {
    await it0.console.post(
      to('t1'),
      'k',
      segment(9, [said('older'), words('text')], { status: 'finished' }),
      false,
    );
    await open('t1');
    await box().pressSequentially('one');
    await page.keyboard.press('Shift+Enter');
    await box().pressSequentially('two');
    await page.reload();
    expect(await box().inputValue()).toBe('one\ntwo');

    await page.getByRole('link', { name: 'New conversation' }).click();
    expect(await box().inputValue()).toBe('');
    await page.goBack();
    await until('the draft', async () => (await box().inputValue()) === 'one\ntwo');
    expect(it0.inbox.mentions).toEqual([]);
  });

  it('gives the words back with the reason when they are refused or cannot be stored, under the same id', async () => {
    await open();
    const accepted = it0.inbox.answerMention;
    it0.inbox.answerMention = async () => {
      throw new OpsError('store-unavailable', 'Redis cannot be reached.', 'Try again in a minute.');
    };
    await box().fill('check the disk');
    await page.keyboard.press('Enter');
    await page.getByText('Redis cannot be reached. Try again in a minute.').waitFor();
    await until('the words', async () => (await box().inputValue()) === 'check the disk');
    expect(await page.locator('#problem').getAttribute('role')).toBe('alert');
    expect(await page.locator('.sending').count()).toBe(0);

    // A reload in between changes nothing about it being the same request.
    await page.reload();
    it0.inbox.answerMention = accepted;
    await page.locator('#banner').waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'Send' }).click();
    await page.waitForURL(/\/t\//);
    const [first, second] = it0.inbox.mentions;
    expect(second?.eventId).toBe(first?.eventId);
    expect(second?.conversation).toEqual(first?.conversation);
  });

  it('shows an answer that is for this person alone as such', async () => {
    it0.inbox.answerMention = async () => ({ kind: 'answered', text: 'Nothing is running here.' });
    await open('t1');
    await box().fill('status');
    await page.keyboard.press('Enter');

    await page.locator('.private').waitFor();
    expect(await page.locator('.private').innerText()).toContain('Nothing is running here.');
    expect(await page.locator('.sending').count()).toBe(0);
  });

  it('runs a command by name with typed parameters and a host, from the keyboard alone', async () => {
    await open();
    await page.getByRole('button', { name: 'Run a command' }).focus();
    await page.keyboard.press('Enter');
    await page.getByLabel('Find a command').waitFor();
    await page.waitForFunction(() => document.activeElement?.classList.contains('picker-search'));
    await page.keyboard.type('largest');
    await page.keyboard.press('Enter');
    expect(await page.getByLabel('count').getAttribute('type')).toBe('number');
    await page.keyboard.press('Enter');
    expect(it0.inbox.mentions).toEqual([]);

    await page.keyboard.type('/var/log');
    await page.keyboard.press('Tab');
    await page.keyboard.type('5');
    await page.keyboard.press('Tab');
    await page.keyboard.type('web');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/t\//);
    expect(it0.inbox.mentions[0]?.direct).toEqual({
      command: 'largest_files',
      params: { path: '/var/log', count: '5' },
      host: 'web-1',
    });
    expect(await page.locator('#picker').isVisible()).toBe(false);
  });

  it('works by keyboard alone: ask, reach the card, approve it there and nowhere else', async () => {
    await it0.console.post(
      to('t1'),
      `${run(5)}.s0`,
      segment(5, [said('restart nginx')], { status: 'waiting', stoppable: true }),
      false,
    );
    await it0.console.post(to('t1'), approvalOf(5), card(5), false);
    await open('t1');
    await page.locator('.card').waitFor();
    await page.keyboard.press('a');
    await page.keyboard.press('/');
    expect(await box().evaluate((node) => node === document.activeElement)).toBe(true);
    await page.keyboard.type('a/');
    expect(await box().inputValue()).toBe('a/');
    expect(it0.inbox.decisions).toEqual([]);

    await page.keyboard.press('Escape');
    for (let i = 0; i < 10; i += 1) {
      if (await page.locator('.card').evaluate((node) => node === document.activeElement)) break;
      await page.keyboard.press('Tab');
    }
    const outline = await page.locator('.card').evaluate((node) => getComputedStyle(node).outlineStyle);
    expect(outline).toBe('solid');
    await page.keyboard.press('d');
    expect(
      await page.getByLabel('Reason for denying').evaluate((node) => node === document.activeElement),
    ).toBe(true);
    await page.keyboard.press('Escape');
    await page.locator('.card').focus();
    await page.keyboard.press('a');
    await until('the decision', () => it0.inbox.decisions.length === 1);
    expect(it0.inbox.decisions[0]).toMatchObject({ approvalId: approvalOf(5), verdict: 'approve' });
  });

  it('keeps the list aside on a phone until it is asked for', async () => {
    await it0.console.post(to('t1'), 'k', segment(9, [said('one thread')], { status: 'finished' }), false);
    await open(undefined, { viewport: { width: 360, height: 740 } });
    expect(await page.locator('#sidebar').isVisible()).toBe(false);

    await page.getByRole('button', { name: 'Show conversations' }).click();
    await page.getByRole('link', { name: /one thread/ }).click();
    await page.waitForURL(/\/t\/t1$/);
    await page.locator('#sidebar').waitFor({ state: 'hidden' });
    expect(await page.locator('#main').evaluate((node) => (node as HTMLElement).inert)).toBe(false);
    await page.getByRole('button', { name: 'Show conversations' }).click();
    await page.keyboard.press('Escape');
    await page.locator('#sidebar').waitFor({ state: 'hidden' });
  });

  it('updates the list as threads change, newest first', async () => {
    await open();
    await it0.console.post(to('t1'), 'k', segment(1, [said('first')], { status: 'working' }), false);
    await page.getByText('Working').waitFor();
    await it0.console.post(to('t2'), 'k', segment(2, [said('second')], { status: 'waiting' }), false);
    await page.getByText('Waiting for approval').waitFor();

    expect(await page.locator('.row-title').allInnerTexts()).toEqual(['second', 'first']);
  });

  it('says what to do when the browser is no longer signed in', async () => {
    await open('t1');
    await page.context().clearCookies();
    await box().fill('check the disk');
    await page.keyboard.press('Enter');

    await page.locator('#problem').getByText('link that opsagent printed').waitFor();
    expect(await box().inputValue()).toBe('check the disk');
  });
});
