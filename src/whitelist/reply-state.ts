/**
 * What the model reads of a change besides its output: the state before and after, what would reverse it, and whose
 * word covered it.
 */
import type { RanCommand } from '../core/command.ts';
import { fenceOutput } from './output.ts';

/** Lines to stand below the output; none for a read. What a host said is fenced like any output of it. */
export function stateTexts({ host, probe, undo, allowedBy }: RanCommand): readonly string[] {
  const texts: string[] = [];
  if (allowedBy !== undefined) texts.push(`Nobody was asked again: ${allowedBy} covers it.`);
  if (probe) {
    const { line, before, after } = probe;
    const said =
      before === after ? `unchanged:\n${after}` : `before:\n${before ?? '(not looked at)'}\nafter:\n${after}`;
    texts.push(`State by ${line}, ${fenceOutput(said, { host, command: 'state' })}`);
  }
  if (undo) {
    const values = Object.entries(undo.params).map(([name, value]) => `${name}=${value}`);
    texts.push(`What reverses it, with an approval of its own: ${[undo.command, ...values].join(' ')}`);
  }
  return texts;
}
