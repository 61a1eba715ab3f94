/**
 * What the tailnet knows of one host, in a line for people and for the model. Everything a node says of itself is
 * shown escaped.
 */
import type { Host } from './command.ts';
import {
  daysLeft,
  EXPIRY_WARNING_DAYS,
  isExpired,
  lastSeenText,
  nodeOf,
  type TailnetNode,
  type TailnetStatus,
} from './tailnet.ts';
import { visible } from './visible.ts';

/** "Tailnet: web-1 is online, tag:web, 100.64.0.1 …"; undefined where there is no tailnet. */
export function tailnetText(status: TailnetStatus, host: Host, now: number): string | undefined {
  if (status.kind === 'absent') return undefined;
  if (status.kind !== 'running') return `Tailnet: ${status.problem}.`;
  const node = nodeOf(status, host);
  if (node === undefined) return `Tailnet: ${host.name} is not one of its nodes.`;
  return `Tailnet: ${host.name} is ${nodeText(node, now)}.`;
}

/** "online, tag:web tag:eu, 100.64.0.1, node key expires in 9 days". */
export function nodeText(node: TailnetNode, now: number): string {
  return [
    stateText(node, now),
    node.tags.join(' '),
    node.addresses.join(' '),
    expiryText(node, now),
    node.hostKeys.length > 0 ? 'Tailscale SSH' : '',
  ]
    .filter((part) => part !== '')
    .map((part) => visible(part, { keepNewlines: false }))
    .join(', ');
}

/** "online", "expired" or "offline, last seen …". */
export function stateText(node: TailnetNode, now: number): string {
  if (isExpired(node, now)) return 'expired';
  return node.online ? 'online' : `offline${lastSeenText(node, now)}`;
}

/** "node key expires in 9 days" when that is soon; '' otherwise. */
export function expiryText(node: TailnetNode, now: number): string {
  const days = daysLeft(node, now);
  if (days === undefined || isExpired(node, now) || days >= EXPIRY_WARNING_DAYS) return '';
  return `node key expires in ${days} ${days === 1 ? 'day' : 'days'}`;
}
