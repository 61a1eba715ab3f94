/**
 * A console over the real store of tokens and the real inbox, on a policy in which ada and grace must both approve
 * and mel may only ask. `closeAll` ends all of them.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Console } from '../../../adapters/console/index.ts';
import { createConsole } from '../../../adapters/console/index.ts';
import { openPeople } from '../../../src/backends/people.ts';
import { createApprovalList } from '../../../src/bot/approvals.ts';
import { createInbox } from '../../../src/bot/inbox.ts';
import type { Policy } from '../../../src/core/policy.ts';
import { waitingRun } from '../../fakes/approvals.ts';
import { fixedClock } from '../../fakes/fixed-clock.ts';
import { memoryAudit } from '../../fakes/memory-audit.ts';
import { createMemoryRunQueue } from '../../fakes/memory-run-queue.ts';
import { createMemoryRunStore } from '../../fakes/memory-run-store.ts';
import { ann, teamPolicy } from '../../fakes/policy.ts';
import { testSign } from '../../fakes/requests.ts';
import { consoleOptions } from './started.ts';

const policy: Policy = {
  ...teamPolicy,
  people: [...teamPolicy.people, ...['ada', 'grace', 'mel'].map((name) => person(name))],
  admins: ['owner'],
  ask: [{ name: 'all-ask', who: ['ada', 'grace', 'mel'], risk: ['read', 'change'], hosts: ['all'] }],
  approve: [
    {
      name: 'oncall-approves',
      risk: ['change'],
      hosts: ['all'],
      who: ['ada', 'grace'],
      people: 2,
      requesterMay: false,
      waitSeconds: 600,
    },
  ],
};

function person(name: string) {
  return { name, accounts: [`console:${name}`] };
}

const dirs: string[] = [];
const consoles: Console[] = [];

export function newDataDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'opsagent-people-'));
  dirs.push(dir);
  return dir;
}

export async function closeAll(): Promise<void> {
  for (const console of consoles.splice(0)) await console.stop();
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
}

/** A run of ann's that waits for ada and grace. */
export function askedOfBoth() {
  return waitingRun(ann, {
    rule: { name: 'oncall-approves', approvers: ['ada', 'grace'], people: 2, requesterMay: false },
    expiresAt: Date.now() + 600_000,
  });
}

export async function startWithPeople(dataDir: string, over: { sessionKey?: string; port?: number } = {}) {
  const clock = { now: () => Date.now() };
  const store = createMemoryRunStore();
  const audit = memoryAudit();
  const parts = { store, clock, policy: () => policy };
  const inbox = createInbox({
    ...parts,
    queue: createMemoryRunQueue(fixedClock()),
    audit,
    sign: testSign,
    order: async () => ({ ok: false, text: 'There is no server here.' }),
    commands: () => [],
    hosts: () => [],
  });
  const console = createConsole(
    consoleOptions({
      ...openPeople(dataDir, clock, () => {}),
      sessionKey: 'one-instance',
      approvals: createApprovalList(parts),
      audit,
      ...over,
    }),
  );
  await console.start(inbox);
  consoles.push(console);
  const url = (path: string) => new URL(path, console.url());
  const as = (token: string) => ({
    get: (path: string) => fetch(url(path), { headers: { authorization: `Bearer ${token}` } }),
    post: (path: string, body: object) =>
      fetch(url(path), {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
  });
  /** The cookie that the personal link gives a browser. */
  const signIn = async (token: string) => {
    const answer = await fetch(url(`/?token=${token}`), { redirect: 'manual' });
    return (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  };
  const get = (path: string, headers: Record<string, string>) => fetch(url(path), { headers });
  return { console, store, audit, as, signIn, get, url };
}
