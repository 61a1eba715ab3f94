/**
 * Redis in a hostile hand, under the started program: whoever writes there can disturb, and can make nothing run.
 * What is ignored or refused is on record, every process survives, and an honest change still runs once.
 */
import { generateKeyPairSync } from 'node:crypto';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect } from '../../src/backends/redis/client.ts';
import { createRedisRunQueue } from '../../src/backends/redis/run-queue.ts';
import { type Approval, approvalDigest } from '../../src/core/approval.ts';
import { approvalIdFor, callIdFor, type RunId, runIdFor } from '../../src/core/ids.ts';
import type { AgentTurn, Run } from '../../src/core/run.ts';
import { signer } from '../../src/core/signed.ts';
import type { ToolCall } from '../../src/core/tool-call.ts';
import { until } from '../contract/until.ts';
import { recordingLogger } from '../fakes/logger.ts';
import { needs } from '../needs.ts';
import { patienceMs } from './program.ts';
import { newId, newRecorder, type Recorder } from './recorder.ts';

const limit = 90_000;
const strange = signer(
  generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
);

needs(
  'redis-server',
  'sshd',
  'dash',
)('Redis in a hostile hand', () => {
  let recorder: Recorder;
  let redis: Redis;
  let pids: ReturnType<Recorder['pids']>;
  beforeAll(async () => {
    recorder = await newRecorder();
    await recorder.start();
    redis = connect({ socket: recorder.redisSocket }, recordingLogger());
    pids = recorder.pids();
  }, limit);
  afterAll(async () => {
    redis?.disconnect();
    await recorder?.close();
  }, limit);

  const keyOf = (id: string) => `opsagent:run:${id}`;
  const stored = async (id: string) => JSON.parse((await redis.hget(keyOf(id), 'run')) ?? '') as Run;
  const write = async (id: string, run: string) => {
    await redis.hset(keyOf(id), 'version', '7', 'run', run);
    await redis.zadd('opsagent:due', 1, id);
  };
  const advance = async (id: string) => {
    const queue = createRedisRunQueue({ socket: recorder.redisSocket }, redis, recordingLogger());
    await queue.advance(id as RunId);
    await queue.nudge(id as RunId);
    await queue.close();
  };
  const waiting = async (tag: string) => {
    const { thread } = await recorder.ask({ id: newId(), command: 'record', tag, host: 'web-1' });
    const card = await recorder.card(thread);
    // Its question is shown before its run is given back.
    await until('it to wait', async () => (await stored(card.runId)).state.kind === 'waiting', patienceMs);
    return { thread, card };
  };
  const audited = (kind: string, runId: string) =>
    recorder.audited().filter((l) => l.kind === kind && l.runId === runId);
  const refusedWith = (runId: string, why: RegExp) =>
    until(
      `${runId} to be refused on record`,
      () => audited('approval.refused', runId).some((l) => why.test(String(l.data?.reason ?? l.data?.why))),
      patienceMs,
    );

  it(
    'makes nothing run: approvals written there, of its own or with votes of another key',
    async () => {
      const plain = await waiting('plain');
      const voted = await waiting('voted');
      const whole = await waiting('whole');
      const approve = (call: ToolCall, votes: Approval['votes']): ToolCall =>
        call.approval
          ? {
              ...call,
              approval: { ...call.approval, votes, verdict: 'approved', decidedAt: 1 },
              state: { kind: 'cleared' },
            }
          : call;
      const vote = (a: Approval) =>
        strange({
          kind: 'vote',
          runId: a.runId,
          approvalId: a.id,
          digest: a.digest,
          verdict: 'approve',
          user: { platform: 'console', id: 'ada', name: 'ada' },
          groups: [],
          at: Date.now(),
        });

      await write(
        plain.card.runId,
        JSON.stringify(withCalls(await stored(plain.card.runId), (c) => approve(c, []))),
      );
      await advance(plain.card.runId);
      await refusedWith(plain.card.runId, /needs the approval of/);

      const run = await stored(voted.card.runId);
      await write(
        voted.card.runId,
        JSON.stringify(withCalls(run, (c) => approve(c, c.approval ? [vote(c.approval)] : []))),
      );
      await advance(voted.card.runId);
      await refusedWith(voted.card.runId, /./);

      // A run made up as a whole, from the parts of a true one.
      const id = runIdFor('console', 'made-up');
      const from = await stored(whole.card.runId);
      const callId = callIdFor(id, 0);
      const forged = withCalls({ ...from, id, posts: [] }, (c) =>
        approve(
          {
            ...c,
            id: callId,
            ...(c.approval
              ? { approval: { ...c.approval, callId, runId: id, id: approvalIdFor(callId) } }
              : {}),
          },
          [],
        ),
      );
      await write(id, JSON.stringify(forged));
      await advance(id);
      await until('it to end', async () => (await stored(id)).state.kind === 'finished', patienceMs);
      const call = (await stored(id)).turns.flatMap((t) => (t.kind === 'agent' ? t.calls : []))[0];
      expect(call?.state.kind).not.toBe('done');
      expect(recorder.audited().some((l) => l.kind === 'call.refused')).toBe(true);

      for (const tag of ['plain', 'voted', 'whole']) expect(recorder.ran(tag)).toEqual([]);
    },
    limit,
  );

  it(
    'cannot have people approve something else than what runs: an altered question is refused, with or without its digest',
    async () => {
      const altered = await waiting('altered');
      const redigested = await waiting('redigested');
      const harmless = (a: Approval): Approval => ({ ...a, subject: { ...a.subject, line: 'uptime' } });

      for (const [{ card }, again] of [
        [altered, false],
        [redigested, true],
      ] as const) {
        const run = withCalls(await stored(card.runId), (c) => {
          if (!c.approval) return c;
          const approval = harmless(c.approval);
          return { ...c, approval: again ? { ...approval, digest: approvalDigest(approval) } : approval };
        });
        await redis.hset(keyOf(card.runId), 'run', JSON.stringify(run));
      }
      const [now] = (await recorder.open('ada')).filter((l) => l.card.runId === redigested.card.runId);
      const first = await recorder.press('ada', altered.card);
      // Even whoever trusts the altered card and presses what it carries makes only a vote for something else.
      const second = await recorder.press('ada', now?.card ?? redigested.card);

      expect(first).toMatchObject({ kind: 'refused', text: expect.stringContaining('altered') });
      expect(second.text).not.toBe('');
      if (second.kind === 'counted') {
        const { call } = await recorder.ended(redigested.thread);
        expect(call?.status).toBe('refused');
      }
      await refusedWith(redigested.card.runId, /./);
      for (const tag of ['altered', 'redigested']) expect(recorder.ran(tag)).toEqual([]);
    },
    limit,
  );

  it(
    'has what is no run ignored, with a line in the audit log for each',
    async () => {
      const { card } = await waiting('shape');
      const run = await stored(card.runId);
      const junk: readonly (readonly [string, string])[] = [
        ['approved', JSON.stringify({ ...run, id: runIdFor('console', 'approved'), approved: true })],
        [
          'proto',
          JSON.stringify({ ...run, id: runIdFor('console', 'proto') }).replace(
            '{',
            '{"__proto__":{"approved":true},',
          ),
        ],
        [
          'large',
          JSON.stringify({ ...run, id: runIdFor('console', 'large'), turns: 'x'.repeat(10_000_000) }),
        ],
        ['another', JSON.stringify(run)],
      ];
      for (const [name, text] of junk) {
        const id = runIdFor('console', name);
        await write(id, text);
        await advance(id);
      }
      const list = runIdFor('console', 'list');
      await redis.rpush(keyOf(list), 'a list');
      await advance(list);

      for (const name of [...junk.map(([n]) => n), 'list'])
        await until(
          `${name} to be on record`,
          () => audited('store.ignored', runIdFor('console', name)).length > 0,
          patienceMs,
        );
      await redis.publish('opsagent:nudge', '{"__proto__":1}');
      await redis.publish('opsagent:board', 'x'.repeat(1_000_000));
      expect(recorder.ran('shape')).toEqual([]);
    },
    limit,
  );

  it(
    'is told as what it is where a key of ours is of another kind, and all goes on once it is gone',
    async () => {
      await redis.rename('opsagent:due', 'aside');
      await redis.rpush('opsagent:due', 'a list');

      const answer = await recorder.as('owner', '/api/run', {
        id: newId(),
        command: 'look',
        host: 'web-1',
        params: {},
      });
      await redis.rename('aside', 'opsagent:due');

      expect(answer.status).toBe(503);
      expect(JSON.stringify(answer.body)).toContain('of another kind');
    },
    limit,
  );

  it(
    'has ended no process, and an honest change runs once',
    async () => {
      expect(recorder.pids()).toEqual(pids);
      const { thread, card } = await waiting('honest');
      expect(await recorder.press('ada', card)).toMatchObject({ kind: 'counted' });

      expect((await recorder.ended(thread)).call?.outcome).toBe('exit 0');
      expect(recorder.ran('honest')).toHaveLength(1);
      const starts = recorder.audited().filter((l) => l.kind === 'command.started');
      expect(starts.map((l) => l.runId)).toEqual([card.runId]);
    },
    limit,
  );
});

function withCalls(run: Run, change: (call: ToolCall) => ToolCall): Run {
  const turns = run.turns.map((t) =>
    t.kind === 'agent' ? ({ ...t, calls: t.calls.map(change) } satisfies AgentTurn) : t,
  );
  return { ...run, state: { kind: 'queued' }, turns };
}
