/**
 * The page's Markdown, in the browser that draws it: what becomes markup, what stays text, and at what cost.
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { needs } from '../../needs.ts';
import { launchBrowser, openPage } from './browser.ts';
import type { Started } from './started.ts';
import { startConsole } from './started.ts';

needs('chromium')('Markdown in the page', () => {
  let browser: Browser;
  let started: Started;
  let page: Page;
  beforeAll(async () => {
    started = await startConsole();
    browser = await launchBrowser();
    ({ page } = await openPage(browser, started));
  });
  afterAll(async () => {
    await browser.close();
    await started.console.stop();
  });

  it.each([
    ['two paragraphs', 'one\nline\n\ntwo', '<p>one\nline</p><p>two</p>'],
    [
      'emphasis',
      '**a** *b* __c__ _d_ ~~e~~',
      '<p><strong>a</strong> <em>b</em> <strong>c</strong> <em>d</em> <s>e</s></p>',
    ],
    [
      'names with underscores and stars as they are',
      'disk_usage_path 2 * 3 * 4 a__b__c',
      '<p>disk_usage_path 2 * 3 * 4 a__b__c</p>',
    ],
    [
      'code, with what stands in it left alone',
      '`**a** <b>` ``x`y``',
      '<p><code>**a** &lt;b&gt;</code> <code>x`y</code></p>',
    ],
    ['headings below those of the page', '# A\n## B', '<h3>A</h3><h4>B</h4>'],
    [
      'nested and numbered lists',
      '3. a\n   - b\n   - c\n4. d',
      '<ol start="3"><li>a<ul><li>b</li><li>c</li></ul></li><li>d</li></ol>',
    ],
    ['a list directly under words', 'words:\n- a', '<p>words:</p><ul><li>a</li></ul>'],
    ['quotes and rules', '> a\n> b\n\n---', '<blockquote><p>a\nb</p></blockquote><hr>'],
    [
      'markup of the text as text',
      '<b onclick=x>a</b> &amp;',
      '<p>&lt;b onclick=x&gt;a&lt;/b&gt; &amp;amp;</p>',
    ],
    ['an image as words and where it is', '![a](javascript:x)', '<p>![a](javascript:x)</p>'],
  ])('draws %s', async (_, source, html) => {
    expect(await draw(source)).toBe(html);
  });

  it('draws tables, and a fence that was never closed', async () => {
    expect(await draw('| a | b |\n|---|:-:|\n| `1` | x \\| y |')).toContain(
      '<tbody><tr><td><code>1</code></td><td>x | y</td></tr></tbody>',
    );
    expect(await draw('```sh\necho <b>\n\n- x')).toContain('>echo &lt;b&gt;\n\n- x</pre>');
  });

  it.each([
    'javascript:alert(1)',
    'data:text/html,x',
    'file:///etc/passwd',
    'vbscript:x',
    '//evil.example',
    '/api/stop',
    'java\tscript:x',
  ])('makes no link of %s', async (address) => {
    expect(await draw(`[click](${address}) <${address}>`)).not.toContain('<a');
  });

  it('shows where a link leads in the form that the browser opens', async () => {
    const html = await draw('[Your bank](https://bаnk.example/a) and https://x.example/y.');

    expect(html).toContain('Your bank (<a href="https://xn--bnk-6cd.example/a"');
    expect(html).toContain('>https://xn--bnk-6cd.example/a</a>)');
    expect(html).toMatch(/>https:\/\/x\.example\/y<\/a>\.<\/p>$/);
    expect(html).toContain('rel="noopener noreferrer nofollow"');
  });

  describe('in linear time', () => {
    it.each(['`', '*', '**a', '_', '[', '[a](', '~~', '|', '> ', '- ', 'https://', '``a`'])(
      'draws 60 000 characters of %j',
      async (piece) => {
        const { took } = await render(piece.repeat(60_000 / piece.length));

        expect(took).toBeLessThan(3000);
      },
    );
  });

  async function draw(source: string): Promise<string> {
    return (await render(source)).html;
  }

  /** As text, because the test runner would turn an import in a function into its own. */
  function render(source: string): Promise<{ html: string; took: number }> {
    return page.evaluate(`(async () => {
      const { renderMarkdown } = await import('/markdown.js');
      const node = document.createElement('div');
      const before = performance.now();
      renderMarkdown(node, ${JSON.stringify(source)});
      return { html: node.innerHTML, took: performance.now() - before };
    })()`);
  }
});
