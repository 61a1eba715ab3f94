/**
 * What the audit log costs: one line of a change (on disk before it starts) and one of a read (written before, flushed
 * with others after), each against a bare append of as many bytes with fdatasync.
 */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { openAuditLog } from '../src/backends/audit-log.ts';
import type { AuditEvent } from '../src/core/event.ts';
import { type Figure, median, percentile } from './figure.ts';
import { type Scope, timed } from './scope.ts';

const rounds = 300;
const peerIs = 'append of the same bytes and fdatasync';

export async function auditLine(scope: Scope): Promise<readonly Figure[]> {
  const dir = scope.folder();
  const clock = { now: Date.now };
  const log = await openAuditLog({ dir: join(dir, 'audit'), writer: 'whitelist', clock, redact: (t) => t });
  scope.add(() => log.close());
  const bare = await open(join(dir, 'bare'), 'a');
  scope.add(() => bare.close());
  const bytes = Buffer.alloc(700, 'x');

  const times: { change: number[]; read: number[]; bare: number[] } = { change: [], read: [], bare: [] };
  for (let n = 0; n < rounds; n++) {
    times.change.push(await timed(() => log.record(line('change'))));
    times.read.push(await timed(() => log.record(line('read'))));
    times.bare.push(
      await timed(async () => {
        await bare.appendFile(bytes);
        await bare.datasync();
      }),
    );
  }
  const figure = (
    what: string,
    of: readonly number[],
    by: (values: readonly number[]) => number,
  ): Figure => ({
    what,
    unit: 'ms',
    ours: by(of),
    peer: { what: peerIs, value: by(times.bare) },
    rounds,
  });
  const p95 = (values: readonly number[]) => percentile(values, 95);
  return [
    figure('line of a change', times.change, median),
    figure('line of a change, 95th', times.change, p95),
    figure('line of a read', times.read, median),
    figure('line of a read, 95th', times.read, p95),
  ];
}

function line(risk: string): AuditEvent {
  const data = {
    command: 'restart_service',
    host: 'web-1',
    risk,
    line: 'systemctl restart nginx',
    args: ['nginx'],
  };
  return { kind: 'command.started', runId: 'r0123456789abcdef0123', who: 'slack:U0123ABCD', data };
}
