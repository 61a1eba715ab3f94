/**
 * The started program with a real sshd behind it, named people in front of it, and changes that each leave a line in
 * a file of their target for each time that they ran: what people are told is held against that file.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { addPerson } from '../../src/backends/people.ts';
import type { ListedApproval } from '../../src/core/open-approvals.ts';
import type { BoardEntry, Decided, Received } from '../../src/core/ports.ts';
import type { CallView, CardView, SegmentView } from '../../src/core/view.ts';
import { until } from '../contract/until.ts';
import { type Sshd, startSshd } from '../twins/sshd.ts';
import { filesUnder } from './places.ts';
import { newProgram, type Program, patienceMs, type Started } from './program.ts';
import { commands, hostNames, hosts, policy } from './recorder-config.ts';

/** The owner asks, ada and grace approve; who signs in as whom. */
export type Who = 'owner' | 'ada' | 'grace';

/** One change as its thread shows it. */
export interface Told {
  readonly status: SegmentView['status'];
  readonly call: CallView | undefined;
  readonly card: CardView | undefined;
  readonly entries: readonly BoardEntry[];
}

export interface Asked {
  /** Event id of the request: the same one again is the same request. */
  readonly id: string;
  readonly command: 'record' | 'record_slow' | 'record_both' | 'read_forever' | 'read_slow' | 'look';
  readonly tag: string;
  readonly host: string;
}

export interface AuditLine {
  readonly kind: string;
  readonly time: string;
  readonly runId?: string;
  readonly callId?: string;
  readonly who?: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

export interface Recorder {
  readonly program: Program;
  readonly sshd: Sshd;
  /** Starts it, or starts it again on the same data. */
  start(): Promise<Started>;
  /** Who runs now: the program, its whitelist server, its private Redis. */
  pids(): { readonly program?: number; readonly whitelist?: number; readonly redis?: number };
  /** Waits until no process of it is left. */
  gone(): Promise<void>;
  readonly redisSocket: string;
  as(who: Who, path: string, body?: object): Promise<{ readonly status: number; readonly body: unknown }>;
  ask(asked: Asked): Promise<{ readonly thread: string; readonly result: Received }>;
  read(thread: string): Promise<Told>;
  /** Waits until the thread has a card that satisfies this. */
  card(thread: string, is?: (card: CardView) => boolean): Promise<CardView>;
  /** Waits until the run of this thread has ended. */
  ended(thread: string): Promise<Told>;
  /** One press of a button, of which people send one again until it is answered. */
  press(who: Who, card: CardView, verdict?: 'approve' | 'deny', id?: string): Promise<Decided>;
  open(who: Who): Promise<readonly ListedApproval[]>;
  /** When each run of the change with this tag began on the target, ns since the epoch. */
  ran(tag: string): readonly bigint[];
  /** How often `read_slow` has begun there. */
  reads(): number;
  audited(): readonly AuditLine[];
  /** The configuration files, to be written anew. */
  write(name: 'commands' | 'hosts' | 'policy', text: string): void;
  readonly texts: { readonly commands: string; readonly hosts: string; readonly policy: string };
  readonly knownHosts: string;
  /** Names of the one target, each with a turn of its own. */
  readonly hosts: readonly string[];
  close(): Promise<void>;
}

export interface RecorderOptions {
  /** How long a card stays open; 30 s is the least. */
  readonly wait?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** People are added as a person would: by `opsagent people add`, which takes its while. */
  readonly addByCommand?: boolean;
}

export async function newRecorder(options: RecorderOptions = {}): Promise<Recorder> {
  const sshd = await startSshd({ shells: ['dash'], maxSessions: 64, config: ['MaxStartups 200'] });
  const program = await newProgram();
  const { dir, dataDir } = program;
  const config = join(dir, 'config');
  const file = join(sshd.dir, 'recorded');
  const knownHosts = join(sshd.dir, 'known_hosts');
  writeFileSync(file, '');
  writeFileSync(knownHosts, `[127.0.0.1]:${sshd.port} ${sshd.hostKeyLine}\n`);
  const texts = {
    commands: commands(file),
    hosts: hosts(sshd, knownHosts),
    policy: policy(options.wait ?? '10m'),
  };
  mkdirSync(config);
  const write: Recorder['write'] = (name, text) => writeFileSync(join(config, `${name}.yaml`), text);
  for (const name of ['commands', 'hosts', 'policy'] as const) write(name, texts[name]);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const tokens = new Map<Who, string>();
  for (const who of ['ada', 'grace'] as const)
    tokens.set(
      who,
      options.addByCommand ? await addedByCommand(program, who) : addPerson(dataDir, who, Date.now()),
    );
  const tokenOf = (who: Who) =>
    tokens.get(who) ?? readFileSync(join(dataDir, 'console.token'), 'utf8').trim();

  const as: Recorder['as'] = async (who, path, body) => {
    const response = await fetch(`http://127.0.0.1:${program.port}${path}`, {
      headers: { authorization: `Bearer ${tokenOf(who)}`, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(10_000),
      ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}),
    });
    return { status: response.status, body: await response.json() };
  };
  const good = async (who: Who, path: string, body?: object): Promise<unknown> => {
    const answer = await as(who, path, body);
    if (answer.status !== 200)
      throw new Error(`${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const ours = () =>
    readdirSync('/proc').flatMap((name) => {
      if (!/^\d+$/.test(name) || Number(name) === process.pid) return [];
      try {
        const line = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
        const isOurs = readlinkSync(`/proc/${name}/cwd`).startsWith(dir) || line.includes(dir);
        return isOurs && line !== '' ? [{ pid: Number(name), line }] : [];
      } catch {
        return [];
      }
    });
  const read = async (thread: string): Promise<Told> => {
    const { entries } = (await good('owner', `/api/threads/${thread}`)) as { entries: BoardEntry[] };
    const views = [...entries].sort((a, b) => a.order - b.order).map((e) => e.view);
    const segments = views.flatMap((v) => (v.kind === 'segment' ? [v] : []));
    const calls = segments.flatMap((s) => s.parts.flatMap((p) => (p.kind === 'call' ? [p.call] : [])));
    return {
      entries,
      status: segments.findLast((s) => s.status)?.status,
      call: calls[0],
      card: views.flatMap((v) => (v.kind === 'card' ? [v] : []))[0],
    };
  };

  return {
    program,
    sshd,
    as,
    read,
    write,
    texts,
    knownHosts,
    hosts: hostNames,
    redisSocket: join(dataDir, 'redis', 'redis.sock'),
    start: () => program.start(options.env),
    pids() {
      const find = (what: RegExp) => ours().find(({ line }) => what.test(line))?.pid;
      const [main, whitelist, redis] = [/main\.js start/, /main\.js mcp/, /^redis-server /].map(find);
      return {
        ...(main === undefined ? {} : { program: main }),
        ...(whitelist === undefined ? {} : { whitelist }),
        ...(redis === undefined ? {} : { redis }),
      };
    },
    gone: () => until('every process to end', () => ours().length === 0, patienceMs),
    ask: async ({ id, command, tag, host }) =>
      (await good('owner', '/api/run', {
        id,
        command,
        host,
        params: command.startsWith('record') ? { tag } : {},
      })) as { thread: string; result: Received },
    async card(thread, is = () => true) {
      let found: CardView | undefined;
      await until(
        'the card',
        async () => {
          const { card } = await read(thread);
          found = card && is(card) ? card : undefined;
          return found !== undefined;
        },
        patienceMs,
      );
      if (!found) throw new Error('no card');
      return found;
    },
    async ended(thread) {
      let told = await read(thread);
      await until(
        `${thread} to end`,
        async () => {
          told = await read(thread);
          return hasEnded(told.status);
        },
        patienceMs,
      ).catch((error: unknown) => {
        throw new Error(`${String(error)}: ${told.status}, ${told.call?.outcome}, ${told.card?.verdict}`);
      });
      return told;
    },
    press: async (who, { approvalId, digest }, verdict = 'approve', id = newId()) =>
      (await good(who, '/api/decide', { approval: approvalId, verdict, digest, id })) as Decided,
    open: async (who) => ((await good(who, '/api/approvals')) as { approvals: ListedApproval[] }).approvals,
    ran: (tag) =>
      readFileSync(file, 'utf8')
        .split('\n')
        .flatMap((line) => (line.endsWith(` ${tag}`) ? [BigInt(line.split(' ')[0] ?? 0)] : [])),
    reads: () =>
      readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line === 'began').length,
    audited: () =>
      filesUnder(join(dataDir, 'audit'))
        .filter((name) => name.endsWith('.jsonl'))
        .flatMap((name) => readFileSync(name, 'utf8').split('\n').filter(Boolean))
        .map((line) => JSON.parse(line) as AuditLine),
    async close() {
      for (const { pid } of ours()) kill(pid, 'SIGKILL');
      try {
        await program.close();
      } finally {
        await sshd.stop();
      }
    },
  };
}

export function hasEnded(status: Told['status']): boolean {
  return status === 'finished' || status === 'failed' || status === 'cancelled';
}

/** An event id, as the console's page makes one for each thing that a person does. */
export const newId = (): string => randomUUID();

/** Gone already is as good. */
export function kill(pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}

/** Does it again while the program is away, as a browser does. */
export async function patiently<T>(what: string, act: () => Promise<T>, withinMs = patienceMs): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (performance.now() > deadline) throw new Error(`${what}: ${String(error)}`);
      await delay(30);
    }
  }
}

async function addedByCommand(program: Program, who: Who): Promise<string> {
  const { code, stdout, stderr } = await program.run('people', 'add', who, '--json');
  if (code !== 0) throw new Error(stderr);
  return (JSON.parse(stdout) as { token: string }).token;
}
