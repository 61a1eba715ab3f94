/**
 * One tool call in a Discord message: what was asked where, how it ended, and the beginning of what it printed.
 */
import type { RanCommand } from '../../src/core/command.ts';
import { endText, hostNames, hostsOf } from '../../src/core/command.ts';
import type { CallStatus, CallView } from '../../src/core/view.ts';
import { block, code, cutAtLine, plainLine } from './text.ts';

/** How much of an output is shown. */
export interface Preview {
  readonly lines: number;
  readonly chars: number;
}

const callSigns: Readonly<Record<CallStatus, string>> = {
  running: '⏳',
  waiting: '⏸️',
  approved: '▶️',
  ok: '✅',
  failed: '❌',
  refused: '⛔',
  unknown: '❓',
};

export function callText(call: CallView, preview: Preview): string {
  const one = call.ran.length === 1 ? call.ran[0] : undefined;
  const facts = [
    ...(one ? [code(hostsOf(one), 60)] : []),
    ...(call.ms === undefined ? [] : [`${Math.round(call.ms)} ms`]),
    plainLine(call.outcome, 300),
  ];
  const head = `${callSigns[call.status]} ${code(call.title, 160)} · ${facts.join(' · ')}`;
  const notRun = (call.notRun ?? [])
    .slice(0, 6)
    .map(
      ({ hosts, reason }) =>
        `-# ${callSigns.refused} ${code(hostNames(hosts), 60)} · ${plainLine(reason, 200)}`,
    );
  if (one) return [head, outputText(one, preview), ...notRun].filter(Boolean).join('\n');
  const lines = call.ran.map(
    (r) =>
      `-# ${code(r.command, 80)} · ${code(hostsOf(r), 60)} · ${Math.round(r.ms)} ms · ${plainLine(endText(r.end), 120)}`,
  );
  const diffs = call.ran.flatMap((r) =>
    r.differs ? [outputText({ ...r, output: r.differs }, preview)] : [],
  );
  return [head, ...lines.slice(0, 12), ...notRun, ...diffs.slice(0, 2)].filter(Boolean).join('\n');
}

function outputText(ran: RanCommand, preview: Preview): string {
  const output = ran.output.trimEnd();
  if (preview.lines === 0 || output === '') return '';
  const lines = output.split('\n');
  const head = cutAtLine(lines.slice(0, preview.lines).join('\n'), preview.chars);
  const cut = head.length < output.length || ran.truncated;
  return [block(head), ...(cut ? ['-# … output goes on, cut here'] : [])].filter(Boolean).join('\n');
}
