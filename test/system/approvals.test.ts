/**
 * Two named people approve one change of a really started instance from the command line: it runs once, after both.
 */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ListedApproval } from '../../src/core/open-approvals.ts';
import { until } from '../contract/until.ts';
import { needs } from '../needs.ts';
import { newProgram, type Program, patienceMs } from './program.ts';

const limit = 90_000;

const policy = `
people:
  owner: { console: owner }
  ada: { console: ada }
  grace: { console: grace }
ask:
  - { name: all-ask, who: [owner, ada, grace], risk: [read, change], hosts: [all] }
approve:
  - { name: both, risk: [change], hosts: [all], who: [ada, grace], people: 2, wait: 10m }
`;

needs('redis-server')('two people on the command line', () => {
  let program: Program;
  beforeAll(async () => {
    program = await newProgram();
    const config = join(program.dir, 'config');
    mkdirSync(config);
    copyFileSync(join(import.meta.dirname, '../../config/commands.yaml'), join(config, 'commands.yaml'));
    writeFileSync(join(config, 'policy.yaml'), policy);
    await program.start();
  }, limit);
  afterAll(() => program.close());

  it(
    'approve a change together, which then runs once',
    async () => {
      const files: Record<string, string> = {};
      for (const name of ['ada', 'grace']) {
        const { stdout } = await program.run('people', 'add', name, '--json');
        files[name] = join(program.dir, name);
        writeFileSync(files[name], (JSON.parse(stdout) as { token: string }).token);
      }
      const as = (name: string, ...words: string[]) =>
        program.run('approvals', ...words, '--token-file', files[name] ?? '');
      const asked = await program.run('run', 'practice_change', '--json');
      expect(asked.code).toBe(4);

      const listed = JSON.parse((await as('ada', 'list', '--json')).stdout) as {
        approvals: ListedApproval[];
      };
      const [approval] = listed.approvals;
      const id = approval?.card.approvalId ?? '';
      expect(listed.approvals).toHaveLength(1);
      expect((await program.run('approvals', 'approve', id, '--yes')).code).toBe(3);
      expect((await as('ada', 'approve', id, '--yes')).code).toBe(0);
      expect((await as('ada', 'approve', id, '--yes')).code).toBe(5);
      expect((await as('grace', 'list')).stdout).toContain(id);

      expect((await as('grace', 'approve', id, '--yes')).code).toBe(0);

      const shown = async () => (await program.run('approvals', 'show', id, '--json')).stdout;
      await until('the change to end', async () => (await shown()).includes('exit 0'), patienceMs);
      const started = audited(program).filter((e) => e.kind === 'command.started');
      expect(started).toHaveLength(1);
      // Ada's second try is on record too.
      const votes = audited(program).filter((e) => e.kind === 'approval.voted');
      expect([...new Set(votes.map((e) => e.who))]).toEqual(['console:ada', 'console:grace']);
    },
    limit,
  );
});

function audited({ dataDir }: Program): readonly { readonly kind: string; readonly who?: string }[] {
  const day = new Date().toISOString().slice(0, 10);
  return ['start', 'whitelist'].flatMap((writer) =>
    readFileSync(join(dataDir, 'audit', `${day}.${writer}.jsonl`), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { kind: string; who?: string }),
  );
}
