/**
 * Views as the worker would put them, for browser tests and pictures: a run that asks, works, waits and answers.
 */
import type { ApprovalTarget } from '../../../src/core/approval.ts';
import type { RanCommand } from '../../../src/core/command.ts';
import type { Conversation, User } from '../../../src/core/conversation.ts';
import type { ApprovalId, CallId, RunId } from '../../../src/core/ids.ts';
import type { CallView, CardView, Part, SegmentView } from '../../../src/core/view.ts';

export const owner: User = { platform: 'console', id: 'owner', name: 'owner' };

export const run = (n: number) => `r${String(n).padStart(20, '0')}` as RunId;
export const approvalOf = (n: number) => `${run(n)}-1-a` as ApprovalId;

export function to(thread: string): Conversation {
  return { platform: 'console', channel: 'console', thread };
}

export function said(text: string, at = Date.now()): Part {
  return { kind: 'person', user: owner, text, at };
}

export function words(markdown: string): Part {
  return { kind: 'text', markdown };
}

export function called(title: string, over: Partial<CallView> = {}): Part {
  const call: CallView = {
    id: `${run(1)}-0` as CallId,
    tool: 'execute_command',
    args: { command_name: title.split(' ')[0] ?? title },
    title,
    status: 'ok',
    outcome: 'exit 0',
    ran: [],
    ...(over.ran ? { ms: 84 } : {}),
    ...over,
  };
  return { kind: 'call', call };
}

export function ranOn(
  host: string,
  line: string,
  output: string,
  over: Partial<RanCommand> = {},
): RanCommand {
  return {
    command: 'disk_usage',
    host,
    line,
    end: { kind: 'exited', code: 0 },
    ms: 84,
    output,
    truncated: false,
    ...over,
  };
}

export function segment(n: number, parts: readonly Part[], over: Partial<SegmentView> = {}): SegmentView {
  return { kind: 'segment', runId: run(n), parts, stoppable: false, ...over };
}

export const digest = '7c1f0a94be52d03e7c1f0a94be52d03e';

export function target(over: Partial<ApprovalTarget> = {}): ApprovalTarget {
  return {
    host: 'web-1',
    address: '100.101.7.12:22',
    login: 'ops',
    hostKey: 'SHA256:3q2fTzVb0mJkN7yKx9wLr1sQpGdHc8uEaXoIjZvYtMU',
    ...over,
  };
}

export function card(n: number, over: Partial<CardView> = {}): CardView {
  return {
    kind: 'card',
    runId: run(n),
    approvalId: approvalOf(n),
    subject: {
      command: 'restart_service',
      description: 'Restart a systemd service',
      line: "systemctl restart 'nginx.service' && systemctl --no-pager status 'nginx.service'",
      targets: [target()],
      risk: 'change',
    },
    rule: { name: 'changes', approvers: ['oncall', 'owner'], people: 1, requesterMay: true },
    requestedBy: owner,
    agentReason: 'nginx has been answering 502 since 14:02 and its last reload failed.',
    digest,
    digestPrefix: digest.slice(0, 12),
    expiresAt: Date.now() + 9 * 60_000 + 41_000,
    approvals: [],
    ...(over.verdict === undefined || over.verdict === 'pending'
      ? { missing: '1 more of oncall, owner' }
      : {}),
    mayOpenWindow: true,
    verdict: 'pending',
    ...over,
  };
}

export const df = `Filesystem      Size  Used Avail Use% Mounted on
/dev/nvme0n1p2  118G   97G   15G  87% /
/dev/nvme0n1p1  511M  6.1M  505M   2% /boot/efi
tmpfs           7.8G  1.2M  7.8G   1% /run
/dev/sdb1       932G  211G  674G  24% /srv`;

export const diskAnswer = `**web-1** is getting tight: the root file system is at **87 %**, with 15 GB free. \`/srv\` has plenty of room.

| Mount | Used | Free |
|---|---|---|
| \`/\` | 97 GB (87 %) | 15 GB |
| \`/srv\` | 211 GB (24 %) | 674 GB |

What takes the space on \`/\`:

1. \`/var/log/journal\`, 31 GB
2. \`/var/lib/docker\`, 22 GB, of which
   - 14 GB are images that nothing uses
   - 8 GB are volumes

I can shorten the journal to one week with \`vacuum_journal\`; that needs an approval.`;
