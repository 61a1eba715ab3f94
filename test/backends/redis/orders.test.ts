/**
 * Orders between separate processes, over a real Redis and a stand-in: each worker hands each order over once, and the
 * person who gave it hears what became of it.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect } from '../../../src/backends/redis/client.ts';
import { createOrderRelay, type OrderAnswer, type OrderRelay } from '../../../src/backends/redis/orders.ts';
import type { SignedOrder } from '../../../src/core/signed.ts';
import { orderBy } from '../../../src/wire/orders.ts';
import { until } from '../../contract/until.ts';
import { recordingLogger } from '../../fakes/logger.ts';
import { owner, testSign, thread } from '../../fakes/requests.ts';
import { needs } from '../../needs.ts';
import { testRedis } from '../../twins/redis.ts';
import { type Rig, startRig } from '../../whitelist/fixture.ts';

for (const kind of ['real', 'stand-in'] as const) {
  const suite = kind === 'real' ? needs('redis-server') : describe;
  suite(`the relay of orders (${kind})`, () => {
    const closing: (() => Promise<void>)[] = [];
    let relay: (patienceMs?: number) => OrderRelay;
    let redis: Awaited<ReturnType<typeof testRedis>>;
    beforeEach(async () => {
      redis = await testRedis(kind);
      closing.push(() => redis.close());
      relay = (patienceMs = 2_000) => {
        const logger = recordingLogger();
        const client = connect(redis.address, logger);
        closing.push(async () => client.disconnect());
        return createOrderRelay({ address: redis.address, redis: client, logger, patienceMs });
      };
    });
    afterEach(async () => {
      for (const close of closing.splice(0).reverse()) await close();
    });

    /** A worker, with what was handed to its whitelist server. */
    async function worker(answer: (order: SignedOrder) => Promise<OrderAnswer>, own = relay()) {
      const handed: SignedOrder[] = [];
      const stop = await own.serve(async (order) => {
        handed.push(order);
        return answer(order);
      });
      closing.push(stop);
      return { handed, stop };
    }
    const yes = async (): Promise<OrderAnswer> => ({ ok: true, text: 'All changes are stopped.' });

    it('hands an order to every worker once and gives back their answer', async () => {
      const [a, b] = [await worker(yes), await worker(yes)];
      const order = orderBy(undefined, relay());

      const answer = await order(freeze(Date.now()));

      expect(answer).toEqual({ ok: true, text: 'All changes are stopped.' });
      expect([a.handed.length, b.handed.length]).toEqual([1, 1]);
    });

    it('says that nobody is there, and a worker that comes later still gets it, in the order given', async () => {
      const order = orderBy(undefined, relay());
      const now = Date.now();

      const answer = await order(freeze(now - 1000));
      await order(testSign({ ...freeze(now).statement, order: 'unfreeze' }));
      const late = await worker(yes);

      expect(answer.ok).toBe(false);
      expect(answer.text).toContain('No worker is there to obey this now');
      await until('both to be handed over', () => late.handed.length === 2);
      expect(late.handed.map((o) => o.statement.order)).toEqual(['freeze', 'unfreeze']);
    });

    it('says so when a worker does not answer in time', async () => {
      let answered = (_: OrderAnswer) => {};
      await worker(
        () =>
          new Promise((resolve) => {
            answered = resolve;
          }),
      );

      const answer = await orderBy(undefined, relay(100))(freeze(Date.now()));
      answered({ ok: true, text: 'late' });

      expect(answer.ok).toBe(false);
      expect(answer.text).toContain('One worker did not answer in time');
    });

    it('is no success where one of several refuses', async () => {
      await worker(yes);
      await worker(async () => ({
        ok: false,
        text: 'The whitelist server cannot be reached: nothing was changed.',
      }));

      const answer = await orderBy(undefined, relay())(freeze(Date.now()));

      expect(answer.ok).toBe(false);
      expect(answer.text).toContain(
        'Only 1 of 2 whitelist servers obeyed: The whitelist server cannot be reached',
      );
    });

    it('obeys here at once and elsewhere too, and not twice here', async () => {
      const own = relay();
      const here: SignedOrder[] = [];
      const tools = {
        order: async (order: SignedOrder) => {
          here.push(order);
          return yes();
        },
      };
      closing.push(await own.serve(tools.order));
      const elsewhere = await worker(yes);

      const answer = await orderBy(tools, own)(freeze(Date.now()));

      expect(answer).toEqual({ ok: true, text: 'All changes are stopped.' });
      expect([here.length, elsewhere.handed.length]).toEqual([1, 1]);
    });

    it('hands over nothing that is no order, or that stands under another id', async () => {
      const { handed } = await worker(yes);
      const client = connect(redis.address, recordingLogger());
      closing.push(async () => client.disconnect());
      const forged = JSON.stringify(freeze(Date.now()));
      for (const [id, text] of [
        ['a', '{'],
        ['b', '{"statement":{"kind":"vote"},"signature":"x"}'],
        ['c', forged],
      ] as const) {
        await client.hset(`opsagent:order:${id}`, 'order', text);
        await client.publish('opsagent:orders', id);
      }

      await orderBy(undefined, relay())(freeze(Date.now()));

      expect(handed).toHaveLength(1);
    });

    describe('to a whitelist server', () => {
      let rig: Rig;
      beforeEach(async () => {
        rig = await startRig();
        rig.given.policy = { ...rig.given.policy, admins: ['Owner'] };
      });
      afterEach(() => rig.close());

      it('stops all changes of two servers over one directory, and believes no order that was altered', async () => {
        await worker(rig.tools.order);
        await worker(rig.connect().order);
        const order = orderBy(undefined, relay());

        const forged = freeze(rig.clock.now());
        const altered = await order({ ...forged, statement: { ...forged.statement, order: 'unfreeze' } });
        const stopped = await order(freeze(rig.clock.now()));

        expect(altered).toMatchObject({ ok: false, text: 'The signature of this order does not hold.' });
        expect(stopped.text).toContain('All changes are stopped');
        expect(stopped.ok).toBe(true);
      });
    });
  });
}

it('says that Redis is away, and obeys here all the same', async () => {
  const away: OrderRelay = {
    send: () => Promise.reject(new Error('away')),
    serve: async () => async () => {},
    handed: () => {},
  };
  const tools = { order: async () => ({ ok: true, text: 'All changes are stopped.' }) };

  const both = await orderBy(tools, away)(freeze(1));
  const none = await orderBy(undefined, away)(freeze(1));

  expect(both).toEqual({
    ok: true,
    text: 'All changes are stopped. Workers elsewhere could not be reached: Redis is away.',
  });
  expect(none).toMatchObject({ ok: false, text: expect.stringContaining('No worker could be reached') });
});

function freeze(at: number): SignedOrder {
  return testSign({ kind: 'order', order: 'freeze', user: owner, groups: [], conversation: thread, at });
}
