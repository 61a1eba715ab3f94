/**
 * Between the approval and the run something changes, on the started program: the whitelist server is held still, the
 * click is taken, and what it starts with again is no longer what people approved. What is unchanged runs.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect } from '../../src/backends/redis/client.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { until } from '../contract/until.ts';
import { recordingLogger } from '../fakes/logger.ts';
import { needs } from '../needs.ts';
import { makeKey } from '../twins/sshd.ts';
import { type Asked, kill, newId, newRecorder, type Recorder } from './recorder.ts';

const limit = 90_000;

interface Case {
  readonly what: string;
  readonly command: Asked['command'];
  readonly says: RegExp;
  /** Changes the arguments of the stored call, as whoever writes Redis can. */
  readonly args?: (args: JsonObject) => JsonObject;
}

/** One each on a host of its own, web-1 first; what is edited for each of them is in `edit`. */
const cases: readonly Case[] = [
  { what: 'nothing', command: 'record', says: /^exit 0$/ },
  { what: "this command's text", command: 'record_slow', says: /the command's text or limits changed/ },
  { what: 'the host address', command: 'record', says: /the address of web-3 changed/ },
  { what: 'the host key in known_hosts', command: 'record', says: /the host key of web-4 changed/ },
  { what: 'the policy', command: 'record', says: /policy\.yaml now asks for the rule stricter/ },
  {
    what: 'an argument',
    command: 'record',
    args: (args) => ({ ...args, parameters: { tag: 'another' } }),
    says: /the arguments changed/,
  },
  {
    what: 'the host',
    command: 'record',
    args: (args) => ({ ...args, host: 'web-40' }),
    says: /the hosts changed/,
  },
  {
    what: 'the command id',
    command: 'record',
    args: (args) => ({ ...args, command_name: 'record_both' }),
    says: /the command .*changed|policy\.yaml now asks for the rule both/,
  },
];

needs(
  'redis-server',
  'sshd',
  'dash',
  'ssh-keygen',
)('what changed between the click and the run', () => {
  let recorder: Recorder;
  beforeAll(async () => {
    recorder = await newRecorder();
    const { sshd, texts } = recorder;
    // A known_hosts file of its own, so that only this host's key changes.
    writeFileSync(join(sshd.dir, 'known_hosts_4'), readFileSync(recorder.knownHosts));
    recorder.write('hosts', ownKnownHosts(texts.hosts));
    await recorder.start();
  }, limit);
  afterAll(() => recorder?.close(), limit);

  it(
    'is refused with the part named, and what is unchanged runs',
    async () => {
      const asked = await Promise.all(
        cases.map(async ({ command, args }, i) => {
          const tag = `drift-${i + 1}`;
          const { thread } = await recorder.ask({ id: newId(), command, tag, host: `web-${i + 1}` });
          const card = await recorder.card(thread);
          if (args) await alter(recorder, card.runId, args);
          return { thread, tag, card };
        }),
      );
      const { whitelist } = recorder.pids();
      kill(whitelist, 'SIGSTOP');
      for (const { card } of asked)
        expect(await recorder.press('ada', card)).toEqual({ kind: 'counted', text: 'Approved.' });

      edit(recorder);
      kill(whitelist, 'SIGKILL');

      const said = await Promise.all(asked.map(({ thread }) => recorder.ended(thread)));
      expect(said.map(({ call }) => call?.outcome)).toEqual(
        cases.map(({ says }) => expect.stringMatching(says)),
      );
      expect(asked.map(({ tag }) => recorder.ran(tag).length)).toEqual([1, 0, 0, 0, 0, 0, 0, 0]);
      expect(recorder.ran('another')).toEqual([]);
      // Each refusal is on record under its run.
      const refused = recorder.audited().filter((l) => l.kind === 'approval.refused');
      for (const { card } of asked.slice(1)) expect(refused.map((l) => l.runId)).toContain(card.runId);
    },
    limit,
  );
});

function ownKnownHosts(hosts: string): string {
  return hosts
    .split('\n')
    .map((line) => (line.includes('name: web-4,') ? line.replace(/known_hosts(?=,)/, 'known_hosts_4') : line))
    .join('\n');
}

function edit(recorder: Recorder): void {
  const { texts, sshd } = recorder;
  recorder.write('commands', texts.commands.replace('sleep 0.25', 'sleep 0.26'));
  recorder.write(
    'hosts',
    ownKnownHosts(texts.hosts)
      .split('\n')
      .map((line) => (line.includes('name: web-3,') ? line.replace('127.0.0.1', 'localhost') : line))
      .join('\n'),
  );
  const key = makeKey(join(sshd.dir, 'another-host-key'));
  const [type, encoded] = readFileSync(`${key}.pub`, 'utf8').split(' ');
  writeFileSync(join(sshd.dir, 'known_hosts_4'), `[127.0.0.1]:${sshd.port} ${type} ${encoded}\n`);
  writeFileSync(
    recorder.knownHosts,
    `${readFileSync(recorder.knownHosts, 'utf8')}[localhost]:${sshd.port} ${sshd.hostKeyLine}\n`,
  );
  const stricter =
    '  - { name: stricter, risk: [change], hosts: [web-5], who: [grace], people: 1, wait: 10m }\n';
  recorder.write('policy', texts.policy.replace('approve:\n', `approve:\n${stricter}`));
}

/** Rewrites the arguments of the waiting call where the run is stored, and nothing else. */
async function alter(
  recorder: Recorder,
  runId: string,
  change: (args: JsonObject) => JsonObject,
): Promise<void> {
  const redis = connect({ socket: recorder.redisSocket }, recordingLogger());
  try {
    const key = `opsagent:run:${runId}`;
    const read = async () =>
      JSON.parse((await redis.hget(key, 'run')) ?? '') as {
        state: { kind: string };
        posts: { key: string; ref?: string }[];
        turns: { calls?: { args: JsonObject }[] }[];
      };
    // A worker that still holds the run would write its own over this.
    await until('the worker to let go', async () => {
      const { state, posts } = await read();
      return state.kind === 'waiting' && posts.every((post) => post.ref !== undefined);
    });
    const run = await read();
    for (const turn of run.turns) for (const call of turn.calls ?? []) call.args = change(call.args);
    await redis.hset(key, 'run', JSON.stringify(run));
  } finally {
    redis.disconnect();
  }
}
