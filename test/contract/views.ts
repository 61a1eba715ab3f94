/**
 * Views for adapter tests: small, valid, and the same for every platform.
 */
import type { ApprovalSubject, ApprovalTarget } from '../../src/core/approval.ts';
import type { RanCommand } from '../../src/core/command.ts';
import type { ApprovalId, CallId, RunId } from '../../src/core/ids.ts';
import type { CardView, Part, SegmentView } from '../../src/core/view.ts';

export const runId = 'r0123456789abcdef0123' as RunId;
export const approvalId = `${runId}-0-a` as ApprovalId;
export const callId = `${runId}-1` as CallId;
/** What a card's buttons carry, as long as real ones are. */
export const digest = '0123456789abcdef0123456789abcdef';
export const digestOfAll = 'fedcba9876543210fedcba9876543210';

export function text(markdown: string): Part {
  return { kind: 'text', markdown };
}

/** A finished call that ran one command, or the same on several hosts. */
export function callPart(title: string, ...ran: readonly RanCommand[]): Part {
  return {
    kind: 'call',
    call: {
      id: callId,
      tool: 'execute_command',
      args: {},
      title,
      status: 'ok',
      outcome: 'exit 0',
      ms: 12,
      ran,
    },
  };
}

export function segment(parts: readonly Part[], over: Partial<SegmentView> = {}): SegmentView {
  return { kind: 'segment', runId, parts, status: 'thinking', stoppable: false, ...over };
}

/** `systemctl restart nginx` as it ran on web-1, looked at before and after, with what reverses it. */
export function changed(over: Partial<RanCommand> = {}): RanCommand {
  return {
    command: 'restart_service',
    host: 'web-1',
    line: 'systemctl restart nginx',
    end: { kind: 'exited', code: 0 },
    ms: 210,
    output: '',
    truncated: false,
    probe: {
      line: 'systemctl is-active nginx',
      before: 'nginx: active for 41 days',
      after: 'nginx: active for 2 seconds',
    },
    undo: { command: 'start_service', params: { service_name: 'nginx' } },
    ...over,
  };
}

export function target(over: Partial<ApprovalTarget> = {}): ApprovalTarget {
  return {
    host: 'web-1',
    address: '192.0.2.7',
    login: 'deploy',
    hostKey: 'SHA256:abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG',
    ...over,
  };
}

/** web-001, web-002 and so on, each with its own address. */
export function targets(count: number): readonly ApprovalTarget[] {
  return Array.from({ length: count }, (_, i) =>
    target({ host: `web-${String(i + 1).padStart(3, '0')}`, address: `192.0.2.${i + 1}` }),
  );
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
      targets: [target()],
      risk: 'change',
      ...subject,
    },
    rule: { name: 'change', approvers: ['ops'], people: 1, requesterMay: false },
    requestedBy: { platform: 'slack', id: 'U0ADA', name: 'Ada' },
    digest,
    digestPrefix: digest.slice(0, 12),
    expiresAt: Date.UTC(2030, 0, 1),
    approvals: [],
    ...(rest.verdict === undefined || rest.verdict === 'pending' ? { missing: '1 of ops' } : {}),
    mayOpenWindow: false,
    verdict: 'pending',
    ...rest,
  };
}
