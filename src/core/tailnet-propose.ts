/**
 * Entries for the inventory, proposed from the nodes of the tailnet: text to look at and to paste, never added by itself.
 */
import type { Host } from './command.ts';
import { fingerprintsOf, nodeOf, type TailnetNode, type TailnetStatus } from './tailnet.ts';
import { nodeText } from './tailnet-text.ts';
import { visible } from './visible.ts';

export interface Proposal {
  /** In the form of an id; '' where nothing of the node's name is left in that form. */
  readonly name: string;
  readonly address: string;
  readonly tags: readonly string[];
  readonly node: TailnetNode;
  /** Names of the inventory, or of proposals before it, that are easily taken for it. */
  readonly lookAlikes: readonly string[];
}

export interface Proposed {
  readonly proposals: readonly Proposal[];
  /** Nodes that are in the inventory already. */
  readonly known: number;
  /** Nodes that no command here runs on: telephones, Windows. */
  readonly unfit: number;
}

/** `tag` with or without `tag:` before it; undefined for every node. Our own node is not among them. */
export function proposeHosts(
  status: TailnetStatus & { readonly kind: 'running' },
  hosts: readonly Host[],
  tag: string | undefined,
): Proposed {
  const present = new Set(hosts.map((host) => nodeOf(status, host)));
  const wanted = tag === undefined ? undefined : `tag:${tag.replace(/^tag:/, '')}`;
  const tagged = status.nodes.filter((node) => wanted === undefined || node.tags.includes(wanted));
  const absent = tagged.filter((node) => !present.has(node));
  const fit = absent.filter(({ os, addresses }) => !UNFIT.test(os) && addresses.length > 0);
  const proposals: Proposal[] = [];
  for (const node of [...fit].sort((a, b) => (a.dnsName < b.dnsName ? -1 : 1))) {
    const name = idFrom(node.hostName) || idFrom(node.dnsName.split('.')[0] ?? '');
    const others = [...hosts, ...proposals].map((other) => other.name);
    proposals.push({
      name,
      address: node.addresses.find((a) => a.includes('.')) ?? node.addresses[0] ?? '',
      tags: [...new Set(node.tags.map((each) => idFrom(each.replace(/^tag:/, ''))).filter(Boolean))],
      node,
      lookAlikes: others.filter((other) => skeleton(other) === skeleton(name)),
    });
  }
  return { proposals, known: tagged.length - absent.length, unfit: absent.length - fit.length };
}

/** The list items of `hosts:`, each with what a person should know before pasting it. */
export function proposalYaml(proposals: readonly Proposal[], user: string, now: number): string {
  return proposals.map((proposal) => entryYaml(proposal, user, now)).join('');
}

function entryYaml({ name, address, tags, node, lookAlikes }: Proposal, user: string, now: number): string {
  const notes = [
    `${visible(node.dnsName || node.hostName, { keepNewlines: false })}: ${nodeText(node, now)}`,
  ];
  if (name === '') notes.push('its name has nothing that an id may hold: choose one');
  if (name === 'all' || name === 'local') notes.push(`${name} has a meaning of its own: choose another name`);
  for (const other of lookAlikes)
    notes.push(
      other === name ? `there is a host ${name} already: choose another name` : `looks like ${other}`,
    );
  const keys = fingerprintsOf(node);
  const lines = [
    `name: ${name || 'CHOOSE-A-NAME'}`,
    `address: ${/^[\d.]+$/.test(address) ? address : JSON.stringify(address)}`,
    `user: ${user}`,
    ...(keys.length > 0
      ? ['auth: none          # Tailscale SSH answers there', `host_key: tailnet   # now ${keys.join(' ')}`]
      : []),
    ...(tags.length > 0 ? [`tags: [${tags.map(quoted).join(', ')}]`] : []),
  ];
  if (keys.length === 0 && name !== '') notes.push(`then: opsagent hosts trust ${name}`);
  const [first, ...rest] = lines;
  return [
    ...notes.map((note) => `  # ${note}`),
    `  - ${first}`,
    ...rest.map((line) => `    ${line}`),
    '',
  ].join('\n');
}

/** A tag such as `1` or `no` would be read as a number or as false. */
const quoted = (tag: string) =>
  /^[a-z][a-z0-9_-]*$/.test(tag) && !RESERVED.test(tag) ? tag : JSON.stringify(tag);

const UNFIT = /^(?:ios|android|tvos|windows|js)$/i;
const RESERVED = /^(?:y|n|yes|no|on|off|true|false|null)$/;

/** The text in the form of a host name of the inventory, '' when nothing is left. */
function idFrom(text: string): string {
  return text
    .toLowerCase()
    .replace(/\.(?:local|localdomain)$/, '')
    .replace(/[^a-z0-9._]+/g, '-')
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '')
    .slice(0, 63);
}

/** Equal for names that a reader takes for one another: l 1 i, o 0, m rn, w vv, with or without separators. */
function skeleton(name: string): string {
  return name
    .replace(/[._-]/g, '')
    .replace(/[1i]/g, 'l')
    .replace(/0/g, 'o')
    .replace(/rn/g, 'm')
    .replace(/vv/g, 'w')
    .replace(/5/g, 's');
}
