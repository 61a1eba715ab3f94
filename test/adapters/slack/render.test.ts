/**
 * How views look in Slack, and how they are cut.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { render } from '../../../adapters/slack/render.ts';
import { approvalId, callPart, card, segment, text } from '../../contract/views.ts';
import { blockProblem, buttonsOf, visibleText } from '../../twins/slack/blocks.ts';

const ran = {
  command: 'disk_usage',
  host: 'web-1',
  line: 'df -h',
  end: { kind: 'exited', code: 0 } as const,
  ms: 42,
  output: 'Filesystem  Use%\n/dev/sda1    81%\n',
  truncated: false,
};

describe('a segment', () => {
  it('shows the text, the trace, notices, the status and a Stop button', () => {
    const view = segment(
      [
        text('The disk is **81 %** full:\n\n- `/var` is the largest\n\n```\ndu -sh /var\n```'),
        callPart('disk_usage', ran),
        { kind: 'notice', level: 'warning', text: 'The answer was cut.' },
      ],
      { status: 'working', stoppable: true },
    );

    expect(render(view)).toMatchSnapshot();
  });

  it('does not show what people said: Slack shows it already', () => {
    const view = segment([
      { kind: 'person', user: { platform: 'slack', id: 'U0ADA', name: 'Ada' }, text: 'my words', at: 0 },
      text('answer'),
    ]);

    expect(visibleText(render(view).blocks)).not.toContain('my words');
  });

  it('keeps the answer when the trace before it is too long, and says what was left out', () => {
    const calls = Array.from({ length: 80 }, (_, n) =>
      callPart(`command_${n}`, { ...ran, output: 'x\n'.repeat(99) }),
    );
    const seen = visibleText(render(segment([...calls, text('The answer.')])).blocks);

    expect(seen).toContain('The answer.');
    expect(seen).toMatch(/… \d+ earlier parts left out/);
    expect(seen).not.toContain('command_0 ');
  });

  it('shows each command of a call that ran several, with its own end', () => {
    const part = callPart('system_overview', ran);
    if (part.kind !== 'call') throw new Error('not a call');
    const second = { ...ran, command: 'uptime', end: { kind: 'exited', code: 2 } as const };
    const seen = visibleText(
      render(segment([{ ...part, call: { ...part.call, ran: [ran, second] } }])).blocks,
    );

    expect(seen).toContain('✓ disk_usage · web-1 · 42 ms · exit 0');
    expect(seen).toContain('✗ uptime · web-1 · 42 ms · exit 2');
  });

  it('is taken by Slack and pings nobody, whatever the agent writes', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.string({ unit: 'binary' }),
            fc.constantFrom('```', '<!here>', '**', '`', '\n', '_', '](', '|'),
          ),
        ),
        (pieces) => {
          const { text: fallback, blocks } = render(segment([text(pieces.join(''))]));

          expect(blockProblem(blocks)).toBeUndefined();
          expect(JSON.stringify([fallback, blocks])).not.toMatch(/<[!@#]/);
        },
      ),
    );
  });

  it('loses no word of ordinary text', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z0-9 .,;:<>&=/-]{0,40}$/)), (lines) => {
        const seen = visibleText(render(segment([text(lines.join('\n'))])).blocks);
        const wordsOf = (s: string) =>
          s
            .replace(/[•…⏳-]|thinking/g, ' ')
            .split(/\s+/)
            .filter(Boolean);

        expect(wordsOf(seen)).toEqual(wordsOf(lines.join('\n')));
      }),
    );
  });
});

describe('a card', () => {
  it('shows exactly what will run, where, for whom and until when', () => {
    expect(render(card({ agentReason: 'nginx does not answer' }))).toMatchSnapshot();
  });

  it('shows who approved so far when more people are needed', () => {
    const rule = { name: 'critical', approvers: ['ops', 'sre'], people: 2, requesterMay: false };
    const given = [{ platform: 'slack', id: 'U0GRACE', name: 'Grace' }] as const;

    expect(visibleText(render(card({ rule, approvals: given })).blocks)).toContain(
      'Needs: 2 of ops, sre, not by who asked (so far: Grace)',
    );
  });

  it('that is decided has no buttons and says what came of it', () => {
    const decidedBy = { platform: 'slack', id: 'U0GRACE', name: 'Grace' } as const;
    const { blocks } = render(card({ verdict: 'approved', decidedBy, outcome: 'exit 0' }));

    expect(buttonsOf(blocks)).toEqual([]);
    expect(visibleText(blocks)).toContain('Approved by Grace');
    expect(visibleText(blocks)).toContain('Outcome: exit 0');
  });

  it('whose command is too long to be shown in full can be denied but not approved', () => {
    const { blocks } = render(card({ subject: { line: `echo ${'a'.repeat(9000)}` } }));

    expect(buttonsOf(blocks)).toEqual([{ label: 'Deny', actionId: 'opsagent_deny', value: approvalId }]);
    expect(visibleText(blocks)).toContain('cannot be approved here');
    expect(blockProblem(blocks)).toBeUndefined();
  });

  it('shows invisible and bidi characters of the command escaped', () => {
    const seen = visibleText(
      render(card({ subject: { line: 'rm \u202etxt.\u200b\u001b[2Kx\r\ny' } })).blocks,
    );

    expect(seen).toContain('rm \\u202etxt.\\u200bx\ny');
  });
});
