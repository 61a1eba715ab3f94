/**
 * What a person does in the page: asking, drafts, refusals, the picker, links, and all of it by keyboard.
 */
import { beforeEach, expect, it } from 'vitest';
import { OpsError } from '../../../src/core/errors.ts';
import { until } from '../../contract/until.ts';
import { needs } from '../../needs.ts';
import { approvalOf, card, run, said, segment, to, words } from './browser-scene.ts';
import { inBrowser } from './in-browser.ts';

needs('chromium')('asking in the browser', () => {
  const at = inBrowser();
  const { open } = at;
  beforeEach(() => {
    // As the worker would: the words of an accepted mention appear in its thread.
    at.started.inbox.answerMention = async (mention) => {
      const n = at.started.inbox.mentions.length;
      const view = segment(n, [said(mention.text)], { status: 'thinking', stoppable: true });
      await at.started.console.post(mention.conversation, `${run(n)}.s0`, view, false);
      return { kind: 'accepted', runId: run(n) };
    };
  });
  const box = () => at.page.getByLabel('Message to opsagent');

  it('offers the seven prompts, and one of them opens a thread whose link survives a reload', async () => {
    await open();
    expect(await at.page.locator('.example').allInnerTexts()).toEqual([
      'Check the server status',
      'How much disk space is available?',
      'Show me the memory usage',
      'Give me a system overview',
      'What commands can you run?',
      'Is the docker service running?',
      'Check the size of /var/log',
    ]);
    await at.page.getByRole('button', { name: 'Show me the memory usage' }).click();
    await at.page.waitForURL(/\/t\/t[0-9a-f]{16}$/);
    expect(at.page.url()).not.toContain('token');

    await at.page.reload();
    await at.page.locator('.person-text').waitFor();
    expect(await at.page.locator('.person-text').allInnerTexts()).toEqual(['Show me the memory usage']);
    expect(await at.page.locator('.row[aria-current=page] .row-title').innerText()).toBe(
      'Show me the memory usage',
    );
    expect(at.started.inbox.mentions).toHaveLength(1);
  });

  it('shows my words at once, and once', async () => {
    await open('t1');
    const release = at.started.inbox.hold();
    await box().fill('check the disk');
    await at.page.keyboard.press('Enter');

    await at.page.locator('.sending').getByText('check the disk').waitFor();
    expect(await box().inputValue()).toBe('');
    release();
    await at.page.locator('.segment').getByText('check the disk').waitFor();
    await at.page.locator('.sending').waitFor({ state: 'detached' });
    expect(await at.page.locator('.person-text').count()).toBe(1);
    expect(at.started.inbox.mentions[0]).toMatchObject({
      conversation: to('t1'),
      text: 'check the disk',
      opensThread: false,
    });
  });

  it('starts a new line with Shift and Enter, and keeps the draft of each thread over a reload', async () => {
    await at.started.console.post(
      to('t1'),
      'k',
      segment(9, [said('older'), words('text')], { status: 'finished' }),
      false,
    );
    await open('t1');
    await box().pressSequentially('one');
    await at.page.keyboard.press('Shift+Enter');
    await box().pressSequentially('two');
    await at.page.reload();
    expect(await box().inputValue()).toBe('one\ntwo');

    await at.page.getByRole('link', { name: 'New conversation' }).click();
    expect(await box().inputValue()).toBe('');
    await at.page.goBack();
    await until('the draft', async () => (await box().inputValue()) === 'one\ntwo');
    expect(at.started.inbox.mentions).toEqual([]);
  });

  it('gives the words back with the reason when they are refused or cannot be stored, under the same id', async () => {
    await open();
    const accepted = at.started.inbox.answerMention;
    at.started.inbox.answerMention = async () => {
      throw new OpsError('store-unavailable', 'Redis cannot be reached.', 'Try again in a minute.');
    };
    await box().fill('check the disk');
    await at.page.keyboard.press('Enter');
    await at.page.getByText('Redis cannot be reached. Try again in a minute.').waitFor();
    await until('the words', async () => (await box().inputValue()) === 'check the disk');
    expect(await at.page.locator('#problem').getAttribute('role')).toBe('alert');
    expect(await at.page.locator('.sending').count()).toBe(0);

    // A reload in between changes nothing about it being the same request.
    await at.page.reload();
    at.started.inbox.answerMention = accepted;
    await at.page.locator('#banner').waitFor({ state: 'hidden' });
    await at.page.getByRole('button', { name: 'Send' }).click();
    await at.page.waitForURL(/\/t\//);
    const [first, second] = at.started.inbox.mentions;
    expect(second?.eventId).toBe(first?.eventId);
    expect(second?.conversation).toEqual(first?.conversation);
  });

  it('shows an answer that is for this person alone as such', async () => {
    at.started.inbox.answerMention = async () => ({ kind: 'answered', text: 'Nothing is running here.' });
    await open('t1');
    await box().fill('status');
    await at.page.keyboard.press('Enter');

    await at.page.locator('.private').waitFor();
    expect(await at.page.locator('.private').innerText()).toContain('Nothing is running here.');
    expect(await at.page.locator('.sending').count()).toBe(0);
  });

  it('runs a command by name with typed parameters and a host, from the keyboard alone', async () => {
    await open();
    await at.page.getByRole('button', { name: 'Run a command' }).focus();
    await at.page.keyboard.press('Enter');
    await at.page.getByLabel('Find a command').waitFor();
    await at.page.waitForFunction(() => document.activeElement?.classList.contains('picker-search'));
    await at.page.keyboard.type('largest');
    await at.page.keyboard.press('Enter');
    expect(await at.page.getByLabel('count').getAttribute('type')).toBe('number');
    await at.page.keyboard.press('Enter');
    expect(at.started.inbox.mentions).toEqual([]);

    await at.page.keyboard.type('/var/log');
    await at.page.keyboard.press('Tab');
    await at.page.keyboard.type('5');
    await at.page.keyboard.press('Tab');
    await at.page.keyboard.type('web');
    await at.page.keyboard.press('Tab');
    await at.page.keyboard.press('Enter');
    await at.page.waitForURL(/\/t\//);
    expect(at.started.inbox.mentions[0]?.direct).toEqual({
      command: 'largest_files',
      params: { path: '/var/log', count: '5' },
      host: 'web-1',
    });
    expect(await at.page.locator('#picker').isVisible()).toBe(false);
  });

  it('works by keyboard alone: ask, reach the card, approve it there and nowhere else', async () => {
    await at.started.console.post(
      to('t1'),
      `${run(5)}.s0`,
      segment(5, [said('restart nginx')], { status: 'waiting', stoppable: true }),
      false,
    );
    await at.started.console.post(to('t1'), approvalOf(5), card(5), false);
    await open('t1');
    await at.page.locator('.card').waitFor();
    await at.page.keyboard.press('a');
    await at.page.keyboard.press('/');
    expect(await box().evaluate((node) => node === document.activeElement)).toBe(true);
    await at.page.keyboard.type('a/');
    expect(await box().inputValue()).toBe('a/');
    expect(at.started.inbox.decisions).toEqual([]);

    await at.page.keyboard.press('Escape');
    for (let i = 0; i < 10; i += 1) {
      if (await at.page.locator('.card').evaluate((node) => node === document.activeElement)) break;
      await at.page.keyboard.press('Tab');
    }
    const outline = await at.page.locator('.card').evaluate((node) => getComputedStyle(node).outlineStyle);
    expect(outline).toBe('solid');
    await at.page.keyboard.press('d');
    expect(
      await at.page.getByLabel('Reason for denying').evaluate((node) => node === document.activeElement),
    ).toBe(true);
    await at.page.keyboard.press('Escape');
    await at.page.locator('.card').focus();
    await at.page.keyboard.press('a');
    await until('the decision', () => at.started.inbox.decisions.length === 1);
    expect(at.started.inbox.decisions[0]).toMatchObject({ approvalId: approvalOf(5), verdict: 'approve' });
  });

  it('keeps the list aside on a phone until it is asked for', async () => {
    await at.started.console.post(
      to('t1'),
      'k',
      segment(9, [said('one thread')], { status: 'finished' }),
      false,
    );
    await open(undefined, { viewport: { width: 360, height: 740 } });
    expect(await at.page.locator('#sidebar').isVisible()).toBe(false);

    await at.page.getByRole('button', { name: 'Show conversations' }).click();
    await at.page.getByRole('link', { name: /one thread/ }).click();
    await at.page.waitForURL(/\/t\/t1$/);
    await at.page.locator('#sidebar').waitFor({ state: 'hidden' });
    expect(await at.page.locator('#main').evaluate((node) => (node as HTMLElement).inert)).toBe(false);
    await at.page.getByRole('button', { name: 'Show conversations' }).click();
    await at.page.keyboard.press('Escape');
    await at.page.locator('#sidebar').waitFor({ state: 'hidden' });
  });

  it('updates the list as threads change, newest first', async () => {
    await open();
    await at.started.console.post(to('t1'), 'k', segment(1, [said('first')], { status: 'working' }), false);
    await at.page.getByText('Working').waitFor();
    await at.started.console.post(to('t2'), 'k', segment(2, [said('second')], { status: 'waiting' }), false);
    await at.page.getByText('Waiting for approval').waitFor();

    expect(await at.page.locator('.row-title').allInnerTexts()).toEqual(['second', 'first']);
  });

  it('says what to do when the browser is no longer signed in', async () => {
    await open('t1');
    await at.page.context().clearCookies();
    await box().fill('check the disk');
    await at.page.keyboard.press('Enter');

    await at.page.locator('#problem').getByText('link that opsagent printed').waitFor();
    expect(await box().inputValue()).toBe('check the disk');
  });
});
