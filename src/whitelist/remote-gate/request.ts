/**
 * What the SSH client sends to a host whose login runs the remote gate: a word, a version, a checksum and base64 of a
 * command's id, the digest of its spec, its limits and its typed values. No shell text is ever sent.
 */
import type { RenderedCommand } from '../../core/command.ts';
import { FORGET } from '../remote-kept.ts';
import { type RemoteLine, type RemoteLineInput, tagOf } from '../remote-line.ts';
import { END_RUN } from '../remote-script.ts';

/** The gate reads this version of the request and no other. */
export const GATE_VERSION = 1;
export const GATE_WORD = 'opsagent-gate';
/** A longer request is refused there; Linux would not carry much more in one variable. */
export const MAX_REQUEST_BYTES = 100_000;

/** As in `remoteLine`: the marker frames the answer, `kept` is for a run that outlives its channel. */
export interface GateInput extends Pick<RemoteLineInput, 'marker' | 'kept'> {
  /** A command, or one of the scripts of ours for which the gate has a request: END_RUN and FORGET. */
  readonly command: RenderedCommand | Pick<RenderedCommand, 'script' | 'args'>;
}

/** The request for a command or a script of ours, answered as its `remoteLine` would be. */
export function gateLine({ command, marker, kept }: GateInput): RemoteLine {
  const head = [tagOf({ marker, ...(kept === undefined ? {} : { kept }) }), marker];
  if (!('bound' in command)) return ownRequest(command, head);
  const limits = [command.timeoutSeconds, command.maxOutputBytes].map(String);
  if (kept?.collect) return requestOf(['collect', ...head, kept.id, ...limits.slice(1)]);
  const kind = kept === undefined ? ['run', ...head] : ['keep', ...head, kept.id];
  const values = Object.entries(command.values).flatMap(([name, value]) =>
    value.split('\n').map((word) => `${name}=${word}`),
  );
  return requestOf([...kind, command.command, specOf(command), ...limits, ...values]);
}

function ownRequest({ script, args }: Pick<RenderedCommand, 'script' | 'args'>, head: string[]): RemoteLine {
  if (script === FORGET) return requestOf(['forget', ...head, ...args]);
  const [group, tag = ''] = args;
  if (script === END_RUN) return requestOf(['end', ...head, group || '-', tag]);
  return { ok: false, reason: 'the gate takes commands of the catalogue only' };
}

/** The digest of the command's spec (binding.ts), of which the gate has its own. */
function specOf({ bound }: RenderedCommand): string {
  const { spec } = bound.what;
  if (typeof spec !== 'string') throw new TypeError('a rendered command without the digest of its spec');
  return spec;
}

function requestOf(lines: readonly string[]): RemoteLine {
  // A value never holds a newline (params.ts); the last line shows that none is missing.
  const body = Buffer.from([...lines, 'end'].join('\n'), 'utf8').toString('base64');
  const line = `${GATE_WORD} ${GATE_VERSION} ${cksum(body)} ${body}`;
  if (line.length > MAX_REQUEST_BYTES) {
    const reason = `the request is ${line.length} bytes long, more than the ${MAX_REQUEST_BYTES} that the gate takes`;
    return { ok: false, reason };
  }
  return { ok: true, line };
}

/** As POSIX cksum prints it, which every host has. It finds damage; it does not say who sent the request. */
function cksum(text: string): number {
  const bytes = [...Buffer.from(text, 'latin1')];
  for (let length = bytes.length; length > 0; length >>>= 8) bytes.push(length & 0xff);
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  }
  return ~crc >>> 0;
}
