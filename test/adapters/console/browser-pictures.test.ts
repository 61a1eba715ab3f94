/**
 * Every state of the console, wide and phone-sized, light and dark, drawn by the real page and without a fault.
 * `PICTURES=docs/images npx vitest run browser-pictures` keeps the pictures for the manual.
 */
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { View } from '../../../src/core/view.ts';
import { needs } from '../../needs.ts';
import { launchBrowser, openPage } from './browser.ts';
import {
  approvalOf,
  called,
  card,
  df,
  diskAnswer,
  owner,
  ranOn,
  run,
  said,
  segment,
  to,
  words,
} from './browser-scene.ts';
import { activeBefore, decisions } from './browser-scene-cards.ts';
import type { Started } from './started.ts';
import { startConsole } from './started.ts';

const folder = process.env.PICTURES;
const wide = { viewport: { width: 1280, height: 860 } };
const phone = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const dark = { colorScheme: 'dark' } as const;

const openCall = async (page: Page) => {
  await page.locator('.call summary').first().click();
  await page.locator('#scroll').evaluate((node) => node.scrollTo(0, 0));
};
const openDeny = (page: Page) => page.getByRole('button', { name: 'Deny' }).click();
const openWindow = (page: Page) => page.getByText('Approve and allow for a while').last().click();
const openForms = async (page: Page) => {
  await page
    .getByText(/^and \d+ more$/)
    .first()
    .click();
  await page
    .getByRole('button', { name: /^Approve all/ })
    .last()
    .click();
};
const openList = async (page: Page) => {
  await page.locator('#open-list').click();
  await page.waitForFunction(() => document.getElementById('sidebar')?.getBoundingClientRect().left === 0);
};
const openPicker = async (page: Page) => {
  await page.locator('#pick').click();
  await page.locator('.picker-list').getByText('largest_files').click();
};

needs('chromium')('the page draws without a fault and without scrolling sideways:', () => {
  let started: Started;
  let browser: Browser;
  beforeAll(async () => {
    started = await startConsole();
    browser = await launchBrowser();
    await scene(started);
  });
  afterAll(async () => {
    await browser.close();
    await started.console.stop();
  });

  it.each<[string, string | undefined, BrowserContextOptions, ((page: Page) => Promise<void>)?]>([
    ['start', undefined, wide],
    ['answer', 't1', wide, openCall],
    ['answer-dark', 't1', { ...wide, ...dark }],
    ['card', 't2', wide],
    ['card-dark', 't2', { ...wide, ...dark }],
    ['card-forms', 't4', wide, openForms],
    ['card-window', 't4', wide, openWindow],
    ['decided', 't3', wide],
    ['changed', 't5', wide],
    ['changed-dark', 't5', { ...wide, ...dark }],
    ['picker', 't1', wide, openPicker],
    ['phone', 't1', phone, openCall],
    ['phone-start', undefined, phone],
    ['phone-card', 't2', phone],
    ['phone-card-dark', 't4', { ...phone, ...dark }, openWindow],
    ['phone-card-all', 't4', phone, openForms],
    ['phone-changed-dark', 't5', { ...phone, ...dark }],
    ['phone-deny-dark', 't2', { ...phone, ...dark }, openDeny],
    ['phone-list', 't1', phone, openList],
    ['phone-picker', 't1', phone, openPicker],
  ])('%s', async (name, thread, options, act) => {
    const { page, problems } = await openPage(browser, started, thread, options);
    if (thread) await page.locator('.log > article').last().waitFor();
    await act?.(page);

    const [scrolls, sees] = await page.evaluate(
      () => [document.documentElement.scrollWidth, innerWidth] as const,
    );
    expect(scrolls).toBeLessThanOrEqual(sees);
    if (folder) await page.screenshot({ path: `${folder}/console-${name}.png` });
    expect(problems).toEqual([]);
    await page.context().close();
  });
});

async function scene(started: Started): Promise<void> {
  const { console: shown, board } = started;
  const put = (thread: ReturnType<typeof to>, key: string, view: View) =>
    shown.post(thread, key, view, false);
  await decisions(put);
  for (const [n, title, status] of [
    [21, 'Is the docker service running?', 'finished'],
    [22, 'Check the size of /var/log', 'failed'],
    [23, 'Clean up old images on build-2', 'cancelled'],
  ] as const)
    await board.put(`t${n}`, run(n), segment(n, [said(title)], { status }));

  const disk = called('disk_usage host=web-1', { ran: [ranOn('web-1', 'df -h -x overlay', df)] });
  const largest = called('largest_files path=/var host=web-1', {
    id: `${run(1)}-2` as never,
    ms: 1240,
    ran: [
      ranOn(
        'web-1',
        "du -xhd1 '/var' | sort -rh | head -n 10",
        '31G\t/var/log\n22G\t/var/lib\n1.1G\t/var/cache',
        { command: 'largest_files', ms: 1240 },
      ),
    ],
  });
  await put(
    to('t1'),
    `${run(1)}.s0`,
    segment(
      1,
      [
        said('How much disk space is available on web-1, and what takes it?'),
        words('I will look at the file systems and at the largest folders.'),
        disk,
        largest,
        words(diskAnswer),
      ],
      {
        status: 'finished',
        footer: '5412 tokens in (4380 cached), 391 out, 2 model requests',
      },
    ),
  );

  const status = called('check_service service_name=nginx host=web-1', {
    status: 'failed',
    outcome: 'exit 3',
    ran: [
      ranOn(
        'web-1',
        "systemctl status --no-pager 'nginx.service'",
        '● nginx.service - A high performance web server\n     Active: failed (Result: exit-code) since Mon 14:02:11',
        {
          command: 'service_status',
          end: { kind: 'exited', code: 3 },
        },
      ),
    ],
  });
  const asked = called('restart_service service=nginx.service', {
    id: `${run(2)}-1` as never,
    status: 'waiting',
    outcome: 'waiting for approval',
  });
  await put(
    to('t2'),
    `${run(2)}.s0`,
    segment(
      2,
      [
        said('nginx on web-1 is down. Please restart it.'),
        words('The service has failed; its last reload did not pass. A restart needs an approval.'),
        status,
        asked,
      ],
      { status: 'waiting', stoppable: true },
    ),
  );
  const state = [{ host: 'web-1', line: "systemctl status --no-pager 'nginx.service'", text: activeBefore }];
  await put(to('t2'), approvalOf(2), card(2, { subject: { ...card(2).subject, state } }));

  await put(
    to('t3'),
    `${run(3)}.s0`,
    segment(3, [said('Restart the cache on web-1'), words('That restarts a service, so I ask first.')], {}),
  );
  await put(
    to('t3'),
    `${run(3)}-0-a`,
    card(3, {
      verdict: 'denied',
      decidedBy: owner,
      denyReason: 'not while the import runs',
      outcome: 'not run',
    }),
  );
  await put(
    to('t3'),
    `${run(3)}.s1`,
    segment(3, [words('Understood, I left it alone. I can ask again when the import is done.')], {
      status: 'finished',
    }),
  );
  await put(
    to('t3'),
    `${run(4)}.s0`,
    segment(4, [said('The import is done, restart it now.'), words('Asking again.')], {}),
  );
  await put(
    to('t3'),
    approvalOf(4),
    card(4, { verdict: 'approved', decidedBy: owner, approvals: [owner], outcome: 'exit 0' }),
  );
  await put(
    to('t3'),
    `${run(4)}.s1`,
    segment(
      4,
      [called('disk_usage', { id: `${run(4)}-5` as never, status: 'running', outcome: 'running' })],
      { status: 'working', stoppable: true },
    ),
  );
}
