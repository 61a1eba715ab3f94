/**
 * A runner that asks the tailnet first: a host that is offline or expired there, or whose known key is none of those
 * its node lists, is refused before anything is dialled. Where there is no tailnet nothing changes.
 */
import { readFile } from 'node:fs/promises';
import type { CommandEnd, CommandResult, Host } from '../core/command.ts';
import type { Clock, CommandRunner, Logger } from '../core/ports.ts';
import {
  fingerprintsOf,
  isTailnetAddress,
  keysOf,
  listsKey,
  nodeOf,
  nodeProblem,
  type Tailnet,
  type TailnetNode,
  type TailnetStatus,
} from '../core/tailnet.ts';
import { fingerprint, type ReadFile, type TailnetKeys } from './ssh/host-key.ts';
import { lookUpKnown } from './ssh/known-hosts.ts';

export interface TailnetGuardOptions {
  readonly tailnet: Tailnet;
  /** The inventory, for the jump hosts on the way. */
  readonly hosts: readonly Host[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** Reads known_hosts files; default the file system. */
  readonly readFile?: ReadFile;
}

/** Wraps a runner. A status that cannot be had is logged and lets the command go on to the host key check of SSH. */
export function guardByTailnet(runner: CommandRunner, options: TailnetGuardOptions): CommandRunner {
  const { clock, logger } = options;
  const ask = async (host: Host) => {
    const status = await options.tailnet.status();
    if (status.kind === 'failed') logger.warn({ problem: status.problem }, 'tailnet status not known');
    const problem = await tailnetRefusal(status, host, options);
    if (problem !== undefined) logger.warn({ host: host.name, problem }, 'host refused by the tailnet');
    return { status, problem };
  };
  return {
    async run(...call) {
      const [, host] = call;
      const began = clock.now();
      const { status, problem } = await ask(host);
      if (problem !== undefined) return notDialled({ kind: 'unreachable', problem }, clock.now() - began);
      return explained(await runner.run(...call), status, host);
    },
    async collect(...call) {
      const [, , host] = call;
      const began = clock.now();
      const { problem } = await ask(host);
      // It was begun before: what became of it is not known while the host may not be asked.
      if (problem !== undefined) return notDialled({ kind: 'lost', problem }, clock.now() - began);
      return runner.collect(...call);
    },
    close: () => runner.close(),
  };
}

/** For the runner: the keys of a host whose key is the tailnet's to say (`host_key: tailnet`). */
export function tailnetKeysFrom(tailnet: Tailnet): TailnetKeys {
  return async (host) => {
    const status = await tailnet.status();
    if (status.kind !== 'running') return { ok: false, problem: status.problem };
    const node = nodeOf(status, host);
    if (node === undefined) return { ok: false, problem: `it has no node with the address ${host.address}` };
    return { ok: true, keys: keysOf(node) };
  };
}

/** Why this host, or a jump host on the way to it, is refused; undefined when it is not. */
export async function tailnetRefusal(
  status: TailnetStatus,
  host: Host,
  options: Pick<TailnetGuardOptions, 'hosts' | 'clock' | 'readFile'>,
): Promise<string | undefined> {
  if (status.kind !== 'running') return undefined;
  const { hosts, clock } = options;
  for (const each of wayTo(host, hosts)) {
    const node = nodeOf(status, each);
    if (node === undefined) continue;
    const problem =
      nodeProblem(node, each, clock.now()) ??
      (await keyProblem(node, each, options.readFile ?? ((path) => readFile(path))));
    if (problem !== undefined) return each === host ? problem : `the jump host of ${host.name}: ${problem}`;
  }
  return undefined;
}

/** The jump hosts, the nearest to us first, then the host. */
function wayTo(host: Host, hosts: readonly Host[]): readonly Host[] {
  const way = [host];
  for (let last = host; last.jump !== undefined; ) {
    const next = hosts.find(({ name }) => name === last.jump);
    if (next === undefined || way.includes(next)) break;
    way.unshift(next);
    last = next;
  }
  return way;
}

/** A host with no known key at all is left to the runner, which says how to trust it. */
async function keyProblem(node: TailnetNode, host: Host, read: ReadFile): Promise<string | undefined> {
  const known = await knownFingerprints(host, read);
  if (known.length === 0 || listsKey(node, known)) return undefined;
  return (
    `the host key of ${host.name} is not one that the tailnet lists for it: ${host.hostKey.kind === 'fingerprint' ? 'pinned' : 'known'} ` +
    `${known.join(', ')}, the tailnet lists ${fingerprintsOf(node).join(', ')}. Nothing was sent; find out why before you change either`
  );
}

async function knownFingerprints(
  { hostKey, address, port }: Host,
  read: ReadFile,
): Promise<readonly string[]> {
  switch (hostKey.kind) {
    case 'tailnet':
      return [];
    case 'fingerprint':
      return [`SHA256:${hostKey.sha256.replace(/^SHA256:/, '').replaceAll('=', '')}`];
    case 'known-hosts':
      try {
        const text = (await read(hostKey.file)).toString('utf8');
        return lookUpKnown(text, address, port).keys.map(({ key }) => fingerprint(key));
      } catch {
        // The runner reads the same file and says what is wrong with it.
        return [];
      }
    default:
      return hostKey satisfies never;
  }
}

/** What SSH could not reach while our own tailscaled is not connected has that as its likely cause. */
function explained(result: CommandResult, status: TailnetStatus, host: Host): CommandResult {
  const { end } = result;
  if (end.kind !== 'unreachable' || status.kind !== 'down' || !isTailnetAddress(host.address)) return result;
  return { ...result, end: { kind: 'unreachable', problem: `${end.problem}. ${status.problem}` } };
}

function notDialled(end: CommandEnd, ms: number): CommandResult {
  return { end, stdout: '', stderr: '', truncated: false, ms };
}
