/**
 * `opsagent people` and `opsagent approvals` as they are typed, against a real console over HTTP.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readAudit } from '../../src/backends/audit-read.ts';
import type { ListedApproval } from '../../src/core/open-approvals.ts';
import { findApproval } from '../../src/core/run.ts';
import { main } from '../../src/main.ts';
import { token as ownerToken } from '../adapters/console/started.ts';
import { askedOfBoth, closeAll, newDataDir, startWithPeople } from '../adapters/console/with-people.ts';

let dir = '';
beforeEach(() => {
  dir = newDataDir();
  vi.stubEnv('OPSAGENT_DATA_DIR', dir);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await closeAll();
});

/** One command line, with a person's token or the owner's from the data directory. */
async function opsagent(line: string, token?: string) {
  const said = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((to) =>
    vi.spyOn(process[to], 'write').mockImplementation((text) => {
      said[to] += String(text);
      return true;
    }),
  );
  if (token !== undefined) vi.stubEnv('OPSAGENT_TOKEN', token);
  try {
    process.exitCode = 0;
    await main(line.split(' '));
    return { code: Number(process.exitCode), ...said };
  } finally {
    process.exitCode = 0;
    vi.stubEnv('OPSAGENT_TOKEN', undefined);
    for (const spy of spies) spy.mockRestore();
  }
}

async function add(name: string): Promise<string> {
  const { stdout } = await opsagent(`people add ${name} --json`);
  return (JSON.parse(stdout) as { token: string }).token;
}

async function started() {
  const it0 = await startWithPeople(dir);
  vi.stubEnv('UI_PORT', new URL(it0.console.url()).port);
  writeFileSync(join(dir, 'console.token'), `${ownerToken}\n`);
  const { run, request } = askedOfBoth();
  await it0.store.create(run);
  const votes = async () => {
    const now = await it0.store.load(run.id);
    return (
      now && findApproval(now, request.id)?.votes.map((v) => `${v.statement.user.id} ${v.statement.verdict}`)
    );
  };
  return { ...it0, run, request, votes };
}

describe('opsagent people', () => {
  it('adds somebody: the link once, the line for the policy, an audit line, and no token on disk', async () => {
    vi.stubEnv('UI_PORT', '7999');
    const { code, stdout } = await opsagent('people add ada');
    const token = /http:\/\/127\.0\.0\.1:7999\/\?token=(\S+)/.exec(stdout)?.[1] ?? '';

    expect([code, token.length]).toEqual([0, 43]);
    expect(stdout).toContain('ada: { console: ada }');
    expect(readFileSync(join(dir, 'people.json'), 'utf8')).not.toContain(token);
    expect(readAudit(join(dir, 'audit'))).toMatchObject([
      { kind: 'people.added', who: 'console:owner', data: { name: 'ada' } },
    ]);
    expect((await opsagent('people list')).stdout).toMatch(/^ada +added .* UTC +last used never$/m);
  });

  it.each(['owner', 'Ada', 'a,b', '0wner'])(
    'refuses the name %s with exit code 2, and audits nothing',
    async (name) => {
      const { code, stderr } = await opsagent(`people add ${name}`);

      expect([code, stderr]).toEqual([2, expect.stringContaining('cannot be added')]);
      expect(readAudit(join(dir, 'audit'))).toEqual([]);
    },
  );

  it('removes somebody, once', async () => {
    await add('ada');

    expect((await opsagent('people remove ada')).code).toBe(0);
    expect(await opsagent('people remove ada')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('nobody'),
    });
    expect(readAudit(join(dir, 'audit')).map((e) => e.kind)).toEqual(['people.added', 'people.removed']);
    expect((await opsagent('people list')).stdout).not.toContain('ada');
  });
});

describe('opsagent approvals', () => {
  it('lists and shows to each person what they may see; the owner, an admin, sees all', async () => {
    const { request } = await started();
    const [ada, mel] = [await add('ada'), await add('mel')];

    for (const token of [ada, undefined]) {
      expect((await opsagent('approvals list', token)).stdout).toContain(
        `${request.id}  systemctl restart nginx`,
      );
      const shown = await opsagent(`approvals show ${request.id}`, token);
      expect(shown.stdout).toMatch(/^on +web-1 as ops@100\.64\.0\.7, host key SHA256:abc$/m);
    }
    expect((await opsagent('approvals', mel)).stdout).toMatch(/^No open approval/);
    expect(await opsagent(`approvals show ${request.id}`, mel)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('This is not an open approval of mine.'),
    });
    const { stdout } = await opsagent('approvals list --json', ada);
    expect((JSON.parse(stdout) as { approvals: ListedApproval[] }).approvals).toMatchObject([
      { card: { approvalId: request.id }, mayDecide: true },
    ]);
  });

  it('approves as two people, of whom the same one twice counts once, each shown the card first', async () => {
    const { request, votes } = await started();
    const [ada, grace] = [await add('ada'), await add('grace')];
    const approve = (token?: string) => opsagent(`approvals approve ${request.id} --yes`, token);

    const first = await approve(ada);
    expect(first.code).toBe(0);
    for (const row of [
      /^will run +systemctl restart nginx$/m,
      /^agent says +“it hangs”$/m,
      /^asked by +ann \(slack:U_ANN\) in slack:C1, thread 100\.1$/m,
      /^needs +2 of ada, grace \(rule oncall-approves\)$/m,
      new RegExp(`^digest +${request.digest.slice(0, 12)}$`, 'm'),
    ])
      expect(first.stdout).toMatch(row);
    expect((await approve(ada)).code).toBe(5);
    expect(await votes()).toEqual(['ada approve']);
    expect((await approve()).code).toBe(3);

    writeFileSync(join(dir, 'graces'), `${grace}\n`);
    const second = await opsagent(
      `approvals approve ${request.id} --yes --json --token-file ${join(dir, 'graces')}`,
    );
    expect([second.code, JSON.parse(second.stdout)]).toEqual([
      0,
      { approval: request.id, kind: 'counted', text: expect.stringMatching(/^Approved/) },
    ]);
    expect(await votes()).toEqual(['ada approve', 'grace approve']);
    expect((await approve(ada)).code).toBe(5);
  });

  it('approves nothing without --yes where nobody can be asked, and nothing that the person may not', async () => {
    const { request, votes, store, run } = await started();
    const ada = await add('ada');

    const unasked = await opsagent(`approvals approve ${request.id}`, ada);
    expect([unasked.code, unasked.stdout, unasked.stderr]).toEqual([
      2,
      expect.stringContaining('systemctl restart nginx'),
      expect.stringContaining('--yes'),
    ]);
    expect(await opsagent(`approvals approve ${request.id}`)).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('You are not among those'),
    });
    expect(await votes()).toEqual([]);

    await store.update(run.id, (r) => ({
      ...r,
      stop: { by: r.requests[0]?.statement.user ?? never(), at: 1 },
    }));
    expect((await opsagent(`approvals approve ${request.id} --yes`, ada)).code).toBe(5);
  });

  it('denies with a reason that the agent reads', async () => {
    const { request, store, run, votes } = await started();
    const ada = await add('ada');

    expect((await opsagent(`approvals deny ${request.id} --reason too-late-at-night`, ada)).code).toBe(0);
    expect(await votes()).toEqual(['ada deny']);
    expect(JSON.stringify((await store.load(run.id))?.turns)).toContain('Denied by ada: too-late-at-night');
  });

  it('says that a token is not known any more, and that nothing runs, in one sentence each', async () => {
    const { console } = await started();
    const ada = await add('ada');
    await opsagent('people remove ada');

    expect(await opsagent('approvals list', ada)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('does not know this token'),
    });
    await console.stop();
    expect(await opsagent('approvals list')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('No opsagent answers'),
    });
    expect(await opsagent('approvals list --token-file /nowhere')).toMatchObject({ code: 2 });
  });
});

function never(): never {
  throw new Error('the run has no request');
}
