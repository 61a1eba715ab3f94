/**
 * A gate in a file, asked as sshd asks it: the line in SSH_ORIGINAL_COMMAND, no stdin. Requests by hand are made with
 * the system's own cksum and base64, so that ours are checked against them.
 */
import { execFileSync, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import type { CommandSpec, Host } from '../../../src/core/command.ts';
import type { Param } from '../../../src/core/param.ts';
import { specHash } from '../../../src/whitelist/binding.ts';
import { createFrame } from '../../../src/whitelist/frame.ts';
import { gateLine } from '../../../src/whitelist/remote-gate/request.ts';
import { gateScript } from '../../../src/whitelist/remote-gate/script.ts';
import { tagOf } from '../../../src/whitelist/remote-line.ts';
import { render } from '../../../src/whitelist/render.ts';

export const MARKER = '00112233445566778899aabbccddeeff';

export const gateHost: Host = {
  name: 'web-1',
  address: '127.0.0.1',
  port: 22,
  user: 'ops',
  hostKey: { kind: 'fingerprint', sha256: 'SHA256:x' },
  gate: true,
  tags: ['web'],
  tier: 'test',
};

/** Writes the gate of these commands; `shell` is what it runs itself with in place of /bin/sh. */
export function writeGate(file: string, commands: readonly CommandSpec[], shell = '/bin/sh'): string {
  const { script } = gateScript(commands, gateHost, file);
  writeFileSync(file, script.replaceAll('/bin/sh "$0"', `${shell} "$0"`), { mode: 0o755 });
  return file;
}

export interface Answer {
  readonly code: number | null;
  /** All bytes, frame included. */
  readonly raw: { readonly stdout: string; readonly stderr: string };
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Asks the gate; `shell` is the interpreter for its first lines. `line` undefined: a login without a command. */
export async function ask(
  file: string,
  line: string | undefined,
  over: { shell?: readonly string[]; env?: Record<string, string>; cwd?: string } = {},
): Promise<Answer> {
  const [program = file, ...args] = [...(over.shell ?? []), file];
  const child = spawn(program, args, {
    cwd: over.cwd ?? '/',
    env: {
      HOME: over.cwd ?? '/',
      USER: 'ops',
      ...(line === undefined ? {} : { SSH_ORIGINAL_COMMAND: line }),
      ...over.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const framed = [out, err].map((chunks) => {
    const frame = createFrame(MARKER, 1_000_000);
    frame.push(Buffer.concat(chunks));
    return frame;
  });
  return {
    code,
    raw: { stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() },
    status: framed[0]?.status,
    stdout: framed[0]?.body().toString() ?? '',
    stderr: framed[1]?.body().toString() ?? '',
  };
}

/** The line the SSH client would send for a command with these values, which must be right. */
export function requestFor(spec: CommandSpec, values: Readonly<Record<string, string>> = {}): string {
  const rendered = render(spec, values, gateHost);
  if (!rendered.ok) throw new Error(rendered.problems.join(' '));
  const line = gateLine({ command: rendered.command, marker: MARKER });
  if (!line.ok) throw new Error(line.reason);
  return line.line;
}

/** The lines of a request by hand, as an attacker with the bot's key writes them. */
export function rawLines(
  spec: CommandSpec,
  values: readonly string[],
  over: { id?: string; digest?: string; limits?: readonly string[] } = {},
): readonly string[] {
  const limits = over.limits ?? [String(spec.timeoutSeconds), String(spec.maxOutputBytes)];
  const id = over.id ?? spec.name;
  return [
    'run',
    tagOf({ marker: MARKER }),
    MARKER,
    id,
    over.digest ?? specHash(spec),
    ...limits,
    ...values,
    'end',
  ];
}

export function rawRequest(lines: readonly string[]): string {
  return envelope(Buffer.from(lines.join('\n'), 'utf8').toString('base64'));
}

/** Word, version and checksum around any text. */
export function envelope(body: string): string {
  const sum = execFileSync('cksum', { input: body, encoding: 'utf8' }).split(' ')[0];
  return `opsagent-gate 1 ${sum} ${body}`;
}

export function param(name: string, type: Param['type'], over: Partial<Param> = {}): Param {
  return { name, description: name, type, optional: false, ...over };
}
