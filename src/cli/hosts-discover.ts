/**
 * `opsagent hosts discover`: entries for the inventory, proposed from the tailnet, on stdout. Nothing is added: a
 * person looks at them, pastes what is wanted, and pins each key with `hosts trust`.
 */
import { userForm } from '../config/hosts.ts';
import { OpsError } from '../core/errors.ts';
import { fingerprintsOf } from '../core/tailnet.ts';
import { type Proposed, proposalYaml, proposeHosts } from '../core/tailnet-propose.ts';
import { stateText } from '../core/tailnet-text.ts';
import { exitCodes } from './exit-codes.ts';
import { clock, openHosts } from './hosts-open.ts';

export interface DiscoverOptions {
  readonly tag?: string;
  readonly user: string;
  readonly json?: boolean;
}

export async function discoverHosts({ tag, user, json }: DiscoverOptions): Promise<number> {
  if (!userForm().test(user))
    throw new OpsError('config-invalid', `--user wants a login name, not ${JSON.stringify(user)}.`);
  const { hosts, tailnet } = openHosts();
  const status = await tailnet.status();
  if (status.kind !== 'running') {
    process.stderr.write(`opsagent: there is no tailnet to look at: ${status.problem}\n`);
    return exitCodes.failed;
  }
  const proposed = proposeHosts(status, hosts, tag);
  if (json) process.stdout.write(`${JSON.stringify(jsonOf(proposed))}\n`);
  else if (proposed.proposals.length > 0) {
    process.stdout.write('# Look at these, then paste them under "hosts:" in config/hosts.yaml.\n');
    process.stdout.write(proposalYaml(proposed.proposals, user, clock.now()));
  }
  process.stderr.write(`${summary(proposed, tag)}\n`);
  return exitCodes.done;
}

function summary({ proposals, known, unfit }: Proposed, tag: string | undefined): string {
  const left = [
    known > 0 ? `${known} in the inventory already` : '',
    unfit > 0 ? `${unfit} that no command runs on (telephones, Windows)` : '',
  ].filter(Boolean);
  const of = tag === undefined ? '' : ` with ${JSON.stringify(tag)}`;
  return `${proposals.length} proposed${of}${left.length > 0 ? `; left out: ${left.join(', ')}` : ''}. Nothing was added.`;
}

function jsonOf({ proposals, known, unfit }: Proposed) {
  return {
    known,
    unfit,
    proposals: proposals.map(({ name, address, tags, lookAlikes, node }) => ({
      name,
      address,
      tags,
      lookAlikes,
      hostName: node.hostName,
      dnsName: node.dnsName,
      os: node.os,
      state: stateText(node, clock.now()),
      fingerprints: fingerprintsOf(node),
    })),
  };
}
