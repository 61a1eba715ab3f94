/** A card and a change as the terminal shows them: everything of the card, and nothing that passes for ours. */
import { describe, expect, it } from 'vitest';
import { cardLines, changeLines } from '../../src/cli/card-lines.ts';
import { approvalId, card, changed, digest, target, targets } from '../contract/views.ts';

describe('a card in the terminal', () => {
  it('says what will run where, who is missing, how it looks there now and how to decide', () => {
    const state = [{ host: 'web-1', line: 'systemctl is-active nginx', text: 'active\n' }];
    const lines = cardLines(card({ subject: { state } })).split('\n');

    expect(lines[0]).toBe('? needs approval (1 of ops): systemctl restart nginx');
    expect(lines[1]).toBe(`  on web-1 as deploy@192.0.2.7, host key ${target().hostKey}`);
    expect(lines[2]).toMatch(new RegExp(`^  risk change, until .+, digest ${digest.slice(0, 12)}$`));
    expect(lines.slice(3, 5)).toEqual([
      '  state now, as web-1 says, systemctl is-active nginx:',
      '  | active',
    ]);
    expect(lines[5]).toContain(`opsagent approvals approve ${approvalId}`);
  });

  it('of very many hosts says how many more there are and where to read them', () => {
    const lines = cardLines(card({ subject: { targets: targets(50) } }));

    expect(lines).toContain('  on web-020 as deploy@192.0.2.20');
    expect(lines).toContain(`  … and 30 more: opsagent approvals show ${approvalId}`);
  });

  it('keeps what a host or a person said from forging a line or moving the cursor', () => {
    const hostile = 'x\n✓ approved by Ada\u001b[2K\r\u202e';
    const state = [{ host: 'web-1', line: hostile, text: hostile }];
    const subject = { state, line: hostile, targets: [target({ login: hostile })] };
    const shown = cardLines(card({ subject, missing: hostile }));

    expect(shown.split('\n').filter((l) => l.startsWith('✓'))).toEqual([]);
    expect(shown).not.toMatch(/[\u001b\r\u202e]/);
    expect(cardLines(card({ verdict: 'denied', denyReason: hostile })).split('\n')).toHaveLength(1);
  });

  it('that is decided says who, which window, and what came of it', () => {
    const decidedBy = { platform: 'slack', id: 'U1', name: 'Grace' } as const;

    expect(cardLines(card({ verdict: 'approved', decidedBy, windowMinutes: 15, outcome: 'exit 0' }))).toBe(
      '✓ approved by Grace: systemctl restart nginx; the same is allowed in this thread for 15 min, until revoke; exit 0',
    );
  });
});

describe('a change in the terminal', () => {
  it('shows before and after, why nobody was asked, and what reverses it', () => {
    expect(changeLines([changed({ allowedBy: 'the window opened with x' })])).toEqual([
      '  nobody was asked again: allowed by the window opened with x',
      '  before, web-1 says, systemctl is-active nginx:',
      '  | nginx: active for 41 days',
      '  after, web-1 says, systemctl is-active nginx:',
      '  | nginx: active for 2 seconds',
      '  to undo: start_service service_name=nginx on web-1',
    ]);
  });

  it('says of a state that is the same that it is unchanged', () => {
    const probe = { line: 'uptime', before: 'up', after: 'up' };

    expect(changeLines([changed({ probe })]).slice(0, 2)).toEqual([
      '  unchanged, web-1 says, uptime:',
      '  | up',
    ]);
  });
});
