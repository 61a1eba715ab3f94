/**
 * From a command's id, its parameters and a host to what will run, exactly: the only maker of a RenderedCommand.
 * No text of a caller ever becomes text of the script; values stay beside it as arguments.
 */
import type { CommandSpec, Host, RenderedCommand } from '../core/command.ts';
import { floorOf, floorText } from '../core/floor.ts';
import { digestOf } from '../core/json.ts';
import { checkParams } from '../core/params.ts';
import { pathGuard } from '../core/path-guard.ts';
import { displayLine, renderScript } from '../core/template.ts';
import { boundTo } from './binding.ts';

export type Rendered =
  | { readonly ok: true; readonly command: RenderedCommand }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Renders `given` into the spec for one host. Every problem with the parameters is reported at once. */
export function render(spec: CommandSpec, given: Readonly<Record<string, string>>, host: Host): Rendered {
  const checked = checkParams(spec.params, given);
  if (!checked.ok) return { ok: false, problems: checked.problems };

  const { values } = checked;
  const { script, args, places } = renderScript(spec.template, spec.params, values);
  const floor = spec.floor ?? brokenFloor(spec, values);
  const bound = boundTo(spec, values, host);
  const command: RenderedCommand = {
    command: spec.name,
    host: host.name,
    values,
    line: displayLine(spec.template, values, spec.params),
    script: pathGuard(spec.params, places, args.length) + script,
    args,
    timeoutSeconds: spec.timeoutSeconds,
    maxOutputBytes: spec.maxOutputBytes,
    digest: digestOf(bound),
    bound,
    ...(floor === undefined ? {} : { floor }),
  };
  return { ok: true, command };
}

/** The floor is judged again here: `rm -r {path}` breaks it with some values only. */
function brokenFloor(spec: CommandSpec, values: Readonly<Record<string, string>>): string | undefined {
  const broken = floorOf(spec.template, spec.params, values);
  return broken && floorText(broken);
}
