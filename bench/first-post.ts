/**
 * From a mention to the first sign of life in its thread, against one post on the same board seen by the same reader:
 * what a chat costs that only echoes.
 */
import { createRedisBoard } from '../src/backends/redis/board.ts';
import { connect } from '../src/backends/redis/client.ts';
import { runIdFor } from '../src/core/ids.ts';
import { newEventId, openConsole, statusOf } from './console.ts';
import { type Figure, median } from './figure.ts';
import { startOpsagent } from './opsagent.ts';
import { inRounds, type Scope, timed } from './scope.ts';
import { silent } from './silent.ts';

const question = 'How much disk space is available?';
const warmUps = 3;

export async function firstPost(scope: Scope): Promise<readonly Figure[]> {
  const opsagent = await startOpsagent(scope, scope.folder());
  const page = await openConsole(scope, opsagent);
  const address = { socket: opsagent.redisSocket };
  const redis = connect(address, silent);
  scope.add(() => redis.disconnect());
  const board = createRedisBoard(address, redis, { now: Date.now }, silent);
  scope.add(() => board.close());

  const measure = async () => {
    page.forget();
    let thread = '';
    const asked = timed(async () => {
      thread = (await page.post('/api/ask', { text: question, id: newEventId() })).thread;
      await page.heard((e) => e.thread === thread);
    });
    const first = await asked;
    const rest = await timed(() => page.heard((e) => e.thread === thread && statusOf(e) === 'finished'));

    const alone = newEventId();
    const view = {
      kind: 'segment',
      runId: runIdFor('console', alone),
      parts: [{ kind: 'text', markdown: 'Hello.' }],
      stoppable: false,
    } as const;
    const post = await timed(async () => {
      await board.put(alone, 'bench', view);
      await page.heard((e) => e.thread === alone);
    });
    return { first, answer: first + rest, post };
  };
  for (let n = 0; n < warmUps; n++) await measure();
  const { of, rounds } = await inRounds({ most: 20, withinMs: 10_000 }, measure);

  const peer = { what: 'one post on the board', value: median(of('post')) };
  return [
    { what: 'mention to first post', unit: 'ms', ours: median(of('first')), peer, rounds },
    { what: 'mention to answer (rehearsal model)', unit: 'ms', ours: median(of('answer')), peer, rounds },
  ];
}
