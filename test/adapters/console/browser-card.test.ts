/**
 * Approval cards in a real browser: what they show, how they are decided, and when they no longer can be.
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Part } from '../../../src/core/view.ts';
import { needs } from '../../needs.ts';
import { launchBrowser, openPage } from './browser.ts';
import { approvalOf, card, owner, run, said, segment, to } from './browser-scene.ts';
import type { Started } from './started.ts';
import { startConsole } from './started.ts';

needs('chromium')('a card in the browser', () => {
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
  });
  afterEach(async () => {
    await page.context().close();
    await it0.console.stop();
    expect(problems).toEqual([]);
  });

  const show = (parts: readonly Part[], over = {}) =>
    it0.console.post(
      to('t1'),
      `${run(1)}.s0`,
      segment(1, parts, { status: 'thinking', stoppable: true, ...over }),
      false,
    );
  const open = async (options = {}) => {
    ({ page, problems } = await openPage(browser, it0, 't1', options));
  };
  it('shows a card with all that will run, and sends an approval from that card', async () => {
    it0.inbox.answerDecision = async () => ({ kind: 'counted', text: 'Approved. It runs now.' });
    await show([said('restart nginx')], { status: 'waiting' });
    await it0.console.post(
      to('t1'),
      approvalOf(1),
      card(1, { rule: { name: 'changes', approvers: ['oncall'], people: 2, requesterMay: false } }),
      false,
    );
    await open();
    const shown = page.locator('.card');

    expect(await shown.locator('pre').innerText()).toBe(card(1).subject.line);
    const text = await shown.innerText();
    for (const part of [
      'web-1',
      '100.101.7.12:22',
      'ops',
      'console:owner',
      '7c1f0a94be52',
      '2 approvals (0 so far) from oncall',
    ])
      expect(text).toContain(part);
    expect(text).toContain('Agent’s words');
    expect(await page.title()).toMatch(/^Approval needed: /);

    await shown.getByRole('button', { name: 'Approve' }).click();
    await page.getByText('Approved. It runs now.').waitFor();
    expect(it0.inbox.decisions).toMatchObject([
      {
        approvalId: approvalOf(1),
        verdict: 'approve',
        card: { conversation: to('t1'), message: approvalOf(1) },
      },
    ]);

    await it0.console.post(
      to('t1'),
      approvalOf(1),
      card(1, { verdict: 'approved', decidedBy: owner, outcome: 'exit 0' }),
      false,
    );
    await page.getByText('Outcome: exit 0').waitFor();
    expect(await shown.getByRole('button', { name: /Approve|Deny/ }).count()).toBe(0);
    expect(await shown.locator('.decision').innerText()).toMatch(/Approved by owner · .*\d/);
  });

  it('asks for a reason before it denies, and keeps the buttons when the no is refused', async () => {
    it0.inbox.answerDecision = async () => ({
      kind: 'refused',
      text: 'You are not among those who may decide this.',
    });
    await it0.console.post(to('t1'), approvalOf(1), card(1), false);
    await open();

    await page.getByRole('button', { name: 'Deny' }).click();
    await page.keyboard.type('the import still runs');
    await it0.console.post(to('t1'), approvalOf(1), card(1, { approvals: [owner] }), false);
    await page.getByText('Approved by').waitFor();
    expect(await page.getByLabel('Reason for denying').inputValue()).toBe('the import still runs');
    await page.keyboard.press('Enter');

    await page.locator('.said-problem').waitFor();
    expect(it0.inbox.decisions).toMatchObject([{ verdict: 'deny', reason: 'the import still runs' }]);
    await page.locator('#shout', { hasText: 'You are not among those' }).waitFor({ state: 'attached' });
    expect(await page.locator('.deny-form .button.deny').isEnabled()).toBe(true);
  });

  it('counts down to the expiry and takes the buttons out of use at its end', async () => {
    await it0.console.post(to('t1'), approvalOf(1), card(1, { expiresAt: Date.now() + 3_500 }), false);
    await open();

    expect(await page.locator('.countdown').innerText()).toMatch(/^expires in 0:0[1-4]$/);
    await page.getByText('time is up').waitFor();
    expect(await page.getByRole('button', { name: 'Approve' }).isDisabled()).toBe(true);
    await it0.console.post(
      to('t1'),
      approvalOf(1),
      card(1, { verdict: 'expired', outcome: 'not run' }),
      false,
    );
    await page.getByText('Outcome: not run').waitFor();
  });
});
