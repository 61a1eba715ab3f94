/**
 * The whole life of a change while its processes are killed with SIGKILL at random moments: each change runs at most
 * once, each run ends or waits, and each thread says the truth. KILL_ROUNDS and KILL_SEED choose how many and which.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../contract/until.ts';
import { needs } from '../needs.ts';
import {
  type Asked,
  type AuditLine,
  hasEnded,
  kill,
  newRecorder,
  patiently,
  type Recorder,
  type Told,
} from './recorder.ts';

const rounds = Number(process.env.KILL_ROUNDS ?? (process.env.CHECK_DEEP === '1' ? 200 : 5));
const seed = Number(process.env.KILL_SEED ?? Math.floor(Math.random() * 2 ** 31));
const perRound = 3;
const settleMs = 90_000;
const limitMs = 120_000 + rounds * 15_000;

type Victim = 'program' | 'whitelist' | 'redis' | 'everything';
/** The lease of a killed program runs five seconds: killed at every turn, no run would come far. */
const victims: readonly Victim[] = ['program', 'whitelist', 'whitelist', 'redis', 'everything'];

/** One change that people ask for and decide, whatever becomes of the program meanwhile. */
interface Change extends Asked {
  readonly will: 'approve' | 'deny' | 'nothing';
  thread?: string;
  done: Promise<void>;
  isDone: boolean;
}

needs(
  'redis-server',
  'sshd',
  'dash',
)('a change whose processes are killed', () => {
  let recorder: Recorder;
  beforeAll(async () => {
    recorder = await newRecorder({ wait: '30s' });
  }, 60_000);
  afterAll(() => recorder?.close(), 60_000);

  it(
    `runs at most once, ends or waits, and its thread says the truth (${rounds} rounds, KILL_SEED=${seed})`,
    async () => {
      const random = randomOf(seed);
      const changes: Change[] = [];
      const killed: Record<Victim, number> = { program: 0, whitelist: 0, redis: 0, everything: 0 };
      const began = performance.now();
      await recorder.start();
      for (let round = 0; round < rounds; round++) {
        for (let n = 0; n < perRound; n++) changes.push(begin(recorder, random, changes.length));
        await delay(random() * 1_100);
        const victim = victims[Math.floor(random() * victims.length)] ?? 'program';
        killed[victim] += 1;
        await killOne(recorder, victim);
      }
      const roundsMs = performance.now() - began;
      const late = delay(settleMs, undefined, { ref: false }).then(() => {
        throw new Error(
          `nobody could finish: ${changes.filter((c) => !c.isDone).map((c) => `${c.tag} ${c.thread}`)}`,
        );
      });
      await Promise.race([Promise.all(changes.map((c) => c.done)), late]);
      const told = await settled(recorder, changes);

      const counts = { ran: 0, lost: 0, refused: 0, waiting: 0, expired: 0 };
      const lies: string[] = [];
      const reasons = new Map<string, number>();
      for (const change of changes) {
        const { tag } = change;
        const times = recorder.ran(tag).length;
        const said = told.get(tag);
        const kind = said && kindOf(said);
        if (kind) counts[kind] += 1;
        if (kind === 'lost')
          reasons.set(said?.call?.outcome ?? '', (reasons.get(said?.call?.outcome ?? '') ?? 0) + 1);
        const isTrue =
          kind === 'ran' ? times === 1 : kind === 'lost' ? times <= 1 : kind !== undefined && times === 0;
        if (!isTrue) lies.push(`${tag}: ran ${times} times, the thread says ${JSON.stringify(said)}`);
      }
      const seconds = Math.round((performance.now() - began) / 1000);
      console.info(
        `${rounds} rounds in ${Math.round(roundsMs / 1000)} s, settled after ${seconds} s, KILL_SEED=${seed}: ${changes.length} changes ${JSON.stringify(counts)}, killed ${JSON.stringify(killed)}`,
      );
      for (const [reason, n] of reasons) console.info(`${n} × ${reason}`);
      expect(lies).toEqual([]);
      expect(startedTwice(recorder)).toEqual([]);
      expect(counts.ran).toBeGreaterThan(0);
      expect((await recorder.program.run('audit', 'verify')).code).toBe(0);
    },
    limitMs,
  );
});

function begin(recorder: Recorder, random: () => number, n: number): Change {
  const tag = `c${n}`;
  const draw = random();
  const will = draw < 0.8 ? 'approve' : draw < 0.9 ? 'deny' : 'nothing';
  const command = random() < 0.6 ? 'record_slow' : random() < 0.5 ? 'record' : 'record_both';
  const host = recorder.hosts[n % recorder.hosts.length] ?? '';
  const change: Change = {
    id: `event-${tag}`,
    command,
    tag,
    host,
    will,
    done: Promise.resolve(),
    isDone: false,
  };
  change.done = live(recorder, change).then(() => {
    change.isDone = true;
  });
  // Looked at in the end; until then a late one is no crash of the suite.
  change.done.catch(() => {});
  return change;
}

/** What people do: ask until it is taken in, press until that is answered. */
async function live(recorder: Recorder, change: Change): Promise<void> {
  const { thread } = await patiently('asking', () => recorder.ask(change), limitMs);
  change.thread = thread;
  if (change.will === 'nothing') return;
  const looked = async () => {
    const { card, status } = await recorder.read(thread);
    if (!card && !hasEnded(status)) throw new Error(`no card yet: ${status}`);
    return card;
  };
  const card = await patiently(`the card of ${change.tag}`, looked, limitMs);
  if (!card) return;
  const verdict = change.will;
  const both = change.command === 'record_both' && verdict === 'approve';
  for (const who of both ? (['ada', 'grace'] as const) : (['ada'] as const))
    await patiently('a click', () => recorder.press(who, card, verdict, `${change.id}-${who}`), limitMs);
}

async function killOne(recorder: Recorder, victim: Victim): Promise<void> {
  const pids = recorder.pids();
  if (victim === 'whitelist' || victim === 'redis') return kill(pids[victim], 'SIGKILL');
  if (victim === 'everything') for (const pid of Object.values(pids)) kill(pid, 'SIGKILL');
  kill(pids.program, 'SIGKILL');
  await until('the program to end', () => recorder.pids().program !== pids.program, settleMs);
  await recorder.start();
}

/** Waits until every thread shows an end or an open card, and no open card is past its time. */
async function settled(recorder: Recorder, changes: readonly Change[]): Promise<Map<string, Told>> {
  const told = new Map<string, Told>();
  await until(
    'every run to end or to wait',
    async () => {
      for (const { tag, thread } of changes) {
        const before = told.get(tag);
        if (before && hasEnded(before.status)) continue;
        const now = await patiently('reading', () => recorder.read(thread ?? ''), settleMs);
        told.set(tag, now);
        const waits = now.status === 'waiting' && now.card?.verdict === 'pending';
        if (!hasEnded(now.status) && !waits) return false;
      }
      return true;
    },
    settleMs,
  ).catch((error: unknown) => {
    const open = [...told].filter(([, t]) => !hasEnded(t.status));
    throw new Error(
      `${String(error)}: ${JSON.stringify(open.map(([tag, { status, call, card }]) => ({ tag, status, call, card })))}`,
    );
  });
  return told;
}

function kindOf({
  status,
  call,
  card,
}: Told): 'ran' | 'lost' | 'refused' | 'waiting' | 'expired' | undefined {
  if (!hasEnded(status)) return card?.verdict === 'pending' ? 'waiting' : undefined;
  if (card?.verdict === 'expired') return 'expired';
  if (call?.status === 'unknown' || call?.outcome.startsWith('outcome unknown')) return 'lost';
  if (call?.status === 'ok' && call.outcome === 'exit 0') return 'ran';
  if (call?.status === 'refused' || call?.outcome.startsWith('not run')) return 'refused';
  return undefined;
}

/** Calls whose start is on record more often than the starts that were called off before anything began. */
function startedTwice(recorder: Recorder): readonly (string | undefined)[] {
  const lines = recorder.audited().filter((l) => !l.data?.probe);
  const of = (callId: string | undefined, is: (line: AuditLine) => boolean) =>
    lines.filter((l) => l.callId === callId && is(l)).length;
  const calls = new Set(lines.filter((l) => l.kind === 'command.started').map((l) => l.callId));
  return [...calls].filter(
    (id) =>
      of(id, (l) => l.kind === 'command.started') >
      1 + of(id, (l) => l.kind === 'command.ended' && l.data?.outcome === 'stopped before it began'),
  );
}

/** Mulberry32: a seed gives the same rounds again. */
function randomOf(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
