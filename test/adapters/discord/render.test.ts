/** What Discord is given to show: one snapshot a kind of view, limits, and that nothing in it acts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cardButtonId, readButton, undoButtonId } from '../../../adapters/discord/buttons.ts';
import { markerOf, render } from '../../../adapters/discord/render.ts';
import { agentMarkdown, block, code, plain } from '../../../adapters/discord/text.ts';
import { type ApprovalId, type CallId, isApprovalId } from '../../../src/core/ids.ts';
import type { Part } from '../../../src/core/view.ts';
import {
  approvalId,
  callId,
  callPart,
  card,
  changed,
  digest,
  digestOfAll,
  runId,
  segment,
  target,
  targets,
  text,
} from '../../contract/views.ts';
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
        subject: {
          description: long,
          targets: [target({ host: long, address: long, login: long, hostKey: long })],
          command: long,
        },
      }),
    );

    expect(checkMessage(body, 'channel')).toBeUndefined();
  });

  it('offers all of the run and the two windows in the order of their risk, each with its digest', () => {
    const body = draw(card({ all: { count: 3, digest: digestOfAll }, mayOpenWindow: true }));
    const offered = flatten(body.components ?? []).flatMap((c) => (c.label ? [[c.label, c.custom_id]] : []));

    expect(offered).toEqual([
      ['Approve', `ops:approve:${approvalId}:${digest}`],
      ['Deny', `ops:deny:${approvalId}:${digest}`],
      ['Approve all 3', `ops:all:${approvalId}:${digestOfAll}`],
      ['Approve + 15 min', `ops:approve-15:${approvalId}:${digest}`],
      ['Approve + 60 min', `ops:approve-60:${approvalId}:${digest}`],
    ]);
    expect(checkMessage(body, 'channel')).toBeUndefined();
  });

  it('gives up the state and the list of hosts before it gives up the command', () => {
    const state = targets(10).map(({ host }) => ({ host, line: 'uptime', text: 'up 9 days\n'.repeat(40) }));
    const subject = { targets: targets(200), state };
    const short = draw(card({ subject }));
    const long = draw(card({ subject: { ...subject, line: `echo ${'long '.repeat(450)}` } }));
    const labels = (body: MessageBody) => flatten(body.components ?? []).flatMap((c) => c.label ?? []);

    expect(readable(sourceOf(short))).toContain('State now, as web-003 says uptime');
    expect(readable(sourceOf(long))).not.toContain('State now, as web-003');
    expect(readable(sourceOf(long))).toMatch(/and \d+ more, with \/ops show/);
    expect(readable(sourceOf(long))).toMatch(/state now of \d+ (more )?hosts?: see \/ops show/);
    expect([labels(short), labels(long)]).toEqual([
      ['Approve', 'Deny'],
      ['Approve', 'Deny'],
    ]);
    for (const body of [short, long]) expect(checkMessage(body, 'channel')).toBeUndefined();
  });

  it.each(['pending', 'approved'] as const)(
    '%s stays within the limits with every field of every host as long and as hostile as it gets',
    (verdict) => {
      for (const bit of ['*', '`', '\u202e', '\n']) {
        const long = bit.repeat(4000);
        const person = { platform: 'discord', id: '7', name: long } as const;
        const everywhere = target({ host: long, address: long, login: long, hostKey: long });
        const body = draw(
          card({
            verdict,
            subject: {
              line: long,
              description: long,
              targets: Array.from({ length: 60 }, () => everywhere),
              state: Array.from({ length: 10 }, () => ({ host: long, line: long, text: long })),
            },
            agentReason: long,
            denyReason: long,
            outcome: long,
            missing: long,
            requestedBy: person,
            decidedBy: person,
            decidedAt: 8e15,
            approvals: Array.from({ length: 50 }, () => person),
            windowMinutes: 60,
            mayOpenWindow: true,
            all: { count: 300, digest: digestOfAll },
          }),
        );

        expect(checkMessage(body, 'channel')).toBeUndefined();
        expect(harmsIn(body)).toEqual([]);
      }
    },
  );
});

describe('a custom id', () => {
  it('is at most 100 characters with the longest ids, and reads back as what it was made of', () => {
    const run = `r${'f'.repeat(20)}`;
    const longest = `${run}-9999` as CallId;
    const approval = `${longest}-a` as ApprovalId;
    const host = `h${'9'.repeat(62)}`;
    const full = 'f'.repeat(32);
    const ids = [
      ...(['approve', 'deny', 'all', 'approve-15', 'approve-60'] as const).map((a) =>
        cardButtonId(a, approval, full),
      ),
      undoButtonId(longest, host),
    ];

    expect(isApprovalId(approval)).toBe(true);
    expect(Math.max(...ids.map((id) => id.length))).toBeLessThanOrEqual(100);
    const choice = { approvalId: approval, digest: full };
    expect(ids.map(readButton)).toEqual([
      { action: 'decide', choice: { ...choice, verdict: 'approve' } },
      { action: 'ask-why', choice: { ...choice, verdict: 'deny' } },
      { action: 'decide', choice: { ...choice, verdict: 'approve', scope: 'all' } },
      { action: 'decide', choice: { ...choice, verdict: 'approve', windowMinutes: 15 } },
      { action: 'decide', choice: { ...choice, verdict: 'approve', windowMinutes: 60 } },
      { action: 'undo', callId: longest, host },
    ]);
  });

  it('of another form is none of ours', () => {
    for (const id of [
      '',
      'ops',
      'ops:approve',
      'ops:constructor:r0',
      `ops:__proto__:${approvalId}:${digest}`,
      `ops:undo:${approvalId}:web-1`,
      `ops:undo:${callId}`,
      `ops:stop:${runId}:${digest}`,
      `xops:approve:${approvalId}:${digest}`,
    ])
      expect(readButton(id), id).toBeUndefined();
  });
});

describe('a change on Discord', () => {
  it('shows the state before and after and what Undo would ask for', () => {
    const body = draw(segment([callPart('restart_service', changed())], { status: 'finished' }));
    const seen = readable(sourceOf(body));

    expect(seen).toContain('Before · web-1 says, systemctl is-active nginx\nnginx: active for 41 days');
    expect(seen).toContain('After · web-1 says, systemctl is-active nginx\nnginx: active for 2 seconds');
    expect(seen).toContain('Undo asks for: start_service service_name=nginx on web-1');
    expect(flatten(body.components ?? []).flatMap((c) => c.custom_id ?? [])).toEqual([
      `ops:undo:${callId}:web-1`,
    ]);
    expect(checkMessage(body, 'channel')).toBeUndefined();
  });

  it('on many hosts offers Undo for five of them and stays within the limits', () => {
    const probe = { line: 'uptime', before: 'x\n'.repeat(900), after: 'y'.repeat(900) };
    const ran = targets(60).map(({ host }) => changed({ host, probe, output: 'z\n'.repeat(500) }));
    const body = draw(segment([callPart('restart_service', ...ran), text('Done.')], { stoppable: true }));

    expect(checkMessage(body, 'channel')).toBeUndefined();
    expect(flatten(body.components ?? []).flatMap((c) => c.label ?? [])).toEqual([
      ...targets(5).map(({ host }) => `Undo on ${host}`),
      'Stop',
    ]);
    expect(readable(sourceOf(body))).toContain('… 55 more can be undone');
    expect(sourceOf(body)).toContain('Done.');
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
          callPart(
            trap,
            changed({
              allowedBy: trap,
              probe: { line: trap, before: trap, after: 'x' },
              undo: { command: trap, params: { a: trap } },
            }),
          ),
        ],
        {
          footer: trap,
        },
      ),
    );
    const asked = draw(
      card({
        agentReason: trap,
        missing: trap,
        subject: {
          line: trap,
          targets: [target({ host: trap, login: trap }), target({ address: trap, hostKey: trap })],
          state: [{ host: trap, line: trap, text: trap }],
          description: trap,
          command: trap,
        },
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
