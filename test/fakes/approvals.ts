/**
 * A run that waits for one approval, as the worker leaves it.
 */
import { type ApprovalRequest, approvalDigest } from '../../src/core/approval.ts';
import type { User } from '../../src/core/conversation.ts';
import { approvalIdFor, callIdFor } from '../../src/core/ids.ts';
import type { Run } from '../../src/core/run.ts';
import { agentSpoke, askApproval, notePost, release } from '../../src/core/run-changes.ts';
import { testRun } from './requests.ts';

function approvalRequest(run: Run, over: Partial<ApprovalRequest> = {}): ApprovalRequest {
  const callId = callIdFor(run.id, 0);
  const asked = {
    id: approvalIdFor(callId),
    callId,
    runId: run.id,
    subject: {
      command: 'restart_service',
      description: 'Restart a systemd service',
      line: 'systemctl restart nginx',
      targets: [{ host: 'web-1', address: '100.64.0.7', login: 'ops', hostKey: 'SHA256:abc' }],
      risk: 'change',
    },
    rule: { name: 'oncall-approves', approvers: ['oncall'], people: 1, requesterMay: false },
    binding: 'b'.repeat(64),
    askedAt: 2_000,
    expiresAt: Number.MAX_SAFE_INTEGER - 1,
    ...over,
  } as const;
  return { ...asked, digest: approvalDigest(asked), sealed: 'sealed' };
}

export function waitingRun(
  by: User,
  over: Partial<ApprovalRequest> = {},
): { run: Run; request: ApprovalRequest } {
  const conversation = {
    platform: by.platform === 'mcp' ? 'console' : by.platform,
    channel: 'C1',
    thread: '100.1',
  };
  const asked = testRun('asked', 'restart nginx', { user: by, conversation });
  const request = approvalRequest(asked, over);
  const call = { modelId: 'm1', tool: 'execute_command', args: { command_name: 'restart_service' } };
  const spoken = agentSpoke(asked, { text: 'It hangs.', calls: [call] }, {}, 1_500);
  const waiting = release(askApproval(spoken, request, 'it hangs'), 'waiting', 2_000);
  return { run: notePost(waiting, { key: request.id, ref: 'card-1' }), request };
}
