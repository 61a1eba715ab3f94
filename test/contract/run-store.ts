/**
 * The suite of the RunStore port: what everything else takes for granted about runs at rest.
 */
import { describe, expect, it } from 'vitest';
import { runIdFor } from '../../src/core/ids.ts';
import type { RunStore } from '../../src/core/ports.ts';
import { askStop, claim, end, join, markTold, release, settleCall } from '../../src/core/run-changes.ts';
import { waitingRun } from '../fakes/approvals.ts';
import { owner, signedRequest, testRun, thread } from '../fakes/requests.ts';

export function runStoreContract(
  name: string,
  create: () => Promise<{ store: RunStore; other: RunStore; close(): Promise<void> }>,
): void {
  describe(`${name} keeps the run store contract`, () => {
    const using = (test: (store: RunStore, other: RunStore) => Promise<void>) => async () => {
      const { store, other, close } = await create();
      try {
        await test(store, other);
      } finally {
        await close();
      }
    };

    it(
      'creates a run once and gives it back whole',
      using(async (store, other) => {
        const run = testRun('e1');

        const first = await store.create(run);
        const again = await other.create({ ...run, ownThread: false });

        expect([first, again]).toEqual(['created', 'exists']);
        expect(await other.load(run.id)).toEqual(run);
      }),
    );

    it(
      'has no run that was never created',
      using(async (store) => {
        const id = runIdFor('console', 'never');

        expect(await store.load(id)).toBeUndefined();
        expect(await store.update(id, (r) => r)).toBeUndefined();
      }),
    );

    it(
      'loses none of many concurrent changes',
      using(async (store, other) => {
        const run = testRun('e1');
        await store.create(run);

        const says = Array.from({ length: 20 }, (_, i) => signedRequest(`said-${i}`, { runId: run.id }));
        await Promise.all(
          says.map((s, i) => (i % 2 ? store : other).update(run.id, (r) => join(r, s, `word ${i}`))),
        );

        const stored = await store.load(run.id);
        expect(stored?.joined.map((t) => t.text).sort()).toEqual(says.map((_, i) => `word ${i}`).sort());
      }),
    );

    it(
      'gives a lease to one of two who claim at once',
      using(async (store, other) => {
        const run = testRun('e1');
        await store.create(run);

        const claims = await Promise.all([
          store.update(run.id, (r) => claim(r, 'a', 1_000, 5_000)),
          other.update(run.id, (r) => claim(r, 'b', 1_000, 5_000)),
        ]);

        expect(claims.filter((c) => c !== undefined)).toHaveLength(1);
      }),
    );

    it(
      'saves nothing when the change refuses or changes nothing',
      using(async (store) => {
        const run = testRun('e1');
        await store.create(run);

        const refused = await store.update(run.id, () => undefined);
        const same = await store.update(run.id, (r) => r);

        expect(refused).toBeUndefined();
        expect(same).toEqual(run);
      }),
    );

    it(
      'lists what is due: new runs at once, leased ones when the lease ends, those that wait when their time is up or nobody is waited for, told ones never',
      using(async (store) => {
        const run = testRun('e1', 'x', { at: 1_000 });
        await store.create(run);
        expect(await store.due(999, 10)).toEqual([]);
        expect(await store.due(1_000, 10)).toEqual([run.id]);

        await store.update(run.id, (r) => claim(r, 'a', 2_000, 5_000));
        expect(await store.due(6_999, 10)).toEqual([]);
        expect(await store.due(7_000, 10)).toEqual([run.id]);

        await store.update(run.id, (r) => release(r, 'waiting', 3_000));
        expect(await store.due(2_999, 10)).toEqual([]);
        expect(await store.due(3_000, 10)).toEqual([run.id]);

        await store.update(run.id, (r) => end(r, { kind: 'finished' }, 4_000));
        expect(await store.due(100_000, 10)).toEqual([run.id]);
        await store.update(run.id, markTold);
        expect(await store.due(100_000, 10)).toEqual([]);

        const { run: waiting } = waitingRun(owner, { expiresAt: 9_000 });
        await store.create(waiting);
        expect(await store.due(8_999, 10)).toEqual([]);
        expect(await store.due(9_000, 10)).toEqual([waiting.id]);
      }),
    );

    it(
      'gives the newest runs of a thread and of no other, oldest first',
      using(async (store) => {
        const runs = ['e1', 'e2', 'e3'].map((e, i) => testRun(e, e, { at: 1_000 + i }));
        for (const run of runs) await store.create(run);
        await store.create(testRun('e4', 'elsewhere', { conversation: { ...thread, thread: 't2' } }));

        const history = await store.history(thread, 2);

        expect(history.map((r) => r.id)).toEqual(runs.slice(1).map((r) => r.id));
      }),
    );

    it(
      'knows each platform event that a run has taken in',
      using(async (store) => {
        const run = testRun('e1');
        await store.create(run);
        await store.update(run.id, (r) => join(r, signedRequest('e2', { runId: run.id }), 'and?'));

        expect(await store.byEvent('console', 'e1')).toBe(run.id);
        expect(await store.byEvent('console', 'e2')).toBe(run.id);
        expect(await store.byEvent('slack', 'e1')).toBeUndefined();
      }),
    );

    it(
      'lists the runs of all threads that wait for people, the longest waiting first, until they wait no more',
      using(async (store, other) => {
        const { run: late } = waitingRun(owner, { askedAt: 3_000 });
        const { run: early, request } = waitingRun({ platform: 'slack', id: 'U1', name: 'u1' });
        await store.create(testRun('e1'));
        for (const run of [late, early]) await store.create(run);

        expect((await other.waiting(10)).map((r) => r.id)).toEqual([early.id, late.id]);
        expect((await other.waiting(1)).map((r) => r.id)).toEqual([early.id]);

        await store.update(early.id, (r) =>
          settleCall(r, request.callId, { kind: 'refused', by: 'expired', reason: '' }),
        );
        expect(await other.waiting(10)).toEqual([late]);
        await store.update(late.id, (r) => end(r, { kind: 'finished' }, 4_000));
        expect(await other.waiting(10)).toEqual([]);
      }),
    );

    it(
      'keeps every part that a run can have',
      using(async (store) => {
        const { run, request } = waitingRun(owner);
        const ran = {
          command: 'uptime',
          host: 'local',
          line: 'uptime',
          end: { kind: 'timed-out', ended: true },
          ms: 3,
          output: 'up',
          truncated: true,
          outputId: 'o1',
          gap: { lines: 2, characters: 40 },
        } as const;
        const done = { kind: 'done', ms: 5, result: { text: 'up', isError: false, ran: [ran] } } as const;
        const full = askStop(settleCall(run, request.callId, done), owner, 9_000);

        await store.create(full);

        expect(await store.load(full.id)).toEqual(full);
      }),
    );

    it(
      'keeps odd text byte for byte',
      using(async (store) => {
        const text = '\u202e\u0000 "\\ \ud83d\ude00 {"a":1}\n\ttail';
        const run = testRun('e1', text);

        await store.create(run);
        await store.update(run.id, (r) => askStop(r, { ...owner, name: text }, 5));

        const stored = await store.load(run.id);
        expect(stored?.turns[0]).toMatchObject({ text });
        expect(stored?.stop?.by.name).toBe(text);
      }),
    );
  });
}
