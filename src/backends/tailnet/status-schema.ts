/**
 * The JSON that tailscaled publishes (ipnstate.Status of tailscale.com), read down to what is used here.
 * Go writes absent lists as null and an unset time as the year 1.
 */
import { z } from 'zod';
import type { TailnetNode, TailnetStatus } from '../../core/tailnet.ts';

const strings = z.array(z.string()).nullish();

const Peer = z.object({
  HostName: z.string().default(''),
  DNSName: z.string().default(''),
  OS: z.string().default(''),
  TailscaleIPs: strings,
  Tags: strings,
  Online: z.boolean().default(false),
  LastSeen: z.string().nullish(),
  KeyExpiry: z.string().nullish(),
  Expired: z.boolean().default(false),
  sshHostKeys: strings,
});

const Status = z.object({
  BackendState: z.string(),
  Self: Peer.nullish(),
  Peer: z.record(z.string(), Peer).nullish(),
  MagicDNSSuffix: z.string().nullish(),
  CurrentTailnet: z
    .object({ Name: z.string().default(''), MagicDNSSuffix: z.string().default('') })
    .nullish(),
});

/** Reads the text of one answer; `failed` for anything that is not such a status. */
export function readStatus(text: string): TailnetStatus {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return failed('no JSON');
  }
  const parsed = Status.safeParse(json);
  if (!parsed.success) {
    const at = parsed.error.issues[0]?.path.join('.').slice(0, 80);
    return failed(`an unknown form${at ? ` at ${at}` : ''}`);
  }
  const status = parsed.data;
  if (status.BackendState !== 'Running') return down(status.BackendState);
  const suffix = status.CurrentTailnet?.MagicDNSSuffix || status.MagicDNSSuffix || '';
  return {
    kind: 'running',
    tailnet: status.CurrentTailnet?.Name ?? '',
    suffix: bare(suffix),
    ...(status.Self ? { self: nodeFrom(status.Self) } : {}),
    nodes: Object.values(status.Peer ?? {}).map(nodeFrom),
  };
}

function nodeFrom(peer: z.infer<typeof Peer>): TailnetNode {
  const lastSeen = timeFrom(peer.LastSeen);
  const keyExpiry = timeFrom(peer.KeyExpiry);
  return {
    hostName: peer.HostName,
    dnsName: bare(peer.DNSName),
    addresses: peer.TailscaleIPs ?? [],
    os: peer.OS,
    tags: peer.Tags ?? [],
    online: peer.Online,
    ...(lastSeen === undefined ? {} : { lastSeen }),
    ...(keyExpiry === undefined ? {} : { keyExpiry }),
    expired: peer.Expired,
    hostKeys: peer.sshHostKeys ?? [],
  };
}

/** States of ipn.State; a new one is told as it is written. */
function down(state: string): TailnetStatus {
  const shown = /^\w{1,40}$/.test(state) ? state : 'in an unknown state';
  const remedy =
    state === 'NeedsLogin' || state === 'Stopped'
      ? 'run `tailscale up`'
      : state === 'NeedsMachineAuth'
        ? 'approve this machine in the admin console of the tailnet'
        : 'wait until it is connected';
  return {
    kind: 'down',
    state: shown,
    problem: `tailscaled on this machine is not connected (${shown}): ${remedy}`,
  };
}

function failed(what: string): TailnetStatus {
  return { kind: 'failed', problem: `tailscaled answers with ${what}; its state is not known` };
}

const bare = (name: string) => name.toLowerCase().replace(/^\.|\.$/g, '');

function timeFrom(text: string | null | undefined): number | undefined {
  const at = text ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) || at <= 0 ? undefined : at;
}
