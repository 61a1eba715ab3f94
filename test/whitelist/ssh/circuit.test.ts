import { describe, expect, it } from 'vitest';
import { type Attempt, createCircuits } from '../../../src/whitelist/ssh/circuit.ts';
import { createSlots } from '../../../src/whitelist/ssh/slots.ts';
import { fixedClock } from '../../fakes/fixed-clock.ts';

const down: Attempt = { ok: false, problem: 'web-1 is down' };

describe('the circuit of a host', () => {
  const setUp = () => {
    const clock = fixedClock();
    const circuits = createCircuits(clock);
    let dials = 0;
    const through = (outcome: Attempt | Promise<Attempt>, { host = 'web-1', basis = 'key' } = {}) =>
      circuits.through(host, basis, async () => {
        dials += 1;
        return outcome;
      });
    return { clock, through, dials: () => dials };
  };

  it('lets nobody dial for a while after a failure, and says since when and until when', async () => {
    const { clock, through, dials } = setUp();
    expect(await through(down)).toEqual(down);
    clock.advance(600);

    expect(await through({ ok: true })).toEqual({
      ok: false,
      problem: 'web-1 is down (tried 1 s ago; next try in 2 s)',
    });
    expect(dials()).toBe(1);
  });

  it('waits twice as long after each failure in a row, up to 30 s, and starts over after a success', async () => {
    const { clock, through, dials } = setUp();
    for (const pause of [2, 4, 8, 16, 30, 30]) {
      const before = dials();
      await through(down);
      expect(dials()).toBe(before + 1);
      clock.advance(pause * 1000 - 1);
      await through(down);
      expect(dials()).toBe(before + 1);
      clock.advance(1);
    }
    expect(await through({ ok: true })).toEqual({ ok: true });
    await through(down);
    clock.advance(2000);

    expect(await through({ ok: true })).toEqual({ ok: true });
  });

  it('lets one try when the while is over, and tells the others what came of it', async () => {
    const { clock, through, dials } = setUp();
    await through(down);
    clock.advance(2000);
    let end: (outcome: Attempt) => void = () => {};
    const trial = through(new Promise<Attempt>((resolve) => (end = resolve)));
    const others = [through({ ok: true }), through({ ok: true })];
    await Promise.resolve();
    expect(dials()).toBe(2);

    end(down);

    expect(await trial).toEqual(down);
    for (const other of await Promise.all(others))
      expect(other).toEqual({ ok: false, problem: 'web-1 is down (tried 0 s ago; next try in 4 s)' });
    expect(dials()).toBe(2);
  });

  it('lets the others dial as well when the one that tried got through', async () => {
    const { clock, through, dials } = setUp();
    await through(down);
    clock.advance(2000);

    const all = await Promise.all([through({ ok: true }), through({ ok: true }), through({ ok: true })]);

    expect(all).toEqual([{ ok: true }, { ok: true }, { ok: true }]);
    expect(dials()).toBe(4);
  });

  it('counts dials that failed side by side as one failure', async () => {
    const { clock, through } = setUp();
    await Promise.all([through(down), through(down), through(down)]);
    clock.advance(2000);

    expect(await through({ ok: true })).toEqual({ ok: true });
  });

  it('forgets a failure when the known key or the login is another', async () => {
    const { through, dials } = setUp();
    await through(down);

    expect(await through({ ok: true }, { basis: 'another key' })).toEqual({ ok: true });
    expect(dials()).toBe(2);
  });

  it('is of one host alone, and not for failures of what leads there', async () => {
    const { through } = setUp();
    await through(down);
    await through({ ...down, onTheWay: true }, { host: 'web-2' });

    expect(await through({ ok: true }, { host: 'web-2' })).toEqual({ ok: true });
  });
});

describe('places for handshakes', () => {
  it('are as many as there are, in the order asked for, each key apart', async () => {
    const slots = createSlots(2);
    const order: string[] = [];
    const [first, second] = [await slots.take('a'), await slots.take('a')];
    const inOrder = async (name: string) => {
      const giveBack = await slots.take('a');
      order.push(name);
      return giveBack;
    };
    const [third, fourth] = [inOrder('third'), inOrder('fourth')];
    await slots.take('b');
    expect(order).toEqual([]);

    second();
    second();
    await third;
    expect(order).toEqual(['third']);

    first();
    (await third)();
    (await fourth)();
    expect(order).toEqual(['third', 'fourth']);
    await slots.take('a');
  });
});
