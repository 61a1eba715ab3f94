/**
 * The floor at run: the whitelist server refuses it by itself, names the rule and asks nobody.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { call, catalogue, type Rig, spec, startRig } from './fixture.ts';

const path = {
  name: 'path',
  description: 'What',
  type: { kind: 'path', roots: [] },
  optional: false,
} as const;

describe('a command that breaks the floor', () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await startRig();
    rig.given.catalogue = [
      ...catalogue,
      spec('remove', 'rm -rf {path}', { params: [path], risk: 'change' }),
      // Stated to be a read: nothing would be asked.
      spec('wipe', 'wipefs -a /dev/sdb'),
    ];
    await rig.restart();
  });
  afterEach(() => rig.close());

  it.each([
    ['wipe', {}, 'writes-a-disk'],
    ['remove', { path: '/' }, 'removes-a-root'],
    ['remove', { path: '/etc/' }, 'removes-a-root'],
  ])('is refused: %s %j', async (command_name, parameters, rule) => {
    const outcome = await call(rig, 'execute_command', { command_name, parameters });

    expect(outcome.kind).not.toBe('approval');
    expect(JSON.stringify(outcome)).toContain(rule);
    expect(rig.runner.ran).toEqual([]);
    expect(rig.audit.events.filter((e) => e.kind === 'call.refused')).toHaveLength(1);
    expect(JSON.stringify(rig.audit.events)).toContain(rule);
  });

  it('is asked about like any other change where its values break no rule', async () => {
    const args = { command_name: 'remove', parameters: { path: '/srv/app/old' } };

    expect((await call(rig, 'execute_command', args)).kind).toBe('approval');
  });
});
