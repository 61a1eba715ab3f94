import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApprovalRequest } from '../../src/core/approval.ts';
import type { CommandResult, CommandSpec, RenderedCommand } from '../../src/core/command.ts';
import { callIdFor } from '../../src/core/ids.ts';
import { openHostLocks } from '../../src/whitelist/host-lock.ts';
import { thread } from '../fakes/requests.ts';
import {
  alice,
  call,
  catalogue,
  host,
  policy,
  type Rig,
  run,
  spec,
  startRig,
  unitParam,
  votedBy,
} from './fixture.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await startRig();
  rig.given.hosts = ['web-1', 'web-2', 'web-3'].map((name, i) => ({
    ...host,
    name,
    address: `10.0.0.${i + 1}`,
    tags: ['web'],
  }));
  for (const { name } of rig.given.hosts) rig.given.keys.set(name, [`SHA256:${name}`]);
  rig.given.catalogue = catalogue
    .map((c) => (c.name === 'restart_service' ? { ...c, probe: 'service_status', undo: 'stop_service' } : c))
    .concat(spec('stop_service', 'systemctl stop {service_name}', { params: [unitParam], risk: 'change' }));
  await rig.restart();
});
afterEach(() => rig.close());

const withProbe = (over: Partial<CommandSpec>) =>
  rig.given.catalogue.map((c) => (c.name === 'service_status' ? { ...c, ...over } : c));

const onWeb = { command_name: 'restart_service', parameters: { service_name: 'nginx' }, host: '@web' };

async function ask(args = onWeb): Promise<ApprovalRequest> {
  const outcome = await call(rig, 'execute_command', args);
  if (outcome.kind !== 'approval') throw new Error(`expected an approval, got ${JSON.stringify(outcome)}`);
  return outcome.request;
}

const comeBack = (approval: ApprovalRequest, args = onWeb) =>
  call(rig, 'execute_command', args, {
    grant: { sealed: approval.sealed, votes: [votedBy(alice, approval, rig.clock)] },
  });

const answers = (end: CommandResult['end'], stdout = 'done\n'): CommandResult => ({
  end,
  stdout,
  stderr: '',
  truncated: false,
  ms: 1,
});

/** Each answer is fenced anew. */
const unfenced = (outcome: unknown) => JSON.stringify(outcome).replace(/id=\\"[\w-]+/g, '');

const changes = () =>
  rig.runner.ran.filter((r) => r.command.command === 'restart_service').map((r) => r.host.name);

describe('a change on several hosts', () => {
  it('is one question that shows them all, with address, login and key', async () => {
    const approval = await ask();

    expect(approval.subject.targets).toEqual(
      ['web-1', 'web-2', 'web-3'].map((name, i) => ({
        host: name,
        address: `10.0.0.${i + 1}:2222`,
        login: 'ops',
        hostKey: `SHA256:${name}`,
      })),
    );
  });

  it('runs on one after another', async () => {
    const approval = await ask();
    let running = 0;
    const most: number[] = [];
    const { run: original } = rig.runner;
    rig.runner.run = async (command, ...rest) => {
      most.push(++running);
      const result = await original.call(rig.runner, command, ...rest);
      running -= 1;
      return result;
    };

    expect(await comeBack(approval)).toMatchObject({ kind: 'result' });

    expect(changes()).toEqual(['web-1', 'web-2', 'web-3']);
    expect(Math.max(...most)).toBe(1);
    expect(
      rig.audit.events
        .filter(
          (e) => e.kind === 'command.started' && e.data?.command === 'restart_service' && !e.data?.probe,
        )
        .map((e) => e.data?.host),
    ).toEqual(['web-1', 'web-2', 'web-3']);
  });

  it('stops at the first that fails, and says which were not touched', async () => {
    const approval = await ask();
    rig.runner.answer = (command: RenderedCommand) =>
      answers({
        kind: 'exited',
        code: command.command === 'restart_service' && command.host === 'web-2' ? 1 : 0,
      });

    const outcome = await comeBack(approval);

    expect(changes()).toEqual(['web-1', 'web-2']);
    expect(outcome).toMatchObject({ kind: 'result' });
    expect(JSON.stringify(outcome)).toMatch(/web-3[^}]*stopped after web-2/);
  });

  it('is refused when one of them changed since it was approved, by name', async () => {
    const approval = await ask();
    rig.given.keys.set('web-3', ['SHA256:other']);

    expect(await comeBack(approval)).toMatchObject({
      kind: 'refused',
      reason: expect.stringMatching(/the host key of web-3 changed/),
    });
    expect(changes()).toEqual([]);
  });

  it('is refused when the group has another host since it was approved', async () => {
    const approval = await ask();
    rig.given.hosts = rig.given.hosts.slice(0, 2);
    await rig.restart();

    expect(await comeBack(approval)).toMatchObject({
      kind: 'refused',
      reason: expect.stringMatching(/the hosts changed/),
    });
  });

  it('is refused when they would be changed in another order than was shown', async () => {
    const approval = await ask();
    rig.given.hosts = [...rig.given.hosts].reverse();
    await rig.restart();

    expect(await comeBack(approval)).toMatchObject({
      kind: 'refused',
      reason: expect.stringMatching(/: the order of the hosts changed/),
    });
    expect(changes()).toEqual([]);
  });

  it('names the hosts that it was not begun on when it is lost on one before', async () => {
    const approval = await ask();
    rig.runner.answer = ({ command, host: on }) =>
      answers(
        command === 'restart_service' && on === 'web-2'
          ? { kind: 'lost', problem: 'the connection was lost' }
          : { kind: 'exited', code: 0 },
      );

    expect(await comeBack(approval)).toMatchObject({
      kind: 'lost',
      reason: expect.stringMatching(/web-2 was started.*Not begun on: web-3\..*On web-1 it ended: exit 0/),
    });
  });

  it('is not asked when its hosts fall under different rules', async () => {
    rig.given.hosts = rig.given.hosts.map((h) => (h.name === 'web-3' ? { ...h, tags: ['web', 'db'] } : h));
    const [rule] = policy.approve;
    if (!rule) throw new Error('no rule');
    rig.given.policy = { ...policy, approve: [{ ...rule, name: 'dba', hosts: ['@db'] }, rule] };
    await rig.restart();

    expect(await call(rig, 'execute_command', onWeb)).toMatchObject({
      kind: 'refused',
      reason: expect.stringMatching(/different approval rules/),
    });
  });

  it('gives its kept result again, host by host, and runs nowhere twice', async () => {
    const approval = await ask();
    const first = await comeBack(approval);
    await rig.restart();

    expect(unfenced(await comeBack(approval))).toBe(unfenced(first));
    expect(changes()).toHaveLength(3);
  });
});

describe('a host that is being changed', () => {
  it('takes no second change: it is told who holds it, and in which thread', async () => {
    const approval = await ask({ ...onWeb, host: 'web-2' });
    const held = await openHostLocks(rig.dataDir).take(['web-2'], {
      who: 'Bob',
      what: 'systemctl stop mysql',
      call: 'other',
      conversation: { ...thread, thread: 't77' },
    });
    if (!held.ok) throw new Error(held.problem);

    const outcome = await comeBack(approval, { ...onWeb, host: 'web-2' });

    expect(outcome).toMatchObject({
      kind: 'refused',
      reason: expect.stringMatching(/web-2 .*Bob.*stop mysql.*t77/),
    });
    expect(changes()).toEqual([]);
    await held.release();
    expect(await comeBack(approval, { ...onWeb, host: 'web-2' })).toMatchObject({ kind: 'result' });
  });
});

describe('the state of the hosts', () => {
  const args = { ...onWeb, host: 'web-1' };
  let state = 'active since 41 days';
  beforeEach(() => {
    state = 'active since 41 days';
    rig.runner.answer = (command) => {
      if (command.command === 'service_status') return answers({ kind: 'exited', code: 0 }, `${state}\n`);
      state = 'active since 1 second';
      return answers({ kind: 'exited', code: 0 });
    };
  });

  it('stands on the card before anybody decides, looked at with the values of the change', async () => {
    const approval = await ask(args);

    expect(approval.subject.state).toEqual([
      { host: 'web-1', line: 'systemctl status nginx', text: 'active since 41 days' },
    ]);
    expect(changes()).toEqual([]);
  });

  it('is part of what is approved: another state is another digest', async () => {
    const { digest } = await ask(args);
    state = 'failed';
    await rig.restart();
    const other = await call(rig, 'execute_command', args, { callId: callIdFor(run, 1) });

    expect(other).toMatchObject({ kind: 'approval' });
    expect(JSON.stringify(other)).not.toContain(digest);
  });

  it('is looked at again after the change, before and after side by side, with what reverses it', async () => {
    const approval = await ask(args);

    const outcome = await comeBack(approval, args);

    expect(outcome).toMatchObject({
      kind: 'result',
      result: {
        text: expect.stringMatching(
          /before:\nactive since 41 days\nafter:\nactive since 1 second[\s\S]*stop_service service_name=nginx/,
        ),
        ran: [
          {
            probe: {
              line: 'systemctl status nginx',
              before: 'active since 41 days',
              after: 'active since 1 second',
            },
            undo: { command: 'stop_service', params: { service_name: 'nginx' } },
          },
        ],
      },
    });
  });

  it('that cannot be looked at is said, and the question is put all the same', async () => {
    rig.runner.answer = () => answers({ kind: 'unreachable', problem: 'web-1 refused the connection' }, '');

    expect((await ask(args)).subject.state).toEqual([
      {
        host: 'web-1',
        line: 'systemctl status nginx',
        text: expect.stringMatching(/refused the connection/),
      },
    ]);
  });

  it.each<[string, () => void, RegExp]>([
    [
      'somebody who may not read there',
      () => {
        rig.given.policy = {
          ...policy,
          ask: [{ name: 'changes-only', who: ['Owner'], risk: ['change'], hosts: ['all'] }],
        };
      },
      /policy.yaml does not allow service_status .*changes-only/,
    ],
    [
      'a host that the catalogue leaves out',
      () => {
        rig.given.catalogue = withProbe({ hosts: ['@db'] });
      },
      /leaves this host out of service_status/,
    ],
    [
      'a command under the floor',
      () => {
        rig.given.catalogue = withProbe({ floor: 'it wipes disks' });
      },
      /service_status never runs: it wipes disks/,
    ],
  ])('is not looked at for %s, and the card says so', async (_, given, why) => {
    given();
    await rig.restart();

    const approval = await ask(args);

    expect(approval.subject.state).toMatchObject([{ text: expect.stringMatching(/^not looked at: /) }]);
    expect(approval.subject.state?.[0]?.text).toMatch(why);
    expect(rig.runner.ran).toEqual([]);
  });

  it('that cannot be looked at afterwards changes nothing about what is told of the change', async () => {
    const approval = await ask(args);
    const { run: original } = rig.runner;
    rig.runner.run = (command, ...rest) => {
      if (command.command === 'service_status') throw new Error('the host spoke of a record');
      return original.call(rig.runner, command, ...rest);
    };

    expect(await comeBack(approval, args)).toMatchObject({
      kind: 'result',
      result: { ran: [{ end: { code: 0 }, probe: { after: 'not looked at: it failed' } }] },
    });
    expect(changes()).toEqual(['web-1']);
  });

  it('does not keep a stop waiting', async () => {
    const approval = await ask(args);
    const stop = new AbortController();
    const { run: original } = rig.runner;
    rig.runner.run = (command, on, signal, ...rest) =>
      command.command === 'service_status'
        ? new Promise(() => {})
        : original.call(rig.runner, command, on, signal, ...rest);
    rig.runner.hold();
    const outcome = call(rig, 'execute_command', args, {
      signal: stop.signal,
      grant: { sealed: approval.sealed, votes: [votedBy(alice, approval, rig.clock)] },
    });
    await rig.runner.begun(2);

    const stopped = performance.now();
    stop.abort();

    expect(await outcome).toMatchObject({
      kind: 'result',
      result: { ran: [{ end: { kind: 'cancelled' }, probe: { after: 'not looked at: it was stopped' } }] },
    });
    expect(performance.now() - stopped).toBeLessThan(1_000);
  });

  it('is cut between characters, never within one', async () => {
    state = `ok\n${'😀'.repeat(400)}`;

    const text = (await ask(args)).subject.state?.[0]?.text ?? '';

    expect(text.length).toBeLessThanOrEqual(401);
    expect(text).toMatch(/😀…$/u);
    expect(text).not.toMatch(/\p{Surrogate}/u);
  });

  it('of many hosts says how many were not looked at', async () => {
    rig.given.hosts = Array.from({ length: 13 }, (_, i) => ({ ...host, name: `web-${i}`, tags: ['web'] }));
    for (const { name } of rig.given.hosts) rig.given.keys.set(name, ['SHA256:first']);
    await rig.restart();

    const { subject } = await ask();

    expect(subject.targets).toHaveLength(13);
    expect(subject.state).toHaveLength(11);
    expect(subject.state?.at(-1)?.text).toBe('3 further hosts not looked at');
  });
});

describe('what fails here while a change runs', () => {
  it('makes it lost, kept as that and on record, never refused', async () => {
    const approval = await ask();
    const { run: original } = rig.runner;
    rig.runner.run = async (command, on, ...rest) => {
      const result = await original.call(rig.runner, command, on, ...rest);
      // What cannot be counted or cleaned: no host can send this, a defect of ours could.
      return on.name === 'web-2' ? { ...result, end: undefined as unknown as CommandResult['end'] } : result;
    };

    const outcome = await comeBack(approval);
    await rig.restart();

    expect(outcome).toMatchObject({
      kind: 'lost',
      reason: expect.stringMatching(
        /program that watched it failed.*Not begun on: web-3\..*web-1 it ended: exit 0/,
      ),
    });
    expect(await comeBack(approval)).toEqual(outcome);
    expect(changes()).toEqual(['web-1', 'web-2']);
    expect(rig.audit.events.at(-1)).toMatchObject({ kind: 'command.ended', data: { end: 'lost' } });
  });
});

describe('a question about very many hosts', () => {
  const many = async (domain: string) => {
    rig.given.hosts = Array.from({ length: 200 }, (_, i) => ({
      ...host,
      name: `production-webserver-${i}`,
      address: `production-webserver-${i}.${domain}`,
      hostKey: { kind: 'known-hosts' as const, file: '/home/opsagent/.ssh/known_hosts' },
      path: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      tags: ['web'],
    }));
    const keys = [1, 2, 3].map((n) => `SHA256:${String(n).repeat(43)}`);
    for (const { name } of rig.given.hosts) rig.given.keys.set(name, keys);
    await rig.restart();
  };

  it('can be answered where it is put', async () => {
    await many('eu-central-1.internal.example.com');

    expect(await comeBack(await ask())).toMatchObject({ kind: 'result' });
    expect(changes()).toHaveLength(200);
  });

  it('is not put where its answer could not be kept or opened', async () => {
    await many(`${'a-long-name-of-a-place.'.repeat(7)}internal.example.com`);

    expect(await call(rig, 'execute_command', onWeb)).toMatchObject({
      kind: 'refused',
      reason: expect.stringMatching(/^too many hosts for one approval: 200 /),
    });
    expect(rig.audit.events.filter((e) => e.kind === 'approval.asked')).toEqual([]);
  });
});
