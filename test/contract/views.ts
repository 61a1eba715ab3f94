/**
 * Views for adapter tests: small, valid, and the same for every platform.
 */
import type { ApprovalSubject } from '../../src/core/approval.ts';
import type { RanCommand } from '../../src/core/command.ts';
import type { ApprovalId, CallId, RunId } from '../../src/core/ids.ts';
import type { CardView, Part, SegmentView } from '../../src/core/view.ts';

export const runId = 'r0123456789abcdef0123' as RunId;
export const approvalId = `${runId}-0-a` as ApprovalId;

export function text(markdown: string): Part {
  return { kind: 'text', markdown };
}

/** A finished call that ran one command. */
export function callPart(title: string, ran: RanCommand): Part {
  return {
    kind: 'call',
    call: {
      id: `${runId}-1` as CallId,
      tool: 'execute_command',
      args: {},
      title,
      status: 'ok',
      outcome: 'exit 0',
      ms: 12,
      ran: [ran],
    },
  };
}

export function segment(parts: readonly Part[], over: Partial<SegmentView> = {}): SegmentView {
  return { kind: 'segment', runId, parts, status: 'thinking', stoppable: false, ...over };
}

/** A pending approval of `systemctl restart nginx` on web-1, asked for by Ada. */
export function card(
  over: Partial<Omit<CardView, 'subject'>> & { subject?: Partial<ApprovalSubject> } = {},
): CardView {
  const { subject, ...rest } = over;
  return {
    kind: 'card',
    runId,
    approvalId,
    subject: {
      command: 'restart_service',
      description: 'Restart a service',
      line: 'systemctl restart nginx',
      host: 'web-1',
      address: '192.0.2.7',
      login: 'deploy',
      hostKey: 'SHA256:abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG',
      risk: 'change',
      ...subject,
    },
    rule: { name: 'change', approvers: ['ops'], people: 1, requesterMay: false },
    requestedBy: { platform: 'slack', id: 'U0ADA', name: 'Ada' },
    digestPrefix: '0123456789ab',
    expiresAt: Date.UTC(2030, 0, 1),
    approvals: [],
    verdict: 'pending',
    ...rest,
  };
}
