/**
 * A change whose watching process was killed: what its host still knows is told, and where nobody knows, people and
 * the model are told how to look. It is never run again by itself.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApprovalRequest } from '../../src/core/approval.ts';
import { type CommandResult, endText } from '../../src/core/command.ts';
import { digestOf } from '../../src/core/json.ts';
import { until } from '../contract/until.ts';
import {
  alice,
  askRestart,
  call,
  callId,
  catalogue,
  host,
  policy,
  type Rig,
  restart,
  startRig,
  votedBy,
} from './fixture.ts';

const gone = { pid: 2 ** 22 - 1, started: '1', machine: 'gone' };
/** As the server identifies what the call is for. */
const fingerprintOf = (service_name: string, hosts: readonly string[]) =>
  digestOf({ command: 'restart_service', params: { service_name }, hosts });
const day = 24 * 3_600_000;
const exited: CommandResult = {
  end: { kind: 'exited', code: 0 },
  stdout: 'restarted\n',
  stderr: '',
  truncated: false,
  ms: 7,
};

let rig: Rig;
let approval: ApprovalRequest;
beforeEach(async () => {
  rig = await startRig();
  rig.given.catalogue = catalogue.map((c) =>
    c.name === 'restart_service' ? { ...c, probe: 'service_status' } : c,
  );
  await rig.restart();
  approval = await askRestart(rig);
  rig.runner.ran.length = 0;
});
afterEach(() => rig.close());

const spentAt = (at: number, fingerprint = fingerprintOf('nginx', ['local'])) =>
  writeFileSync(join(rig.dataDir, 'spent', callId), JSON.stringify({ callId, at, fingerprint, owner: gone }));
const again = (tools = rig.tools) =>
  call(rig, 'execute_command', restart, {
    tools,
    grant: { sealed: approval.sealed, votes: [votedBy(alice, approval, rig.clock)] },
  });
const changesRun = () => rig.runner.ran.filter(({ command }) => command.command === 'restart_service');
const ends = () => rig.audit.events.filter((e) => e.kind === 'command.ended' && !e.data?.probe);

describe('a change whose process was killed', () => {
  it('is fetched from the host that kept its result, with the state afterwards', async () => {
    spentAt(rig.clock.now());
    rig.runner.collect = async () => exited;

    const outcome = await again();

    expect(outcome).toMatchObject({
      kind: 'result',
      result: { isError: false, ran: [{ end: { code: 0 }, probe: { after: expect.anything() } }] },
    });
    expect(changesRun()).toEqual([]);
    expect(ends()).toMatchObject([{ data: { outcome: 'exit 0' } }]);
  });

  it('was not run where its host has never begun it: said so, and not run by itself', async () => {
    spentAt(rig.clock.now());

    const outcome = await again();

    expect(outcome).toMatchObject({
      kind: 'refused',
      reason: expect.stringMatching(/^It was not run: .* Ask again/),
    });
    expect(await again()).toEqual(outcome);
    expect(changesRun()).toEqual([]);
    expect(ends()[0]).toMatchObject({ data: { outcome: expect.stringContaining('not run') } });
  });

  it('goes on there when whoever asks for its result is gone too, and the next one gets it', async () => {
    spentAt(rig.clock.now());
    const asked: AbortSignal[] = [];
    let end = (_: CommandResult) => {};
    rig.runner.collect = (_id, _command, _host, signal) => {
      asked.push(signal);
      return new Promise((resolve) => {
        end = resolve;
      });
    };
    const first = rig.connect();
    const lost = again(first);
    await until('the host to be asked', () => asked.length === 1);

    await first.close();
    expect(await lost).toMatchObject({ kind: 'unavailable' });
    const next = again();
    expect(asked.map((signal) => signal.aborted)).toEqual([false]);
    end(exited);

    expect(await next).toMatchObject({ kind: 'result', result: { isError: false } });
  });

  it('is not ended on its host by somebody who asks for its result and is gone at once', async () => {
    spentAt(rig.clock.now());
    const asked: AbortSignal[] = [];
    rig.runner.collect = async (_id, _command, _host, signal) => {
      asked.push(signal);
      return signal.aborted ? { ...exited, end: { kind: 'cancelled', ended: true } } : exited;
    };

    for (let n = 0; n < 20; n++) {
      const hasty = rig.connect();
      const outcome = again(hasty);
      // At another moment of the way each time.
      for (let turn = 0; turn < n; turn++) await new Promise((resolve) => setImmediate(resolve));
      await hasty.close();
      await outcome;
    }

    expect(await again()).toMatchObject({ kind: 'result', result: { isError: false } });
    expect(asked.filter((signal) => signal.aborted)).toEqual([]);
  });

  it.each([
    ['the host may have dropped its records since', () => spentAt(rig.clock.now() - 7 * day)],
    ['nobody knows since when', () => spentAt(Number.NaN)],
    ['the clock went back', () => spentAt(rig.clock.now() + day)],
    [
      'the host cannot be asked',
      () => {
        spentAt(rig.clock.now());
        rig.runner.collect = async () => ({
          ...exited,
          end: { kind: 'lost', problem: 'local cannot be asked' },
        });
      },
    ],
  ])('is unknown where %s, with the command that shows what became of it', async (_, happens) => {
    happens();

    const outcome = await again();

    expect(outcome).toMatchObject({
      kind: 'lost',
      reason: expect.stringMatching(/Look at it with: service_status service_name=nginx on local\.$/),
    });
    expect(await again()).toEqual(outcome);
    expect(changesRun()).toEqual([]);
  });

  it('is unknown without a hint where the catalogue names no command to look with', async () => {
    rig.given.catalogue = catalogue;
    await rig.restart();
    spentAt(Number.NaN);

    const outcome = await again();

    expect(outcome).toMatchObject({ kind: 'lost', reason: expect.not.stringContaining('Look at it') });
  });
});

describe('the record of a change whose process was killed', () => {
  const collects = () => {
    const asked: string[] = [];
    rig.runner.collect = async (_id, _command, on) => {
      asked.push(on.name);
      return exited;
    };
    return asked;
  };

  it('answers for what was begun under it alone: another command is refused, and no host is asked', async () => {
    spentAt(rig.clock.now(), fingerprintOf('sshd', ['local']));
    const asked = collects();
    rig.given.policy = { ...policy, ask: [] };

    expect(await again()).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('under the id of this call'),
    });
    expect(asked).toEqual([]);
  });

  it('that does not say what was begun is lost, and no host is asked', async () => {
    writeFileSync(
      join(rig.dataDir, 'spent', callId),
      JSON.stringify({ callId, at: rig.clock.now(), owner: gone }),
    );
    const asked = collects();

    expect(await again()).toMatchObject({ kind: 'lost' });
    expect(asked).toEqual([]);
  });
});

describe('a change on several hosts whose process was killed', () => {
  const names = ['web-1', 'web-2', 'web-3'];
  const onWeb = { ...restart, host: '@web' };
  type Known = 'ran' | 'failed' | 'lost' | 'none';

  async function found(known: Readonly<Record<string, Known>>) {
    const outcome = await call(rig, 'execute_command', onWeb);
    if (outcome.kind !== 'approval') throw new Error('no question');
    const { request } = outcome;
    spentAt(rig.clock.now(), fingerprintOf('nginx', names));
    const asked: string[] = [];
    rig.runner.collect = async (_id, _command, on) => {
      asked.push(on.name);
      const end: Readonly<Record<Known, CommandResult | undefined>> = {
        ran: exited,
        failed: { ...exited, end: { kind: 'exited', code: 1 } },
        lost: { ...exited, end: { kind: 'lost', problem: `${on.name} cannot be asked` } },
        none: undefined,
      };
      return end[known[on.name] ?? 'none'];
    };
    const grant = { sealed: request.sealed, votes: [votedBy(alice, request, rig.clock)] };
    return { asked, reply: await call(rig, 'execute_command', onWeb, { grant }) };
  }
  beforeEach(async () => {
    rig.given.hosts = names.map((name, i) => ({
      ...host,
      name,
      address: `10.0.0.${i + 1}`,
      tags: ['web'],
    }));
    for (const name of names) rig.given.keys.set(name, ['SHA256:first']);
    await rig.restart();
  });

  it('was not run only where all of them say so', async () => {
    const { asked, reply } = await found({});

    expect(asked.sort()).toEqual(names);
    expect(reply).toMatchObject({ kind: 'refused', reason: expect.stringMatching(/^It was not run: /) });
    expect(ends().filter((e) => /not run/.test(String(e.data?.outcome)))).toHaveLength(3);
  });

  it('ran as far as they say in their order, and the others were not touched', async () => {
    const { asked, reply } = await found({ 'web-1': 'ran' });

    expect(asked.sort()).toEqual(names);
    expect(reply).toMatchObject({ kind: 'result', result: { ran: [{ host: 'web-1' }] } });
    expect(JSON.stringify(reply)).toMatch(/web-2[^}]*before it came to this host/);
  });

  it('that failed on one and ran on the next all the same is told with both', async () => {
    const { asked, reply } = await found({ 'web-1': 'failed', 'web-2': 'ran' });

    expect(asked.sort()).toEqual(names);
    expect(reply).toMatchObject({ kind: 'result' });
    const ran = reply.kind === 'result' ? reply.result.ran : [];
    expect(new Map(ran.map((r) => [r.host, endText(r.end)]))).toEqual(
      new Map([
        ['web-1', 'exit 1'],
        ['web-2', 'exit 0'],
      ]),
    );
  });

  it('is lost where one without a record stands before others that have run it, and those are named', async () => {
    const { asked, reply } = await found({ 'web-2': 'ran', 'web-3': 'failed' });

    expect(asked.sort()).toEqual(names);
    expect(reply).toMatchObject({
      kind: 'lost',
      reason: expect.stringMatching(
        /No record of it on: web-1\..* web-2 it ended: exit 0.* web-3 it ended: exit 1/,
      ),
    });
    expect(JSON.stringify(reply)).not.toContain('not run');
  });

  it('is lost where one cannot be asked; how it ended on others, and where it was not begun, is named', async () => {
    const { reply } = await found({ 'web-1': 'ran', 'web-2': 'lost' });

    expect(reply).toMatchObject({
      kind: 'lost',
      reason: expect.stringMatching(/web-2 cannot be asked.*Not begun on: web-3\..*web-1 it ended: exit 0/),
    });
  });
});
