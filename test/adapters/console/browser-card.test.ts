/**
 * Approval cards in a real browser while they are pending: what they show, how they are answered, and when they no
 * longer can be.
 */
import { expect, it } from 'vitest';
import { until } from '../../contract/until.ts';
import { needs } from '../../needs.ts';
import { approvalOf, card, digest, owner, run, said, target, to } from './browser-scene.ts';
import { inBrowser } from './in-browser.ts';

const grace = { platform: 'slack', id: 'U0GRACE', name: 'Grace' } as const;
const phone = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

needs('chromium')('a card in the browser', () => {
  const at = inBrowser();
  const put = (over = {}, n = 1) => at.put(`${run(1)}-${n}-a`, { ...card(1, over), approvalId: idOf(n) });
  const idOf = (n: number) => `${run(1)}-${n}-a` as never;
  const button = (name: string | RegExp) =>
    at.page.locator('.card').first().getByRole('button', { name, exact: true });
  const saidAt = (text: string | RegExp) => at.page.locator('.card .said').getByText(text).waitFor();

  it('shows a card with all that will run, and sends an approval of what it showed', async () => {
    at.started.inbox.answerDecision = async () => ({ kind: 'counted', text: 'Approved. It runs now.' });
    await at.show([said('restart nginx')], { status: 'waiting' });
    await put({
      rule: { name: 'changes', approvers: ['oncall'], people: 2, requesterMay: false },
      approvals: [grace],
      missing: '1 more of oncall',
    });
    await at.open('t1');
    const shown = at.page.locator('.card');

    expect(await shown.locator('pre').first().innerText()).toBe(card(1).subject.line);
    const text = await shown.innerText();
    for (const part of [
      'web-1 at 100.101.7.12:22 as ops',
      target().hostKey,
      'console:owner',
      `${digest.slice(0, 12)} verify: show ${approvalOf(1)}`,
      '1 of 2: Grace (slack:U0GRACE)',
      '1 more of oncall (rule changes; not by whoever asked)',
    ])
      expect(text).toContain(part);
    expect(text).toContain('Agent’s words');
    expect(await at.page.title()).toMatch(/^Approval needed: /);

    await button('Approve').click();
    await saidAt('Approved. It runs now.');
    expect(at.started.inbox.decisions).toMatchObject([
      {
        approvalId: approvalOf(1),
        verdict: 'approve',
        digest,
        card: { conversation: to('t1'), message: approvalOf(1) },
      },
    ]);
    await put({ verdict: 'approved', decidedBy: owner, outcome: 'exit 0' });
    await at.page.locator('.card[data-verdict=approved]').waitFor();
    expect(await shown.getByRole('button', { name: /Approve|Deny/ }).count()).toBe(0);
    expect(await shown.locator('.said').innerText()).toBe('');
  });

  it('folds many hosts under their number and shows each when opened', async () => {
    const targets = Array.from({ length: 40 }, (_, i) =>
      target({ host: `web-${i + 1}`, address: `10.0.0.${i}` }),
    );
    await put({ subject: { ...card(1).subject, targets } });
    await at.open('t1');
    const shown = at.page.locator('.card');

    expect(await shown.innerText()).toContain('40 hosts, one after another in this order:');
    expect(await shown.innerText()).not.toContain('web-40');
    await shown.getByText('and 37 more').click();
    expect(await shown.locator('.target').allInnerTexts()).toHaveLength(40);
    expect(await shown.innerText()).toContain('web-40 at 10.0.0.39 as ops');
  });

  it('shows the state as the words of a host, which can do nothing to the card', async () => {
    const text =
      '<button class="button approve">Approve</button><img src=x onerror="document.title=1">\u001b[2K\u202eevil\nDigest  ffffffffffff';
    await put({
      subject: { ...card(1).subject, state: [{ host: 'web-1', line: 'systemctl is-active nginx', text }] },
    });
    await at.open('t1');
    const quoted = at.page.locator('.card .evidence');

    expect(await quoted.evaluate((node) => node.childElementCount)).toBe(0);
    expect(await quoted.innerText()).toBe(text.replace('\u001b', '\\u{1b}').replace('\u202e', '\\u{202e}'));
    expect(await at.page.locator('.card').innerText()).toMatch(
      /State now\s+What the host printed before you were asked:\s+web-1 systemctl is-active nginx\s+<button/,
    );
    expect(await at.page.locator('.card .approve:not([hidden] *)').count()).toBe(1);
  });

  it('asks for a reason before it denies, and says at the card why the no does not count', async () => {
    const why = 'You are not among those who may decide this.';
    at.started.inbox.answerDecision = async () => ({ kind: 'refused', text: why });
    await put();
    await at.open('t1');

    await button('Deny').click();
    await at.page.keyboard.type('the import still runs');
    await put({ approvals: [owner] });
    await at.page.locator('.card').getByText('owner (console:owner)').nth(1).waitFor();
    expect(await at.page.getByLabel('Reason for denying').inputValue()).toBe('the import still runs');
    expect(await focused()).toBe('Reason for denying');
    await at.page.keyboard.press('Enter');

    await at.page.locator('.said-problem').getByText(why).waitFor();
    expect(at.started.inbox.decisions).toMatchObject([
      { verdict: 'deny', reason: 'the import still runs', digest },
    ]);
    await at.page.locator('#shout', { hasText: why }).waitFor({ state: 'attached' });
    expect(await at.page.locator('.deny-form .button.deny').isEnabled()).toBe(true);
    await put({ verdict: 'approved', decidedBy: grace });
    await at.page.locator('.card[data-verdict=approved]').waitFor();
    expect(await at.page.locator('.said-problem').innerText()).toBe(why);
  });

  it('counts down to the expiry without being read out, and takes the buttons out of use at its end', async () => {
    const expiresAt = Date.now() + 2_500;
    await put({ expiresAt });
    await at.open('t1');
    const countdown = at.page.locator('.countdown');

    expect(await countdown.innerText()).toMatch(/^expires in 0:0[1-3]$/);
    expect(await countdown.getAttribute('datetime')).toBe(new Date(expiresAt).toISOString());
    expect(await countdown.getAttribute('role')).toBe('timer');
    expect(await countdown.evaluate((node) => node.closest('[aria-live]:not([aria-live=off])'))).toBeNull();
    await button('Approve').focus();
    await at.page.getByText('time is up').waitFor();
    expect(await button('Approve').isDisabled()).toBe(true);
    expect(await focused()).toBe('Approve');
    await at.page.keyboard.press('Enter');
    await put({ verdict: 'expired', outcome: 'not run' });
    await at.page.getByText('Outcome: Never started · not run').waitFor();
    expect(at.started.inbox.decisions).toEqual([]);
  });

  it('is answered by keyboard alone, and keeps focus and what was opened when it is drawn anew', async () => {
    const targets = Array.from({ length: 9 }, (_, i) => target({ host: `web-${i + 1}` }));
    await put({ subject: { ...card(1).subject, targets } });
    await at.open('t1');
    const more = at.page.getByText('and 6 more');
    await more.focus();
    await at.page.keyboard.press('Enter');
    await put({ subject: { ...card(1).subject, targets }, approvals: [grace] });
    await at.page.getByText('Grace (slack:U0GRACE)').waitFor();
    expect(await focused()).toBe('and 6 more');
    expect(await at.page.locator('.more').evaluate((node) => (node as HTMLDetailsElement).open)).toBe(true);

    await button('Approve').focus();
    await put({ subject: { ...card(1).subject, targets }, approvals: [grace, owner] });
    await at.page.getByText('owner (console:owner)').nth(1).waitFor();
    expect(await focused()).toBe('Approve');
    await at.page.keyboard.press('Enter');
    await until('the approval', () => at.started.inbox.decisions.length === 1);

    await put({ verdict: 'approved', decidedBy: owner });
    await at.page.locator('.card[data-verdict=approved]').waitFor();
    expect(await at.page.evaluate(() => document.activeElement?.className)).toBe('card');
  });

  it('sends one decision for a double click and for a press while one is on its way', async () => {
    const release = at.started.inbox.hold();
    await put();
    await at.open('t1');
    let sent = 0;
    at.page.on('request', (request) => {
      if (request.url().endsWith('/api/decide')) sent += 1;
    });
    const press = async () => {
      await at.page.locator('.card').focus();
      await at.page.keyboard.press('a');
    };

    await button('Approve').dblclick();
    await press();
    await saidAt('Approving…');
    release();
    await saidAt('Approved.');
    await press();
    expect(await button('Approve').isDisabled()).toBe(true);
    expect(sent).toBe(1);
    expect(at.started.inbox.decisions).toHaveLength(1);

    await put({ approvals: [owner] });
    await at.page.locator('.card').getByText('owner (console:owner)').nth(1).waitFor();
    await press();
    await until('the second approval', () => at.started.inbox.decisions.length === 2);
    expect(sent).toBe(2);
  });

  it('approves all of the run by naming them, and not before the page shows them all', async () => {
    const all = { count: 2, digest: 'a'.repeat(32) };
    await put({ all });
    await at.open('t1');
    await button('Approve all 2').click();
    await at.page.getByText('This page does not show all of them yet').waitFor();
    const confirm = at.page.locator('.all-form').first().getByRole('button', { name: 'Approve all 2' });
    expect(await confirm.isDisabled()).toBe(true);

    const line = 'systemctl restart redis';
    await put({ all, subject: { ...card(1).subject, line, targets: [target({ host: 'cache-1' })] } }, 2);
    await at.page.locator('.all-form').first().getByText(line).waitFor();
    expect(await at.page.locator('.covered').first().locator('li').allInnerTexts()).toEqual([
      `${card(1).subject.line} on web-1, change`,
      `${line} on cache-1, change`,
    ]);
    await confirm.click();
    await until('the decision', () => at.started.inbox.decisions.length === 1);
    expect(at.started.inbox.decisions).toMatchObject([
      { approvalId: approvalOf(1), verdict: 'approve', scope: 'all', digest: all.digest },
    ]);

    await put({ verdict: 'approved', decidedBy: owner }, 2);
    await put();
    await button(/^Approve all/).waitFor({ state: 'hidden' });
    expect(await at.page.locator('.all-form').first().isVisible()).toBe(false);
  });

  it('opens a window only where one may be opened, after saying what it allows', async () => {
    await put();
    await at.open('t1');
    expect(await button('Approve + 15 min').isVisible()).toBe(false);
    await at.page.getByText('Approve and allow for a while…').click();
    expect(await at.page.locator('.allowing p').innerText()).toMatch(
      /exactly this command run again on the same hosts in this thread without another card\..*revoke in this thread ends it/,
    );
    await button('Approve + 15 min').click();
    await until('the decision', () => at.started.inbox.decisions.length === 1);
    expect(at.started.inbox.decisions).toMatchObject([{ verdict: 'approve', windowMinutes: 15, digest }]);

    await put({ mayOpenWindow: false });
    await at.page.getByText('Approve and allow for a while…').waitFor({ state: 'hidden' });
  });

  it('fits a telephone with every form open, and each button is large enough to hit', async () => {
    const long = 'x'.repeat(300);
    const state = [{ host: 'web-1', line: `cat ${long}`, text: `${long}\n${long}` }];
    const targets = Array.from({ length: 9 }, (_, i) => target({ host: `web-${long}-${i}`, address: long }));
    const all = { count: 2, digest: 'a'.repeat(32) };
    const over = {
      all,
      agentReason: long,
      missing: long,
      subject: { ...card(1).subject, line: long, state, targets },
    };
    await put(over);
    await put(over, 2);
    await at.open('t1', phone);
    const seen = async (part: string) =>
      (await at.page.locator('.card').last().locator(part).boundingBox())?.y;
    // The thread shows its end, where the buttons are: what would run is in sight with them.
    expect(await seen('.card-line')).toBeGreaterThanOrEqual(
      (await at.page.locator('#scroll').boundingBox())?.y ?? 999,
    );
    expect(await seen('.card-line')).toBeLessThan((await seen('.card-actions > .card-buttons')) ?? 0);
    const width = () => at.page.evaluate(() => document.documentElement.scrollWidth);
    const inner = () => at.page.locator('#scroll').evaluate((node) => node.scrollWidth - node.clientWidth);

    await at.page.getByText('Approve and allow for a while…').first().click();
    await at.page.getByText('and 6 more').first().click();
    for (const name of ['Approve', 'Deny', 'Approve all 2', 'Approve + 60 min'])
      expect((await button(name).boundingBox())?.height).toBeGreaterThanOrEqual(44);
    expect([await width(), await inner()]).toEqual([360, 0]);
    await button('Approve all 2').click();
    expect([await width(), await inner()]).toEqual([360, 0]);
  });

  const focused = () =>
    at.page.evaluate(() => {
      const node = document.activeElement as HTMLElement | null;
      return node?.getAttribute('aria-label') ?? node?.textContent ?? '';
    });
});
