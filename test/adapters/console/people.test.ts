/**
 * Named people at the console over real HTTP, with the real store of tokens and the real inbox: two are two, one is
 * one, and whoever was removed is out.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addPerson, removePerson } from '../../../src/backends/people.ts';
import type { ListedApproval } from '../../../src/core/open-approvals.ts';
import { findApproval } from '../../../src/core/run.ts';
import { until } from '../../contract/until.ts';
import { token as ownerToken } from './started.ts';
import { askedOfBoth, closeAll, newDataDir, startWithPeople } from './with-people.ts';

afterEach(closeAll);

let events = 0;
const decision = (listed: ListedApproval, verdict: 'approve' | 'deny') => ({
  approval: listed.card.approvalId,
  verdict,
  digest: listed.card.digest,
  id: `event-${String(++events).padStart(4, '0')}`,
});

describe('two people at the console', () => {
  it('are two votes, and the same person twice is one', async () => {
    const dir = newDataDir();
    const [ada, grace] = ['ada', 'grace'].map((name) => addPerson(dir, name, Date.now())) as [string, string];
    const { store, as } = await startWithPeople(dir);
    const { run, request } = askedOfBoth();
    await store.create(run);
    const seen = async (token: string) => {
      const { approvals } = (await (await as(token).get('/api/approvals')).json()) as {
        approvals: ListedApproval[];
      };
      const [only] = approvals;
      if (!only || approvals.length !== 1) throw new Error(`${approvals.length} approvals`);
      return only;
    };
    const decide = async (token: string, verdict: 'approve' | 'deny' = 'approve') =>
      (await (await as(token).post('/api/decide', decision(await seen(token), verdict))).json()) as object;
    const stored = async () => {
      const now = await store.load(run.id);
      return now && findApproval(now, request.id);
    };

    expect(await seen(ada)).toMatchObject({ open: true, mayDecide: true });
    expect(await decide(ada)).toMatchObject({ kind: 'counted' });
    expect(await decide(ada)).toMatchObject({ kind: 'late' });
    expect(await seen(ada)).toMatchObject({ mayDecide: false, why: 'You have decided this already.' });
    expect((await stored())?.votes.map((v) => v.statement.user.id)).toEqual(['ada']);
    expect((await stored())?.verdict).toBe('pending');

    expect(await decide(grace)).toMatchObject({ kind: 'counted' });
    expect((await stored())?.votes.map((v) => v.statement.user)).toEqual(
      ['ada', 'grace'].map((name) => ({ platform: 'console', id: name, name })),
    );
    expect((await stored())?.verdict).toBe('approved');
  });

  it('see what they may decide and what they asked for, and nothing else', async () => {
    const dir = newDataDir();
    const [ada, mel] = ['ada', 'mel'].map((name) => addPerson(dir, name, Date.now())) as [string, string];
    const { store, as } = await startWithPeople(dir);
    const { run, request } = askedOfBoth();
    await store.create(run);
    const status = async (token: string) => {
      const one = await as(token).get(`/api/approvals/${request.id}`);
      const all = (await (await as(token).get('/api/approvals')).json()) as { approvals: object[] };
      return [one.status, all.approvals.length];
    };

    expect(await status(ada)).toEqual([200, 1]);
    expect(await status(mel)).toEqual([404, 0]);
    // The policy names the owner as an admin.
    expect(await status(ownerToken)).toEqual([200, 1]);
    expect((await as(ada).get('/api/approvals/r0123-0-a')).status).toBe(404);
  });

  it('refuses a decision that does not carry what was shown', async () => {
    const dir = newDataDir();
    const ada = addPerson(dir, 'ada', Date.now());
    const { store, as } = await startWithPeople(dir);
    const { run, request } = askedOfBoth();
    await store.create(run);

    const sent = { approval: request.id, verdict: 'approve', digest: 'e'.repeat(32), id: 'event-other' };
    expect(await (await as(ada).post('/api/decide', sent)).json()).toMatchObject({ kind: 'refused' });
    const now = await store.load(run.id);
    expect(now && findApproval(now, request.id)?.votes).toEqual([]);
  });

  it('ask each under their own name, and each browser says whose it is', async () => {
    const dir = newDataDir();
    const [ada, grace] = ['ada', 'grace'].map((name) => addPerson(dir, name, Date.now())) as [string, string];
    const { store, as, signIn, get } = await startWithPeople(dir);

    await as(ada).post('/api/ask', { text: 'disk?', id: 'event-ask-1' });
    await as(grace).post('/api/ask', { text: 'disk?', id: 'event-ask-2' });

    expect(store.all().map((r) => r.requests[0]?.statement.user)).toEqual(
      ['ada', 'grace'].map((name) => ({ platform: 'console', id: name, name })),
    );
    for (const [token, name] of [
      [ada, 'ada'],
      [grace, 'grace'],
      [ownerToken, 'owner'],
    ] as const)
      expect(await (await get('/api/me', { cookie: await signIn(token) })).json()).toEqual({ name });
  });
});

describe('a session', () => {
  let dir = '';
  let ada = '';
  beforeEach(() => {
    dir = newDataDir();
    ada = addPerson(dir, 'ada', Date.now());
  });
  const status = async (it0: Awaited<ReturnType<typeof startWithPeople>>, cookie: string) =>
    (await it0.get('/api/threads', { cookie })).status;

  it('holds no token and is not good for another name, instance or port', async () => {
    const one = await startWithPeople(dir);
    const cookie = await one.signIn(ada);
    expect(await status(one, cookie)).toBe(200);
    expect(cookie).not.toContain(ada);
    expect(await status(one, cookie.replace('=ada~', '=owner~'))).toBe(401);

    const other = await startWithPeople(dir, { sessionKey: 'another-instance' });
    const samePort = await startWithPeople(dir);
    const renamed = (port: string) => cookie.replace(/^opsagent_\d+/, `opsagent_${port}`);
    expect(await status(other, renamed(new URL(other.console.url()).port))).toBe(401);
    expect(await status(samePort, renamed(new URL(samePort.console.url()).port))).toBe(401);
  });

  it('ends with its token, also in a page that stands open, within a second', async () => {
    const it0 = await startWithPeople(dir);
    const cookie = await it0.signIn(ada);
    const stream = await it0.get('/api/events', { cookie });
    const owners = await it0.as(ownerToken).get('/api/events');
    const ended = readToEnd(stream);
    const ownersEnd = readToEnd(owners);

    const before = performance.now();
    removePerson(dir, 'ada');
    await until('the stream to end', ended);

    expect(performance.now() - before).toBeLessThan(1_000);
    expect(ownersEnd()).toBe(false);
    expect([await status(it0, cookie), (await it0.as(ada).get('/api/me')).status]).toEqual([401, 401]);
    const again = addPerson(dir, 'ada', Date.now());
    expect([await status(it0, cookie), (await it0.as(again).get('/api/me')).status]).toEqual([401, 200]);
  });

  it('is over when the browser signs out, and stays so after a restart; others of the person go on', async () => {
    const it0 = await startWithPeople(dir);
    const [first, second] = [await it0.signIn(ada), await it0.signIn(ada)];
    const ended = readToEnd(await it0.get('/api/events', { cookie: first }));
    const origin = new URL(it0.console.url()).origin;
    const out = await fetch(it0.url('/api/signout'), { method: 'POST', headers: { cookie: first, origin } });

    expect([out.status, out.headers.get('set-cookie')]).toEqual([200, expect.stringContaining('Max-Age=0')]);
    await until('the stream to end', ended);
    expect([await status(it0, first), await status(it0, second)]).toEqual([401, 200]);

    const port = Number(new URL(it0.console.url()).port);
    await it0.console.stop();
    const restarted = await startWithPeople(dir, { port });
    expect([await status(restarted, first), await status(restarted, second)]).toEqual([401, 200]);
  });
});

describe('wrong tokens', () => {
  it('are audited without the token, and after twenty in a minute none is looked at; sessions go on', async () => {
    const dir = newDataDir();
    const ada = addPerson(dir, 'ada', Date.now());
    const it0 = await startWithPeople(dir);
    const cookie = await it0.signIn(ada);

    const statuses = [];
    for (let i = 0; i < 19; i++) statuses.push((await it0.as(`wrong-${i}`).get('/api/me')).status);
    for (let i = 0; i < 5; i++) statuses.push((await it0.as('wrong-0').get('/api/me')).status);
    expect(new Set(statuses)).toEqual(new Set([401]));
    expect((await it0.get('/?token=wrong-by-link', {})).status).toBe(401);

    const limited = await it0.as(ada).get('/api/me');
    expect([limited.status, Number(limited.headers.get('retry-after')) > 0]).toEqual([429, true]);
    expect((await it0.get('/api/me', { cookie })).status).toBe(200);
    expect(it0.audit.events).toHaveLength(20);
    expect(it0.audit.events[0]).toEqual({
      kind: 'request.refused',
      data: { what: 'console token', from: '127.0.0.1' },
    });
    expect(JSON.stringify(it0.audit.events)).not.toContain('wrong-');
  });
});

function readToEnd(response: Response): () => boolean {
  let ended = false;
  const reading = (async () => {
    for await (const chunk of response.body ?? []) void chunk;
  })();
  reading.then(
    () => (ended = true),
    () => (ended = true),
  );
  return () => ended;
}
