/**
 * A thread in a real browser: streaming, the trace, hostile text, and what a restart does not lose.
 */
import { expect, it } from 'vitest';
import { until } from '../../contract/until.ts';
import { needs } from '../../needs.ts';
import { approvalOf, called, card, df, ranOn, run, said, to, words } from './browser-scene.ts';
import { inBrowser } from './in-browser.ts';
import { startConsole } from './started.ts';

needs('chromium')('a thread in the browser', () => {
  const at = inBrowser();
  const { show } = at;
  const scrollerAt = () =>
    at.page
      .locator('#scroll')
      .evaluate((node) => Math.round(node.scrollHeight - node.scrollTop - node.clientHeight));

  it('draws streaming text in place: what stands stays the same element', async () => {
    await show([said('hello'), words('First paragraph.\n\nSecond')]);
    await at.open('t1');
    await at.page.getByText('First paragraph.').evaluate((node) => node.setAttribute('data-kept', 'yes'));
    await show([said('hello'), words('First paragraph.\n\nSecond, longer.\n\n- one\n- **two**')]);

    await at.page.getByText('Second, longer.').waitFor();
    expect(await at.page.locator('[data-kept=yes]').textContent()).toBe('First paragraph.');
    expect(await at.page.locator('.markdown li strong').textContent()).toBe('two');
    expect(await at.page.locator('#status-text').textContent()).toBe('Thinking');
  });

  it('follows new text only for somebody who reads the end', async () => {
    const long = Array.from({ length: 80 }, (_, i) => `Line ${i}`).join('\n\n');
    await show([said('hello'), words(long)]);
    await at.open('t1');
    await at.page.getByText('Line 79').waitFor();
    expect(await scrollerAt()).toBeLessThan(5);

    await show([said('hello'), words(`${long}\n\nMore`)]);
    await at.page.getByText('More', { exact: true }).waitFor();
    expect(await scrollerAt()).toBeLessThan(5);

    await at.page.locator('#scroll').evaluate((node) => node.scrollTo(0, 0));
    await show([said('hello'), words(`${long}\n\nMore\n\nStill more`)]);
    await at.page.getByText('Still more').waitFor();
    expect(await at.page.locator('#scroll').evaluate((node) => node.scrollTop)).toBe(0);
    await at.page.getByRole('button', { name: 'Newest' }).click();
    expect(await scrollerAt()).toBeLessThan(5);
  });

  it('shows each call as a line that opens to the exact command and its output, and stays open', async () => {
    const failed = ranOn('web-1', "systemctl status 'nginx.service'", 'inactive', {
      end: { kind: 'exited', code: 3 },
    });
    const parts = [
      said('disk?'),
      called('disk_usage host=web-1', { ran: [ranOn('web-1', 'df -h -x overlay', df)] }),
      called('service_status', { id: 'c2' as never, status: 'failed', outcome: 'exit 3', ran: [failed] }),
      called('restart_service', { id: 'c3' as never, status: 'refused', outcome: 'No rule lets you.' }),
    ];
    await show(parts, { status: 'working' });
    await at.open('t1');
    const first = at.page.locator('.call').first();

    expect(await first.locator('summary').innerText()).toMatch(
      /disk_usage host=web-1\s+web-1\s+84 ms\s+exit 0/,
    );
    expect(await first.locator('pre').isVisible()).toBe(false);
    await first.locator('summary').click();
    expect(await first.locator('.ran-line').innerText()).toBe('df -h -x overlay');
    expect(await first.locator('pre').innerText()).toBe(df);
    const looks = await at.page
      .locator('.call')
      .evaluateAll((calls) =>
        calls.map((call) => [
          call.querySelectorAll('.icon')[1]?.getAttribute('class'),
          getComputedStyle(call.querySelector('.call-outcome') as Element).color,
        ]),
      );
    expect(new Set(looks.map(([symbol]) => symbol)).size).toBe(3);
    expect(looks[0]?.[1]).not.toBe(looks[1]?.[1]);

    await show([...parts, words('Done.')], { status: 'finished', stoppable: false, footer: '9 tokens in' });
    await at.page.getByText('9 tokens in').waitFor();
    expect(await first.locator('pre').isVisible()).toBe(true);
    expect(await at.page.locator('#status').isVisible()).toBe(false);
  });

  it('stops the run that works', async () => {
    await show([said('look'), called('disk_usage', { status: 'running', outcome: 'running' })], {
      status: 'working',
    });
    await at.open('t1');

    expect(await at.page.locator('#status-text').innerText()).toBe('Running disk_usage');
    await at.page.getByRole('button', { name: 'Stop' }).click();
    await at.page.getByText('Stopping…').waitFor();
    await until('the stop', () => at.started.inbox.stops.length === 1);
    expect(at.started.inbox.stops[0]?.runId).toBe(run(1));
    await show([said('look'), { kind: 'notice', level: 'info', text: 'Stopped by owner.' }], {
      status: 'cancelled',
      stoppable: false,
    });
    await at.page.locator('.notice').getByText('Stopped by owner.').waitFor();
    expect(await at.page.locator('#status').isVisible()).toBe(false);
  });

  it('comes back by itself after a restart, with every line put meanwhile', async () => {
    await show([said('hello'), words('before')]);
    await at.open('t1');
    await at.page.getByText('before').waitFor();
    await at.started.console.stop();
    await at.page.getByText('Connection lost').waitFor();
    await at.page.locator('#text').fill('written meanwhile');
    expect(await at.page.getByRole('button', { name: 'Send' }).isDisabled()).toBe(true);

    await show([said('hello'), words('before\n\nmeanwhile')]);
    await at.started.console.post(to('t1'), approvalOf(1), card(1), false);
    at.started = await startConsole({ port: at.started.port, board: at.started.board });
    await at.page.getByRole('button', { name: 'Approve' }).waitFor({ timeout: 8000 });

    expect(await at.page.locator('.markdown').innerText()).toBe('before\n\nmeanwhile');
    expect(await at.page.locator('#banner').isVisible()).toBe(false);
    expect(await at.page.locator('#text').inputValue()).toBe('written meanwhile');
    await show([said('hello'), words('before\n\nmeanwhile\n\nafter')]);
    await at.page.getByText('after', { exact: true }).waitFor();
    expect(await at.page.locator('.segment').count()).toBe(1);
  });

  it('lets hostile text do nothing and shows what would be invisible', async () => {
    const trap =
      '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script> a\u202eb\u200bc\u001b[31m [click](javascript:alert(1)) [bank](https://evil.example/x) ![p](https://evil.example/p.png) <a href="//evil.example">x</a>';
    const ran = ranOn('web-1', `echo ${trap}`, `${trap}\n\`\`\``);
    await show([
      said(trap),
      words(`${trap}\n\n\`\`\`\n${trap}\n\`\`\`\n\n| a |\n|---|\n| ${trap} |`),
      called(trap, { ran: [ran] }),
      { kind: 'notice', level: 'error', text: trap },
    ]);
    await at.started.console.post(
      to('t1'),
      approvalOf(1),
      card(1, {
        agentReason: trap,
        subject: {
          ...card(1).subject,
          line: trap,
          description: trap,
          targets: [{ host: trap, address: trap, login: trap, hostKey: trap }],
          state: [{ host: trap, line: trap, text: trap }],
        },
        missing: trap,
      }),
      false,
    );
    const requested: string[] = [];
    await at.open('t1');
    at.page.on('request', (request) => requested.push(request.url()));
    await at.page.reload();
    await at.page.locator('.card').waitFor();
    await at.page.locator('.call summary').click();

    expect(await at.page.locator('#main img:not(.empty img), #main script, #main iframe').count()).toBe(0);
    expect(await at.page.title()).not.toBe('owned');
    const text = (await at.page.locator('#log').textContent()) ?? '';
    expect(text).toContain('\\u{202e}');
    expect(text).toContain('<img src=x onerror=');
    expect(text).not.toMatch(/[\u202e\u200b\u001b]/);
    const links = await at.page
      .locator('#log a')
      .evaluateAll((all) => all.map((a) => [(a as HTMLAnchorElement).href, a.textContent]));
    expect(new Set(links.map(String))).toEqual(
      new Set([
        'https://evil.example/x,https://evil.example/x',
        'https://evil.example/p.png,https://evil.example/p.png',
      ]),
    );
    expect(requested.filter((url) => !url.startsWith(at.started.origin))).toEqual([]);
  });

  it('tells a screen reader the answer when it is there, and a card at once', async () => {
    await show([said('disk?')]);
    await at.open('t1');
    await at.page.locator('.segment').waitFor();
    await show([said('disk?'), words('There is room.')]);
    await at.page.getByText('There is room.').waitFor();
    expect(await at.page.locator('#say').textContent()).toBe('');

    await show([said('disk?'), words('There is room.')], { status: 'finished', stoppable: false });
    await until(
      'the answer',
      async () => (await at.page.locator('#say').textContent()) === 'opsagent: There is room.',
    );
    await at.started.console.post(to('t1'), approvalOf(1), card(1), false);
    await until('the card', async () =>
      ((await at.page.locator('#shout').textContent()) ?? '').startsWith(
        'Approval needed: restart_service on web-1',
      ),
    );
    expect(await at.page.locator('#say').getAttribute('aria-live')).toBe('polite');
    expect(await at.page.locator('#shout').getAttribute('aria-live')).toBe('assertive');
  });
});
