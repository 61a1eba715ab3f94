/**
 * `opsagent hosts list`: what is in the inventory and how each host is reached, without asking any of them.
 */
import type { Host } from '../core/command.ts';
import { keyText, openHosts, table } from './hosts-open.ts';

export function listHosts(options: { readonly json?: boolean }): void {
  const { hosts } = openHosts();
  if (options.json) {
    process.stdout.write(`${JSON.stringify(hosts.map(({ passphrase: _, ...host }) => host))}\n`);
    return;
  }
  if (hosts.length === 0) {
    process.stdout.write('local  this machine, over a loopback SSH server (no host is configured)\n');
    return;
  }
  const rows = hosts.map((h) => [
    h.name,
    `${h.user}@${h.address.includes(':') ? `[${h.address}]` : h.address}:${h.port}`,
    h.tier,
    h.tags.map((tag) => `@${tag}`).join(' ') || '-',
    loginText(h),
    wayText(h),
    keyText(h),
  ]);
  process.stdout.write(table([['HOST', 'ADDRESS', 'TIER', 'TAGS', 'LOGIN', 'WAY', 'HOST KEY'], ...rows]));
}

function loginText({ auth, keyFile, gate }: Host): string {
  const how = auth === 'none' ? 'Tailscale SSH' : (keyFile ?? 'ssh-agent');
  return gate ? `${how}, remote gate` : how;
}

function wayText({ jump, proxy }: Host): string {
  if (jump !== undefined) return `through ${jump}`;
  return proxy === undefined ? 'direct' : `SOCKS5 ${proxy.host}:${proxy.port}`;
}
