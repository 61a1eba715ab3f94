/**
 * The keys that a host may show now, for binding an approval to them: a pin, what known_hosts has, or what the tailnet
 * says. The connection itself is judged by host-key.ts, from the same sources.
 */
import type { Host } from '../../core/command.ts';
import { fingerprint, type ReadFile, type TailnetKeys } from './host-key.ts';
import { lookUpKnown } from './known-hosts.ts';

export type Trusted =
  | { readonly ok: true; readonly fingerprints: readonly string[] }
  /** A sentence without its full stop. */
  | { readonly ok: false; readonly problem: string };

/** `SHA256:…` of each. A host with none cannot be reached, and that is said before anybody is asked. */
export async function trustedKeys(
  host: Host,
  readFile: ReadFile,
  tailnetKeys: TailnetKeys | undefined,
): Promise<Trusted> {
  const { hostKey } = host;
  switch (hostKey.kind) {
    case 'fingerprint':
      return { ok: true, fingerprints: [hostKey.sha256] };
    case 'tailnet': {
      const known = (await tailnetKeys?.(host)) ?? {
        ok: false as const,
        problem: `the key of ${host.name} is the tailnet's to say, and there is none here`,
      };
      return known.ok ? { ok: true, fingerprints: known.keys.map(fingerprint) } : known;
    }
    case 'known-hosts': {
      const text = await readFile(hostKey.file).then(String, () => '');
      const { keys, revoked } = lookUpKnown(text, host.address, host.port);
      const good = keys.filter(({ key }) => !revoked.some((bad) => bad.key.equals(key)));
      if (good.length > 0) return { ok: true, fingerprints: good.map(({ key }) => fingerprint(key)) };
      const problem = `The host key of ${host.name} is not known in ${hostKey.file}: look at it and accept it with opsagent hosts trust ${host.name}`;
      return { ok: false, problem };
    }
    default:
      return hostKey satisfies never;
  }
}
