/**
 * How a bot's orders reach the whitelist servers: the one in this process at once, those of other workers over the
 * Redis that they share; and what a person is told where an answer is missing.
 */
import type { OrderAnswer, OrderRelay } from '../backends/redis/orders.ts';
import type { Tools } from '../core/ports.ts';

/** `relay` undefined: the Redis is this instance's own, there is nobody else. */
export function orderBy(
  tools: Pick<Tools, 'order'> | undefined,
  relay: OrderRelay | undefined,
): Tools['order'] {
  return async (order) => {
    if (tools) relay?.handed(order);
    const [here, elsewhere] = await Promise.all([
      tools?.order(order),
      relay?.send(order).catch(() => 'unreachable' as const),
    ]);
    if (elsewhere === 'unreachable')
      return here
        ? { ...here, text: `${here.text} Workers elsewhere could not be reached: Redis is away.` }
        : { ok: false, text: `No worker could be reached: Redis is away. ${otherWay}` };
    const { workers = 0, answers = [] } = elsewhere ?? {};
    return together([...(here ? [here] : []), ...answers], Math.max(0, workers - answers.length));
  };
}

const otherWay = 'Where a whitelist server runs, opsagent freeze and unfreeze work without any of this.';

function together(answers: readonly OrderAnswer[], silent: number): OrderAnswer {
  const [first] = answers;
  if (!first)
    return {
      ok: false,
      text:
        silent > 0
          ? `${workersText(silent)} did not answer in time, so it is not known whether this is obeyed. ${otherWay}`
          : `No worker is there to obey this now; one that starts within 5 minutes still does. ${otherWay}`,
    };
  const refused = answers.filter((a) => !a.ok);
  const texts = [...new Set((refused.length > 0 ? refused : [first]).map((a) => a.text))];
  const some = refused.length > 0 && refused.length < answers.length;
  return {
    // Obeyed by some is no success: whoever orders a stop has to hear of the one that goes on.
    ok: refused.length === 0 && silent === 0,
    text: [
      ...(some
        ? [`Only ${answers.length - refused.length} of ${answers.length} whitelist servers obeyed:`]
        : []),
      ...texts,
      ...(silent > 0 ? [`${workersText(silent)} did not answer in time, so there it is not known.`] : []),
    ].join(' '),
  };
}

const workersText = (n: number) => (n === 1 ? 'One worker' : `${n} workers`);
