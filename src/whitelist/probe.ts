/**
 * Evidence: the read-only command that shows the state a change is about, and the command that reverses it, as the
 * catalogue pairs them. Both take the values that they share with the change, by name.
 */
import type { CommandSpec, RenderedCommand } from '../core/command.ts';

export interface Paired {
  readonly spec: CommandSpec;
  readonly params: Readonly<Record<string, string>>;
}

/** A probe that would itself have to be asked for is none. */
export function probeOf(
  catalogue: readonly CommandSpec[],
  spec: CommandSpec,
  values: RenderedCommand['values'],
): Paired | undefined {
  const paired = pairedWith(catalogue, spec.probe, values);
  return paired && paired.spec.risk === 'read' && paired.spec.approval === undefined ? paired : undefined;
}

/** What would reverse it; undefined where a value that it needs is not among those of the change. */
export function undoOf(
  catalogue: readonly CommandSpec[],
  spec: CommandSpec,
  values: RenderedCommand['values'],
): Paired | undefined {
  return pairedWith(catalogue, spec.undo, values);
}

function pairedWith(
  catalogue: readonly CommandSpec[],
  name: string | undefined,
  values: RenderedCommand['values'],
): Paired | undefined {
  const spec = name === undefined ? undefined : catalogue.find((c) => c.name === name);
  if (!spec) return undefined;
  const shared = spec.params.flatMap(({ name: param }): [string, string][] => {
    const value = values[param];
    return value === undefined ? [] : [[param, value]];
  });
  const params = Object.fromEntries(shared);
  const isWhole = spec.params.every(
    (p) => Object.hasOwn(params, p.name) || p.optional || p.default !== undefined,
  );
  return isWhole ? { spec, params } : undefined;
}
