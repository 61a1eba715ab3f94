/**
 * What a change did: the state before and after as the host told it, which window allowed it, and the buttons that
 * ask for what reverses it.
 */
import type { ActionsBlock } from '@slack/types';
import type { RanCommand } from '../../src/core/command.ts';
import type { SegmentView } from '../../src/core/view.ts';
import { button, undoAction, undoValue } from './actions.ts';
import { line, preformatted, type RichPart, words } from './rich-text.ts';
import { clip, excerpt } from './text.ts';

const mostProbes = 3;
const mostUndos = 5;
/** The name of a host, as the inventory takes one: what a button carries is nothing else. */
const hostName = /^[a-z0-9][a-z0-9._-]{0,62}$/;

/** Below the trace of a call: before and after on each host, and why nobody was asked. */
export function changeParts(ran: readonly RanCommand[]): RichPart[] {
  const allowed = [...new Set(ran.flatMap((r) => r.allowedBy ?? []))];
  const probed = ran.filter((r) => r.probe !== undefined);
  const left = probed.length - mostProbes;
  return [
    ...allowed
      .slice(0, 3)
      .map((by) => line(...words(`Nobody was asked again: allowed by ${clip(by, 200)}`, { italic: true }))),
    ...probed.slice(0, mostProbes).flatMap(beforeAndAfter),
    ...(left > 0 ? [line(...words(`… and the state of ${left} more hosts`))] : []),
  ];
}

function beforeAndAfter(ran: RanCommand): RichPart[] {
  const { probe } = ran;
  if (!probe) return [];
  const { before, after } = probe;
  const said = (what: string) =>
    line(
      ...words(what, { bold: true }),
      ...words(` · ${clip(ran.host, 100)} says, `),
      ...words(clip(probe.line, 160), { code: true }),
    );
  if (before === after) return [said('Unchanged, before and after'), preformatted(excerpt(after))];
  const earlier =
    before === undefined
      ? [line(...words('Before', { bold: true }), ...words(' · not looked at'))]
      : [said('Before'), preformatted(excerpt(before))];
  return [...earlier, said('After'), preformatted(excerpt(after))];
}

/** What Undo would ask for, in words and as buttons: it is a request like any other. */
export function undoOf(view: SegmentView): { readonly parts: RichPart[]; readonly blocks: ActionsBlock[] } {
  const undos = view.parts.flatMap((p) =>
    p.kind === 'call'
      ? p.call.ran.flatMap((r) =>
          r.undo && hostName.test(r.host) ? [{ callId: p.call.id, ran: r, undo: r.undo }] : [],
        )
      : [],
  );
  const offered = undos.slice(0, mostUndos);
  if (offered.length === 0) return { parts: [], blocks: [] };
  const lines = offered.map(({ ran, undo }) => {
    const values = Object.entries(undo.params).map(([name, value]) => `${name}=${value}`);
    return clip(['Undo asks for:', undo.command, ...values, `on ${ran.host}`].join(' '), 200);
  });
  const left = undos.length - offered.length;
  if (left > 0) lines.push(`… ${left} more can be undone: ask for it by name`);
  const labelled = offered.map(({ callId, ran }, n) =>
    button(
      undoAction(n),
      offered.length === 1 ? 'Undo' : clip(`Undo on ${ran.host}`, 70),
      undoValue(callId, ran.host),
    ),
  );
  return {
    parts: [line(...words(lines.join('\n'), { italic: true }))],
    blocks: [{ type: 'actions', elements: labelled }],
  };
}
