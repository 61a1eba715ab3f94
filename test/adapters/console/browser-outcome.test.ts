/**
 * What the page shows of an approval after its verdict: who decided, what came of the run, the state before and after
 * it, and the Undo that asks for what reverses it.
 */
import { expect, it } from 'vitest';
import type { RanCommand } from '../../../src/core/command.ts';
import type { CallView, CardView } from '../../../src/core/view.ts';
import { until } from '../../contract/until.ts';
import { changed } from '../../contract/views.ts';
import { needs } from '../../needs.ts';
import { approvalOf, called, card, owner, run, said, segment, target } from './browser-scene.ts';
import { inBrowser } from './in-browser.ts';

const grace = { platform: 'slack', id: 'U0GRACE', name: 'Grace' } as const;
const decidedAt = new Date(2026, 4, 4, 14, 3).getTime();
const phone = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };
const callId = `${run(1)}-1`;

needs('chromium')('what came of a card in the browser', () => {
  const at = inBrowser();
  const decide = (over: Partial<CardView>) =>
    at.put(approvalOf(1), card(1, { verdict: 'approved', decidedBy: grace, decidedAt, ...over }));
  const ran = (...results: RanCommand[]) =>
    at.show([said('restart nginx'), called('restart_service', { id: callId as never, ran: results })], {
      status: 'finished',
      stoppable: false,
    });
  const cardText = () => at.page.locator('.card').innerText();

  it('says who decided, when and why, and keeps no button', async () => {
    await decide({ verdict: 'denied', denyReason: 'not\u202e while the import runs', outcome: 'not run' });
    await at.open('t1');

    const text = await cardText();
    for (const part of [
      'Denied by Grace (slack:U0GRACE)',
      'Reason: not\\u{202e} while the import runs',
      'Outcome: Never started · not run',
      'asked by owner',
    ])
      expect(text).toContain(part);
    expect(await at.page.locator('.card time').getAttribute('datetime')).toBe(
      new Date(decidedAt).toISOString(),
    );
    expect(await at.page.locator('.card button:not(.copy)').count()).toBe(0);
    expect(text).not.toContain('SHA256');
    await at.page.getByText('What was asked').click();
    expect(await cardText()).toContain(target().hostKey);
  });

  it('names the window that was opened, how long it lasts and what ends it', async () => {
    await decide({ windowMinutes: 15, approvals: [grace, owner], outcome: 'exit 0' });
    await at.open('t1');

    const until18 = await at.page.evaluate(
      (ms) => new Date(ms).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }),
      decidedAt + 15 * 60_000,
    );
    expect(await at.page.locator('.window-open').innerText()).toBe(
      `Window of 15 min, until about ${until18}: exactly this command on the same hosts runs in this thread without another card. Write revoke here to end it.`,
    );
    expect(await cardText()).toContain('Approved by Grace (slack:U0GRACE), owner (console:owner)');
  });

  it('tells what came of the run, from how its call ended and not from words', async () => {
    const noRoute = changed({ end: { kind: 'unreachable', problem: 'no route' } });
    const broken = changed({ end: { kind: 'lost', problem: 'the line broke' } });
    const cases: readonly (readonly [string, string, Partial<CallView>])[] = [
      ['running', 'running', { status: 'running' }],
      ['Ran · exit 0', 'exit 0', { ran: [changed()] }],
      ['Ran · exit 1', 'exit 1', { status: 'failed', ran: [changed({ end: { kind: 'exited', code: 1 } })] }],
      ['Never started · not run: no route', 'not run: no route', { status: 'failed', ran: [noRoute] }],
      ['Unknown · it broke, exit 0', 'it broke, exit 0', { status: 'failed', ran: [changed(), broken] }],
      ['Unknown · it restarted', 'it restarted', { status: 'unknown' }],
      ['Refused · The host key changed.', 'The host key changed.', { status: 'refused' }],
    ];
    await at.open('t1');
    for (const [shown, outcome, call] of cases) {
      await decide({ outcome });
      await at.show([called('restart_service', { id: callId as never, outcome, ...call })]);
      await at.page.locator('.decision-outcome').getByText(`Outcome: ${shown}`, { exact: true }).waitFor();
    }
  });

  it('shows before and after side by side, marks the lines that differ, and stacks them on a telephone', async () => {
    const probe = {
      line: "systemctl status 'nginx.service'",
      before: '● nginx.service\n   Active: failed\n Main PID: 811\n    Tasks: 1',
      after: '● nginx.service\n   Active: active (running)\n Main PID: 902\n    Tasks: 1\n<b>new</b>\u202e\n',
    };
    await ran(changed({ probe, allowedBy: `the window opened with ${approvalOf(9)}` }));
    await at.open('t1');
    const marked = (tag: string) => at.page.locator(`.change ${tag}`).allInnerTexts();

    expect(await marked('del')).toEqual(['   Active: failed\n', ' Main PID: 811\n']);
    expect(await marked('ins')).toEqual([
      '   Active: active (running)\n',
      ' Main PID: 902\n',
      '<b>new</b>\\u{202e}\n',
    ]);
    expect(await at.page.locator('.change').innerText()).toContain(
      `Allowed without a card by the window opened with ${approvalOf(9)}.`,
    );
    const places = () =>
      at.page
        .locator('.sides section')
        .evaluateAll((all) => all.map((side) => side.getBoundingClientRect().top));
    const [left, right] = await places();
    expect(left).toBe(right);

    await at.open('t1', phone);
    const [above, below] = await places();
    expect(above).toBeLessThan(below ?? 0);
    expect(await at.page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
  });

  it('says that nothing changed, and that a state was not looked at', async () => {
    await ran(
      changed({ probe: { line: 'systemctl is-active nginx', before: 'active\n', after: 'active' } }),
      changed({ host: 'web-2', probe: { line: 'systemctl is-active nginx', after: '' } }),
    );
    await at.open('t1');
    const [first, second] = await at.page.locator('.change').allInnerTexts();

    expect(first).toMatch(/Before and after: unchanged\s+active/);
    expect(second).toMatch(/Before\s+It was not looked at\.\s+After\s+It printed nothing\./);
  });

  it('asks once for each press of Undo, and again under the same id when nobody answered', async () => {
    const release = at.started.inbox.hold();
    await ran(changed({ sameOn: ['web-2'] }));
    await at.open('t1');
    const undo = at.page.getByRole('button', { name: 'Undo' });
    const answer = at.page.locator('.change .said');
    expect(await at.page.locator('.undo-row').innerText()).toContain(
      'start_service service_name=nginx on web-1,web-2',
    );

    await at.page.route('**/api/undo', (route) => route.abort(), { times: 1 });
    const ids: string[] = [];
    at.page.on('request', (request) => {
      if (request.url().endsWith('/api/undo')) ids.push(request.postDataJSON().id);
    });
    await undo.click();
    await answer.getByText('cannot be reached').waitFor();
    await undo.focus();
    await at.page.keyboard.press('Enter');
    await undo.dblclick({ force: true });
    await until('the undo', () => at.started.inbox.undos.length === 1);
    release();
    await answer.getByText('Asked for; it follows below.').waitFor();
    expect(new Set(ids)).toEqual(new Set([at.started.inbox.undos[0]?.eventId]));
    expect(ids).toHaveLength(2);
    expect(at.started.inbox.undos).toMatchObject([{ callId, host: 'web-1', user: { id: 'owner' } }]);

    at.started.inbox.answerUndo = async () => ({ kind: 'refused', text: 'There is nothing to undo here.' });
    await undo.click();
    await at.page.locator('.change .said-problem').getByText('There is nothing to undo here.').waitFor();
    expect(at.started.inbox.undos[1]?.eventId).not.toBe(ids[0]);
  });

  it('reads a reminder out and shows it where it stands', async () => {
    const text = 'Still waiting for approval: systemctl restart nginx on web-1.';
    await at.open('t1');
    await at.put(approvalOf(1), card(1));
    await at.page.locator('.card').waitFor();
    await at.put(`${approvalOf(1)}.r`, segment(1, [{ kind: 'notice', level: 'warning', text }]));

    await at.page.locator('.notice-warning').getByText(text).waitFor();
    await at.page.locator('#say', { hasText: text }).waitFor({ state: 'attached' });
  });
});
