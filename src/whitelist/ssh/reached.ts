/**
 * What every way to a host has in common: a byte stream or one clear sentence, and the name of the host in it.
 */
import type { Duplex } from 'node:stream';
import type { Host } from '../../core/command.ts';

export type Reached =
  | { readonly ok: true; readonly stream: Duplex }
  /** `onTheWay`: the jump host failed, the host itself was not asked. */
  | { readonly ok: false; readonly problem: string; readonly onTheWay?: true };

/** Never rejects. The caller owns the stream and must end it. */
export type Reach = (host: Host, timeoutMs: number) => Promise<Reached>;

/** The host as problems name it. */
export function at(host: Host): string {
  const address = host.address.includes(':') ? `[${host.address}]` : host.address;
  return `${host.name} (${address}:${host.port})`;
}
