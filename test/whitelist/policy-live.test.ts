/**
 * R13 over a real policy.yaml that is edited while bot and whitelist server run: people and groups are read at the
 * click and again before anything runs.
 */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadPolicy } from '../../src/config/policy.ts';
import type { LivePolicy } from '../../src/config/policy-live.ts';
import type { ApprovalRequest } from '../../src/core/approval.ts';
import { sha256 } from '../../src/core/json.ts';
import { mayVote } from '../../src/core/policy-votes.ts';
import { openPolicy } from '../../src/wire/policy.ts';
import { recordingLogger } from '../fakes/logger.ts';
import { alice, askRestart, bob, call, type Rig, restart, startRig, votedBy } from './fixture.ts';

const text = `people:
  owner: { console: owner }
  alice: { console: alice }
  bob: { console: bob }
ask:
  - { name: asks, who: [owner], risk: [read, change], hosts: [all] }
approve:
  - { name: changes, risk: [change], hosts: [all], who: [alice, bob] }
`;
let rig: Rig;
let live: LivePolicy;
let approval: ApprovalRequest;
let dir = '';
const logger = recordingLogger();

/** As an editor saves: written beside it and renamed. The rig's clock is years away, so that it counts at once. */
const edit = (edited: string) => {
  writeFileSync(join(dir, 'new'), edited);
  renameSync(join(dir, 'new'), join(dir, 'policy.yaml'));
};
const click = (who: string) =>
  mayVote(live.now(), 'changes', { account: `console:${who}`, groups: [] }, ['console:owner']);

beforeEach(async () => {
  rig = await startRig();
  dir = mkdtempSync(join(tmpdir(), 'policy-'));
  edit(text);
  const policySource = {
    path: join(dir, 'policy.yaml'),
    shown: 'policy.yaml',
    hash: sha256(text),
    known: {},
  };
  const { policy } = loadPolicy('policy.yaml', text);
  live = openPolicy({ policy, policySource }, { audit: rig.audit, clock: rig.clock, logger });
  Object.defineProperty(rig.given, 'policy', { get: () => live.now() });
  approval = await askRestart(rig);
});
afterEach(async () => {
  await rig.close();
  rmSync(dir, { recursive: true, force: true });
});

const run = (who = alice) =>
  call(rig, 'execute_command', restart, {
    grant: { sealed: approval.sealed, votes: [votedBy(who, approval, rig.clock)] },
  });

describe('an approver removed from policy.yaml', () => {
  it('between card and click may not decide', () => {
    expect(click('alice').ok).toBe(true);
    edit(text.replace('[alice, bob]', '[bob]'));

    expect(click('alice')).toMatchObject({ ok: false, reason: expect.stringContaining('not among those') });
  });

  it('between click and run has not decided: nothing runs, and who changed what is on record', async () => {
    expect(click('alice').ok).toBe(true);
    edit(text.replace('[alice, bob]', '[bob]'));

    expect(await run()).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('not among those who may decide'),
    });
    expect(rig.runner.ran).toHaveLength(0);
    expect(rig.audit.events).toContainEqual({
      kind: 'config.loaded',
      data: {
        file: 'policy.yaml',
        hash: sha256(text.replace('[alice, bob]', '[bob]')),
        changes: ['approval rule changes changed'],
      },
    });
    expect(await run(bob)).toMatchObject({ kind: 'result' });
  });

  it('by an edit with a mistake is still an approver, and the log says why', async () => {
    edit(text.replace('[alice, bob]', '[bbo]'));

    expect(await run()).toMatchObject({ kind: 'result' });
    expect(JSON.stringify(logger)).toMatch(/policy not taken, the old one is kept/);
    expect(live.problems()).toHaveLength(1);
  });
});

it('a requester removed between click and run has asked for nothing', async () => {
  edit(text.replace('who: [owner]', 'who: []'));

  expect(await run()).toMatchObject({
    kind: 'refused',
    reason: expect.stringContaining('No rule lets owner ask'),
  });
  expect(rig.runner.ran).toHaveLength(0);
});

it('a right that was given while the server runs counts at the next call', async () => {
  edit(text.replace('hosts: [all] }\napprove', 'hosts: ["@web"] }\napprove'));
  expect(await call(rig, 'check_disk', {})).toMatchObject({ kind: 'refused' });
  edit(text);

  expect(await call(rig, 'check_disk', {})).toMatchObject({ kind: 'result' });
});
