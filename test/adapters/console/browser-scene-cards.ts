/**
 * Cards and what came of them, as the worker would put them, for pictures of the console.
 */
import type { RanCommand } from '../../../src/core/command.ts';
import type { Conversation } from '../../../src/core/conversation.ts';
import type { View } from '../../../src/core/view.ts';
import {
  approvalOf,
  called,
  card,
  digest,
  owner,
  ranOn,
  run,
  said,
  segment,
  target,
  to,
  words,
} from './browser-scene.ts';

/** Two open cards of one run, one of them for a dozen hosts; and two changes that came of a card. */
export async function decisions(
  put: (thread: Conversation, key: string, view: View) => Promise<unknown>,
): Promise<void> {
  const all = { count: 2, digest };
  const line = "systemctl status --no-pager 'nginx.service'";
  const targets = Array.from({ length: 12 }, (_, i) =>
    target({ host: `web-${i + 1}`, address: `100.101.7.${12 + i}:22` }),
  );
  const state = targets.slice(0, 2).map(({ host }) => ({ host, line, text: activeBefore }));
  const fleet = { ...card(5).subject, targets, state };
  const rule = { name: 'changes', approvers: ['oncall', 'owner'], people: 2, requesterMay: false };
  const asked = { all, rule, approvals: [owner], missing: '1 more of oncall, owner' };
  await put(to('t4'), `${run(5)}.s0`, segment(5, [said('Restart nginx on all web servers and redis')]));
  await put(
    to('t4'),
    approvalOf(6),
    card(5, {
      ...asked,
      approvalId: approvalOf(6),
      subject: {
        ...card(5).subject,
        command: 'flush_cache',
        line: "redis-cli -n '0' FLUSHDB",
        risk: 'critical',
      },
      mayOpenWindow: false,
    }),
  );
  await put(to('t4'), approvalOf(5), card(5, { ...asked, subject: fleet }));

  await put(
    to('t5'),
    `${run(7)}.s0`,
    segment(7, [said('nginx on web-1 is down. Please restart it.'), words('A restart needs an approval.')]),
  );
  await put(
    to('t5'),
    approvalOf(7),
    card(7, {
      verdict: 'approved',
      decidedBy: owner,
      approvals: [owner],
      windowMinutes: 15,
      outcome: 'exit 0',
      decidedAt: Date.now() - 64_000,
    }),
  );
  const restarted = (over: Partial<RanCommand> = {}) =>
    ranOn('web-1', card(7).subject.line, '', {
      command: 'restart_service',
      ms: 1310,
      probe: { line, before: activeBefore, after: activeAfter },
      undo: { command: 'stop_service', params: { service: 'nginx.service' } },
      ...over,
    });
  const same = { line: "systemctl is-enabled 'nginx.service'", before: 'enabled', after: 'enabled' };
  await put(
    to('t5'),
    `${run(7)}.s1`,
    segment(
      7,
      [
        called('restart_service service=nginx.service', { id: `${run(7)}-1` as never, ran: [restarted()] }),
        called('restart_service service=nginx.service', {
          id: `${run(7)}-2` as never,
          ran: [
            restarted({
              probe: same,
              allowedBy: `the window opened with ${approvalOf(7)}`,
              sameOn: ['web-2'],
            }),
          ],
        }),
        words('nginx answers again.'),
      ],
      { status: 'finished' },
    ),
  );
}

export const activeBefore = `● nginx.service - A high performance web server
     Loaded: loaded (/lib/systemd/system/nginx.service; enabled)
     Active: failed (Result: exit-code) since Mon 14:02:11
   Main PID: 811 (code=exited, status=1/FAILURE)`;
const activeAfter = `● nginx.service - A high performance web server
     Loaded: loaded (/lib/systemd/system/nginx.service; enabled)
     Active: active (running) since Mon 14:11:52
   Main PID: 40213 (nginx)
      Tasks: 5`;
