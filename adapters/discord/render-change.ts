/**
 * What a change did, in a Discord message: the state before and after as the host told it, which window allowed it,
 * and the buttons that ask for what reverses it.
 */
import { type APIButtonComponentWithCustomId, ButtonStyle } from 'discord.js';
import type { RanCommand } from '../../src/core/command.ts';
import type { SegmentView } from '../../src/core/view.ts';
import { button, undoButtonId } from './buttons.ts';
import type { Preview } from './render-call.ts';
import { block, clip, code, excerpt, plainLine } from './text.ts';

const mostProbes = 3;
/** As many as one row holds. */
const mostUndos = 5;
/** The name of a host, as the inventory takes one: what a button carries is nothing else. */
const hostName = /^[a-z0-9][a-z0-9._-]{0,62}$/;

/** Below the trace of a call; empty for what changed nothing. */
export function changeText(ran: readonly RanCommand[], preview: Preview): string {
  const allowed = [...new Set(ran.flatMap((r) => r.allowedBy ?? []))];
  const probed = ran.filter((r) => r.probe !== undefined);
  const left = probed.length - mostProbes;
  return [
    ...allowed.slice(0, 3).map((by) => `-# Nobody was asked again: allowed by ${plainLine(by, 120)}`),
    ...probed.slice(0, mostProbes).map((r) => beforeAndAfter(r, preview)),
    ...(left > 0 ? [`-# … and the state of ${left} more hosts`] : []),
  ].join('\n');
}

function beforeAndAfter({ host, probe }: RanCommand, preview: Preview): string {
  if (!probe) return '';
  const { before, after } = probe;
  const said = ` · ${code(host, 60)} says, ${code(probe.line, 100)}`;
  const shown = (text: string) =>
    preview.lines === 0
      ? code(text, 80)
      : block(excerpt(text, Math.min(preview.lines, 6), Math.min(preview.chars, 400))) || '` `';
  if (before === after) return `**Unchanged, before and after**${said}\n${shown(after)}`;
  const earlier = before === undefined ? '**Before** · not looked at' : `**Before**${said}\n${shown(before)}`;
  return `${earlier}\n**After**${said}\n${shown(after)}`;
}

/** What Undo would ask for, in words and as buttons: it is a request like any other. */
export function undoOf(view: SegmentView): {
  readonly lines: string[];
  readonly buttons: APIButtonComponentWithCustomId[];
} {
  const undos = view.parts.flatMap((p) =>
    p.kind === 'call'
      ? p.call.ran.flatMap(({ host, undo }) =>
          undo && hostName.test(host) ? [{ callId: p.call.id, host, undo }] : [],
        )
      : [],
  );
  const offered = undos.slice(0, mostUndos);
  const lines = offered.map(({ host, undo }) => {
    const values = Object.entries(undo.params).map(([name, value]) => `${name}=${value}`);
    return plainLine(['Undo asks for:', undo.command, ...values, `on ${host}`].join(' '), 120);
  });
  const left = undos.length - offered.length;
  if (left > 0) lines.push(`… ${left} more can be undone: ask for it by name`);
  const buttons = offered.map(({ callId, host }) =>
    button(
      offered.length === 1 ? 'Undo' : clip(`Undo on ${host}`, 80),
      ButtonStyle.Secondary,
      undoButtonId(callId, host),
    ),
  );
  return { lines, buttons };
}
