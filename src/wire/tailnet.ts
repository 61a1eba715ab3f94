/**
 * The tailnet as the configuration says where to ask.
 */
import { createTailnet, tailscalePrograms } from '../backends/tailnet/client.ts';
import type { Config } from '../config.ts';
import type { Host } from '../core/command.ts';
import type { Clock } from '../core/ports.ts';
import type { Tailnet } from '../core/tailnet.ts';
import { tailnetText } from '../core/tailnet-text.ts';

export function tailnetOf({ tailnet }: Config, clock: Clock): Tailnet {
  const { socket, named } = tailnet;
  return createTailnet({ socket, programs: named ? [] : tailscalePrograms(), clock });
}

/** What the tailnet knows of a host, for `server_status`; undefined where there is no tailnet. */
export function tailnetFact(tailnet: Tailnet, clock: Clock): (host: Host) => Promise<string | undefined> {
  return async (host) => tailnetText(await tailnet.status(), host, clock.now());
}
