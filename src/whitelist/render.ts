/**
 * From a command's id, its parameters and a host to what will run, exactly: the only maker of a RenderedCommand.
 * No text of a caller ever becomes text of the script; values stay beside it as arguments.
 */
import type { CommandSpec, Host, HostKeySource, RenderedCommand } from '../core/command.ts';
import { floorOf, floorText } from '../core/floor.ts';
import { digestOf, type Json, type JsonObject } from '../core/json.ts';
import { checkParams } from '../core/params.ts';
import { pathGuard } from '../core/path-guard.ts';
import { displayLine, renderScript } from '../core/template.ts';

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

/** Everything that decides what happens where; an approval is for this object and no other. */
function boundTo(spec: CommandSpec, values: Readonly<Record<string, string>>, host: Host): JsonObject {
  return {
    version: 1,
    command: spec.name,
    spec: specHash(spec),
    values,
    host: host.name,
    address: host.address,
    port: host.port,
    login: host.user,
    path: host.path ?? '',
    hostKey: hostKeyText(host.hostKey),
  };
}

/** Digest of this command's spec alone: edits elsewhere in the catalogue void no approval. */
export function specHash(spec: CommandSpec): string {
  return digestOf(JSON.parse(JSON.stringify(spec)) as Json);
}

/** How the host's key is known, as cards and audit show it. */
export function hostKeyText(source: HostKeySource): string {
  return source.kind === 'fingerprint' ? source.sha256 : `known_hosts ${source.file}`;
}

const words: Readonly<Record<string, string>> = {
  command: 'the command',
  spec: "the command's text or limits",
  values: 'the arguments',
  host: 'the host',
  address: "the host's address",
  port: "the host's port",
  login: 'the login user',
  path: "the host's PATH",
  hostKey: "the host's key",
};

/** Names the parts in which two bound objects differ, for people. */
export function changedParts(approved: JsonObject, now: JsonObject): readonly string[] {
  const keys = new Set([...Object.keys(approved), ...Object.keys(now)]);
  return [...keys]
    .filter((key) => digestOf(approved[key] ?? null) !== digestOf(now[key] ?? null))
    .map((key) => words[key] ?? key);
}
