/**
 * `opsagent hosts check`: is each host reached, is its key the known one, does the login work, and what does the
 * tailnet say. All at the same time, so that a dead host costs the others nothing.
 */
import type { Host } from '../core/command.ts';
import { daysLeft, nodeOf, type TailnetNode, type TailnetStatus } from '../core/tailnet.ts';
import { expiryText, nodeText, stateText } from '../core/tailnet-text.ts';
import { visible } from '../core/visible.ts';
import { fanOut } from '../whitelist/fan-out.ts';
import type { HostChecked } from '../whitelist/host-check.ts';
import { exitCodes } from './exit-codes.ts';
import { clock, openHosts, pickHosts, table } from './hosts-open.ts';

interface Row {
  readonly host: Host;
  readonly checked: HostChecked;
  readonly node: TailnetNode | undefined;
}

/** So many hosts at once; key exchanges are limited further down. */
const AT_ONCE = 64;
const neverStopped = new AbortController().signal;
const unbegun = (): never => {
  throw new TypeError('nothing stops a check');
};

export async function checkHosts(
  words: readonly string[],
  options: { readonly json?: boolean },
): Promise<number> {
  const opened = openHosts();
  const hosts = pickHosts(words, opened.hosts);
  if (hosts.length === 0) {
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ hosts: [] })}\n`
        : 'No host is configured; `local` needs no check.\n',
    );
    return exitCodes.done;
  }
  const status = await opened.tailnet.status();
  const checks = opened.check();
  const check = async (host: Host): Promise<Row> => {
    const checked = await checks.check(host);
    return { host, checked, node: nodeOf(status, host) };
  };
  const rows = await fanOut(hosts, { atOnce: AT_ONCE, signal: neverStopped, work: check, unbegun });
  checks.close();
  process.stdout.write(options.json ? jsonOf(rows, status) : textOf(rows, status));
  return rows.every(({ checked }) => checked.problem === undefined) ? exitCodes.done : exitCodes.failed;
}

function textOf(rows: readonly Row[], status: TailnetStatus): string {
  const now = clock.now();
  const word = { ok: 'yes', failed: 'NO', untried: '-' } as const;
  const cells = rows.map(({ host, checked, node }) => [
    host.name,
    word[checked.reached],
    word[checked.key],
    word[checked.login],
    `${checked.ms} ms`,
    node === undefined ? '-' : visible(stateText(node, now), { keepNewlines: false }),
  ]);
  const problems = rows.flatMap(({ host, checked }) =>
    checked.problem === undefined ? [] : `✗ ${host.name}: ${visible(checked.problem)}\n`,
  );
  const expiring = rows.flatMap(({ host, node }) => {
    const text = node === undefined ? '' : expiryText(node, now);
    return text === '' ? [] : `! ${host.name}: its ${text}\n`;
  });
  const nodes = rows.flatMap(({ host, node }) =>
    node === undefined ? [] : `· ${host.name} in the tailnet: ${nodeText(node, now)}\n`,
  );
  const tailnet = status.kind === 'running' ? [] : [`· tailnet: ${status.problem}\n`];
  const good = rows.length - problems.length;
  return [
    table([['HOST', 'REACHED', 'KEY', 'LOGIN', 'TIME', 'TAILNET'], ...cells]),
    ...nodes,
    ...tailnet,
    ...expiring,
    ...problems,
    `${good} of ${rows.length} hosts are fine.\n`,
  ].join('');
}

function jsonOf(rows: readonly Row[], status: TailnetStatus): string {
  const now = clock.now();
  const tailnet = status.kind === 'running' ? { kind: status.kind, name: status.tailnet } : status;
  const hosts = rows.map(({ host, checked, node }) => ({
    name: host.name,
    ok: checked.problem === undefined,
    ...checked,
    tailnet:
      node === undefined
        ? null
        : {
            dnsName: node.dnsName,
            addresses: node.addresses,
            tags: node.tags,
            online: node.online,
            expired: node.expired,
            lastSeen: isoOf(node.lastSeen),
            keyExpiry: isoOf(node.keyExpiry),
            keyDaysLeft: daysLeft(node, now) ?? null,
          },
  }));
  return `${JSON.stringify({ tailnet, hosts })}\n`;
}

const isoOf = (at: number | undefined) => (at === undefined ? null : new Date(at).toISOString());
