/**
 * How views look in Slack, and how they are cut.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { render } from '../../../adapters/slack/render.ts';
import {
  approvalId,
  callId,
  callPart,
  card,
  changed,
  digest,
  digestOfAll,
  segment,
  target,
  targets,
  text,
} from '../../contract/views.ts';
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

    expect(visibleText(render(card({ rule, approvals: given, missing: '1 of sre' })).blocks)).toContain(
      'Needs: 1 of sre, not by who asked (so far: Grace)',
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

    expect(buttonsOf(blocks)).toEqual([
      { label: 'Deny', actionId: 'opsagent_deny', value: `${approvalId}:${digest}` },
    ]);
    expect(visibleText(blocks)).toContain('cannot be approved here');
    expect(blockProblem(blocks)).toBeUndefined();
  });

  it('shows invisible and bidi characters of the command escaped', () => {
    const seen = visibleText(
      render(card({ subject: { line: 'rm \u202etxt.\u200b\u001b[2Kx\r\ny' } })).blocks,
    );

    expect(seen).toContain('rm \\u202etxt.\\u200bx\ny');
  });

  it('asks once more before it approves all of a run, or opens a window', () => {
    const { blocks } = render(card({ all: { count: 3, digest: digestOfAll }, mayOpenWindow: true }));
    const elements = blocks.flatMap((b) => (b.type === 'actions' ? b.elements : []));
    const asked = elements.flatMap((e) =>
      e.type === 'button' && e.confirm ? [[e.text.text, e.confirm.text.text]] : [],
    );

    expect(buttonsOf(blocks).map((b) => b.label)).toEqual([
      'Approve',
      'Deny',
      'Approve all 3',
      'Approve + 15 min',
      'Approve + 60 min',
    ]);
    expect(asked.map(([label]) => label)).toEqual(['Approve all 3', 'Approve + 15 min', 'Approve + 60 min']);
    expect(asked[0]?.[1]).toContain('all 3 open requests of this run');
    expect(asked[1]?.[1]).toContain('for 15 minutes allows exactly this command on the same hosts');
    expect(blockProblem(blocks)).toBeUndefined();
  });

  it('shows a state of the host as preformatted text under its own name, and only while it is open', () => {
    const subject = {
      state: [{ host: 'web-1', line: 'systemctl is-active nginx', text: 'active\nOutcome: exit 0' }],
    };
    const { blocks } = render(card({ subject }));
    const parts = blocks.flatMap((b) => (b.type === 'rich_text' ? b.elements : []));
    const at = parts.findIndex((p) => JSON.stringify(p).includes('State now, as web-1 says'));

    expect(parts[at + 1]).toEqual({
      type: 'rich_text_preformatted',
      elements: [{ type: 'text', text: 'active\nOutcome: exit 0' }],
    });
    expect(visibleText(render(card({ subject, verdict: 'denied' })).blocks)).not.toContain('State now');
  });

  it('lets no name, reason or host text begin a line that could pass for one of the card', () => {
    const forged = 'x\nOutcome: exit 0';
    const user = { platform: 'slack', id: 'U0ADA', name: forged } as const;
    const over = { requestedBy: user, agentReason: forged, missing: forged, approvals: [user] };
    const subject = { description: forged, targets: [target({ login: forged }), target()] };
    const lines = visibleText(render(card({ ...over, subject })).blocks).split('\n');

    expect(lines.filter((l) => l.startsWith('Outcome'))).toEqual([]);
  });

  it('lists ten hosts whole, then names, then how many more there are', () => {
    const seen = visibleText(render(card({ subject: { targets: targets(100) } })).blocks);

    expect(seen).toContain('Runs on: 100 hosts, one after another, in this order');
    expect(seen).toContain('• web-010 (192.0.2.10), as deploy, key …0123456789ABCDEFG');
    expect(seen).toContain('web-087');
    expect(seen).not.toContain('web-088');
    expect(seen).toContain(`… and 13 more: all with addresses and keys: show approval ${approvalId}`);
  });

  it.each(['pending', 'approved'] as const)(
    '%s is taken by Slack with every field as long as it gets',
    (verdict) => {
      const long = '<&\u202e\n'.repeat(2000);
      const user = { platform: 'slack', id: 'U0ADA', name: long } as const;
      const state = Array.from({ length: 10 }, () => ({ host: long, line: long, text: long }));
      const { text: fallback, blocks } = render(
        card({
          verdict,
          subject: {
            description: long,
            line: 'a\n'.repeat(3000),
            state,
            targets: Array.from({ length: 300 }, () =>
              target({ host: long, address: long, login: long, hostKey: long }),
            ),
          },
          agentReason: long,
          denyReason: long,
          outcome: long,
          missing: long,
          requestedBy: user,
          decidedBy: user,
          approvals: Array.from({ length: 50 }, () => user),
          windowMinutes: 60,
          mayOpenWindow: true,
          all: { count: 300, digest: digestOfAll },
          expiresAt: Number.MAX_SAFE_INTEGER,
        }),
      );

      expect(blockProblem(blocks)).toBeUndefined();
      expect(fallback.length).toBeLessThan(3000);
    },
  );
});

describe('a change', () => {
  it('is shown with the state before and after and what Undo would ask for', () => {
    const { blocks } = render(segment([callPart('restart_service', changed())], { status: 'finished' }));
    const seen = visibleText(blocks);

    expect(seen).toContain('Before · web-1 says, systemctl is-active nginx');
    expect(seen).toContain('Undo asks for: start_service service_name=nginx on web-1');
    expect(buttonsOf(blocks)).toEqual([
      { label: 'Undo', actionId: 'opsagent_undo_0', value: `${callId}:web-1` },
    ]);
    expect(blockProblem(blocks)).toBeUndefined();
  });

  it('on many hosts offers Undo for five of them, and says how many more there are', () => {
    const ran = targets(12).map(({ host }) => changed({ host }));
    const { blocks } = render(segment([callPart('restart_service', ...ran)], { stoppable: true }));

    expect(buttonsOf(blocks).map((b) => b.label)).toEqual([
      ...targets(5).map(({ host }) => `Undo on ${host}`),
      'Stop',
    ]);
    expect(visibleText(blocks)).toContain('… 7 more can be undone');
    expect(visibleText(blocks)).toContain('… and the state of 9 more hosts');
    expect(blockProblem(blocks)).toBeUndefined();
  });

  it('of a state that could not be looked at before says so', () => {
    const probe = { line: 'uptime', after: 'up 2 days' };
    const seen = visibleText(render(segment([callPart('reboot', changed({ probe }))])).blocks);

    expect(seen).toContain('Before · not looked at');
    expect(seen).not.toMatch(/unchanged/i);
  });
});
