/**
 * Where tailscaled is asked: its unix socket, and whether its program may be asked instead.
 */
import { isAbsolute } from 'node:path';
import type { Settings } from './env.ts';
import { wrong } from './services.ts';

export interface TailnetPlace {
  /** Absolute path of the socket. */
  readonly socket: string;
  /** True where somebody named the socket: then there is no other tailscaled to ask. */
  readonly named: boolean;
}

export function tailnetFrom(settings: Settings): TailnetPlace {
  const socket = settings.get('TS_SOCKET') ?? '/var/run/tailscale/tailscaled.sock';
  if (!isAbsolute(socket)) wrong(settings, 'TS_SOCKET', 'is not a full path', 'begin it with "/"');
  return { socket, named: settings.isSet('TS_SOCKET') };
}
