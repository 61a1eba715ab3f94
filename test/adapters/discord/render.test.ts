/** What Discord is given to show: one snapshot a kind of view, limits, and that nothing in it acts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { markerOf, render } from '../../../adapters/discord/render.ts';
import { agentMarkdown, block, code, plain } from '../../../adapters/discord/text.ts';
import type { Part } from '../../../src/core/view.ts';
import { callPart, card, segment, text } from '../../contract/views.ts';
import { checkMessage, flatten, type MessageBody } from '../../twins/discord/check.ts';
import { actsIn, harmsIn, outsideCode } from './harmless.ts';
import { readable, sourceOf } from './harness.ts';

const ran = (output: string, over = {}) => ({
  command: 'disk_usage',
  host: 'web-1',
  line: 'df -h',
  end: { kind: 'exited', code: 0 } as const,
  ms: 41,
  output,
  truncated: false,
  ...over,
});

const draw = (view: Parameters<typeof render>[0]) => render(view, 'k1') as unknown as MessageBody;

describe('a segment on Discord', () => {
  it('shows text, trace with output, notices, status and a Stop button', () => {
    const body = draw(
      segment(
        [
          { kind: 'person', user: { platform: 'discord', id: '7', name: 'Ada' }, text: 'not drawn', at: 0 },
          text('The disk is **nearly** full:\n\n- `/var` 96 %'),
          callPart('disk_usage host=web-1', ran('/dev/sda1 96%\n')),
          { kind: 'notice', level: 'warning', text: 'The answer was cut by the model.' },
        ],
        { stoppable: true, status: 'working' },
      ),
    );

    expect(body).toMatchSnapshot();
    expect(checkMessage(body, 'channel')).toBeUndefined();
  });

  it('shows the footer and no button when it is done', () => {
    const body = draw(
      segment([text('Done.')], { status: 'finished', footer: '120 tokens in (0 cached), 30 out' }),
    );

    expect(body).toMatchSnapshot();
  });

  it('names each host of a call that ran on several', () => {
    const part = callPart('system_overview', ran(''));
    if (part.kind !== 'call') throw new TypeError('not a call');
    const several: Part = {
      kind: 'call',
      call: { ...part.call, ran: [ran('a'), ran('b', { host: 'db-1' })] },
    };

    expect(readable(sourceOf(draw(segment([several]))))).toContain('disk_usage · db-1 · 41 ms · exit 0');
  });

  it('stays within the limits with two hundred calls and keeps the answer', () => {
    const calls = Array.from({ length: 200 }, (_, i) =>
      callPart(`call_${i}`, ran(`${'x'.repeat(90)}\n`.repeat(40))),
    );
    const body = draw(segment([...calls, text('The answer is at the end.')], { status: 'finished' }));

    expect(checkMessage(body, 'channel')).toBeUndefined();
    expect(sourceOf(body)).toContain('The answer is at the end.');
    expect(sourceOf(body)).toMatch(/earlier parts are not shown/);
  });

  it('keeps the number of components within the limit when text and calls alternate', () => {
    const parts = Array.from({ length: 60 }, (_, i) => [
      text(`step ${i}`),
      callPart(`call_${i}`, ran('')),
    ]).flat();

    expect(checkMessage(draw(segment(parts, { stoppable: true })), 'channel')).toBeUndefined();
  });

  it('carries a marker that is the same for the same key only', () => {
    expect(draw(segment([text('a')])).components?.[0]?.id).toBe(markerOf('k1'));
    expect(markerOf('k1')).not.toBe(markerOf('k2'));
  });

  it('is a valid message even with nothing to say yet', () => {
    const { status: _, ...bare } = segment([]);

    expect(checkMessage(draw(bare), 'channel')).toBeUndefined();
    expect(checkMessage(draw(segment([text('  '), text('```\n\n```')])), 'channel')).toBeUndefined();
  });
});

describe('a card on Discord', () => {
  it('shows what will run, who asked, who may decide, and the buttons', () => {
    expect(draw(card({ agentReason: 'nginx does not answer' }))).toMatchSnapshot();
  });

  it('shows the verdict and no buttons once it is decided', () => {
    const decidedBy = { platform: 'discord', id: '7', name: 'Grace' } as const;
    const body = draw(card({ verdict: 'approved', decidedBy, approvals: [decidedBy], outcome: 'exit 0' }));

    expect(body).toMatchSnapshot();
    expect(flatten(body.components ?? []).filter((c) => c.label)).toEqual([]);
  });

  it('offers no Approve for a command that it cannot show whole', () => {
    const body = draw(card({ subject: { line: `echo ${'long '.repeat(800)}` } }));

    expect(checkMessage(body, 'channel')).toBeUndefined();
    expect(flatten(body.components ?? []).flatMap((c) => c.label ?? [])).toEqual(['Deny']);
    expect(sourceOf(body)).toContain('cannot be approved here');
  });

  it('stays within the limits when every field is as long as it gets', () => {
    const long = '*'.repeat(5000);
    const person = { platform: 'discord', id: '7', name: long } as const;
    const body = draw(
      card({
        agentReason: long,
        denyReason: long,
        outcome: long,
        requestedBy: person,
        decidedBy: person,
        approvals: Array.from({ length: 50 }, () => person),
        rule: {
          name: long,
          approvers: Array.from({ length: 50 }, () => long),
          people: 9,
          requesterMay: false,
        },
        subject: { description: long, host: long, address: long, login: long, hostKey: long, command: long },
      }),
    );

    expect(checkMessage(body, 'channel')).toBeUndefined();
  });
});

describe('text from hosts and the model', () => {
  const traps = [
    '@everyone @here <@1> <@!1> <@&1> <#1> <:a:1> <a:b:1> </ops:1> <t:1:R> <id:home>',
    '[click](https://evil.example) [a] (b) ![x](y) \\[a](b) [a\\](b) [`a`](b) [a](<b>)',
    '``` ```` ` `` ```js\ncode @everyone\n``` after <@1>',
    '```\nnever closed <@1> [a](b)',
    '`a\n`b <@1>` [x](y)',
    '\\<@1> \\\\<@1> \\\\\\<@1> \\`<@1>\\`',
    '`code \\` <@1> ` [a](b)',
    '>>> all of it\n<https://x.example>',
  ];

  it.each(traps)('does not act: %j', (trap) => {
    const body = draw(
      segment(
        [
          text(trap),
          { kind: 'notice', level: 'info', text: trap },
          callPart(trap, ran(trap, { host: trap })),
        ],
        {
          footer: trap,
        },
      ),
    );
    const asked = draw(
      card({
        agentReason: trap,
        subject: { line: trap, host: trap, description: trap, command: trap, login: trap },
      }),
    );

    expect([harmsIn(body), harmsIn(asked)]).toEqual([[], []]);
  });

  it('does not act, whatever it is made of', () => {
    const bits = [
      '`',
      '``',
      '```',
      '\n',
      '[',
      ']',
      '(',
      ')',
      '](',
      '<@1>',
      '<',
      '\\',
      '@everyone',
      'a',
      ' ',
      '>>>',
      '|',
      '*',
      '\u200b',
    ];
    const soup = fc.array(fc.constantFrom(...bits), { maxLength: 24 }).map((a) => a.join(''));

    fc.assert(
      fc.property(soup, (trap) => {
        expect(actsIn(agentMarkdown(trap))).toEqual([]);
        expect(actsIn(plain(trap))).toEqual([]);
        expect(outsideCode(block(trap)).active.trim()).toBe('');
        expect(outsideCode(code(trap)).active.trim()).toBe('');
      }),
      { numRuns: 3000 },
    );
  });

  it('keeps the Markdown that only formats', () => {
    const source =
      '# Title\n\n**bold** and *slanted* and `code <b>`\n- one\n\n```sh\necho "a`b" <x>\n```\nend';

    expect(agentMarkdown(source)).toBe(source.replace('a`b', 'a`\u200bb'));
  });
});
