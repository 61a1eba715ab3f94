import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApprovalRequest } from '../../src/core/approval.ts';
import type { CommandSpec } from '../../src/core/command.ts';
import type { SignedVote } from '../../src/core/signed.ts';
import {
  alice,
  askRestart,
  call,
  catalogue,
  host,
  policy,
  type Rig,
  restart,
  spec,
  startRig,
  unitParam,
  votedBy,
} from './fixture.ts';

let rig: Rig;
let approval: ApprovalRequest;
beforeEach(async () => {
  rig = await startRig();
  approval = await askRestart(rig);
});
afterEach(() => rig.close());

const comeBack = (votes: readonly SignedVote[]) =>
  call(rig, 'execute_command', restart, { grant: { sealed: approval.sealed, votes } });

async function expectRefused(outcome: ReturnType<typeof call>, words: RegExp) {
  expect(await outcome).toMatchObject({ kind: 'refused', reason: expect.stringMatching(words) });
  expect(rig.runner.ran).toHaveLength(0);
}

describe('what changed between the question and the run', () => {
  const respec = (text: string, over: Partial<CommandSpec> = {}) =>
    catalogue.map((c) =>
      c.name === 'restart_service'
        ? spec(c.name, text, { category: 'service', params: [unitParam], risk: 'change', ...over })
        : c,
    );

  it.each([
    [
      "the command's text",
      () => ({ catalogue: respec('systemctl reload {service_name}') }),
      /command's text/,
    ],
    [
      "the command's limits",
      () => ({ catalogue: respec('systemctl restart {service_name}', { timeoutSeconds: 99 }) }),
      /limits/,
    ],
    [
      "the host's address",
      () => ({ hosts: [{ ...host, address: '10.0.0.9' }] }),
      /the address of local changed/,
    ],
    ["the host's port", () => ({ hosts: [{ ...host, port: 22 }] }), /the port of local changed/],
    [
      "the host's key",
      () => ({ hosts: [{ ...host, hostKey: { kind: 'fingerprint' as const, sha256: 'SHA256:other' } }] }),
      /the host key of local changed/,
    ],
    ['the login user', () => ({ hosts: [{ ...host, user: 'root' }] }), /the login user of local changed/],
    ["the host's PATH", () => ({ hosts: [{ ...host, path: '/tmp' }] }), /the PATH of local changed/],
    [
      'the rule',
      () => ({ policy: { ...policy, approve: [{ ...policy.approve[0], name: 'stricter' } as never] } }),
      /policy.yaml now asks/,
    ],
    [
      'how many must approve',
      () => ({ policy: { ...policy, approve: [{ ...policy.approve[0], people: 2 } as never] } }),
      /needs the approval of 2/,
    ],
  ])('is named: %s', async (_, change, words) => {
    const votes = [votedBy(alice, approval, rig.clock)];
    Object.assign(rig.given, change());
    await rig.restart();

    await expectRefused(comeBack(votes), words);
    expect(rig.audit.events.at(-1)).toMatchObject({
      kind: 'approval.refused',
      data: { digest: approval.digest, now: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
  });

  it('is named: a key that known_hosts no longer has, though nothing in the inventory changed', async () => {
    const votes = [votedBy(alice, approval, rig.clock)];
    rig.given.keys.set('local', ['SHA256:second']);

    await expectRefused(comeBack(votes), /the host key of local changed/);
  });

  it('is named: a host whose key is not known any more', async () => {
    const votes = [votedBy(alice, approval, rig.clock)];
    rig.given.keys.clear();

    await expectRefused(comeBack(votes), /host key of local is not known/);
  });

  it('is named: a jump host on the way', async () => {
    const votes = [votedBy(alice, approval, rig.clock)];
    rig.given.hosts = [{ ...host, jump: 'bastion' }];
    await rig.restart();

    await expectRefused(comeBack(votes), /the route of local changed/);
  });

  it('is named: the arguments', async () => {
    const votes = [votedBy(alice, approval, rig.clock)];
    const other = { ...restart, parameters: { service_name: 'sshd' } };

    await expectRefused(
      call(rig, 'execute_command', other, { grant: { sealed: approval.sealed, votes } }),
      /the arguments changed/,
    );
  });

  it('is named: another command under the same approval', async () => {
    const votes = [votedBy(alice, approval, rig.clock)];

    await expectRefused(
      call(rig, 'execute_command', { command_name: 'reboot' }, { grant: { sealed: approval.sealed, votes } }),
      /the command and .*changed/,
    );
  });

  it('does not matter elsewhere in the catalogue', async () => {
    const votes = [votedBy(alice, approval, rig.clock)];
    rig.given.catalogue = [...catalogue, spec('new_one', 'true')];
    await rig.restart();

    expect(await comeBack(votes)).toMatchObject({ kind: 'result' });
  });
});
