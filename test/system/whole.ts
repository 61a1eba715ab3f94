/**
 * The whole system as a person would start it: `opsagent start` as a process of its own, with a private Redis, the
 * loopback SSH server and a policy for the twins' people, in folders that are gone afterwards.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { connect as dial } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../contract/until.ts';
import { type ConsoleClient, consoleClient } from './console-client.ts';
import { fileHolds, filesUnder, keysWith } from './places.ts';

/** For a machine that is busy with other things; on an idle one everything here takes a second or two. */
export const patienceMs = 40_000;

type Env = Readonly<Record<string, string>>;

export interface Whole {
  /** Starts it, or starts it again on the same data; resolves when /healthz says that it is ready. */
  start(): Promise<void>;
  /** SIGKILL for the one process; resolves when everything it had started is gone too. */
  kill(): Promise<void>;
  /** SIGTERM, and everything removed. */
  close(): Promise<void>;
  /** The notes that practice_change has written: one for each time that it ran. */
  notes(): readonly string[];
  /** Events of the audit log, of all writers. */
  audited(): readonly AuditedEvent[];
  /** Waits until `read_left` or `read_right` runs; the returned function gives it what it prints and lets it end. */
  reader(side: 'left' | 'right'): Promise<(text: string) => void>;
  /** What `read_inbox` prints. */
  putInInbox(text: string): void;
  /** Files and Redis keys under the data directory, and the output, that hold this text. */
  placesWith(text: string): Promise<readonly string[]>;
  readonly console: ConsoleClient;
}

interface AuditedEvent {
  readonly kind: string;
  readonly runId?: string;
}

/** People of the policy, by their accounts on the twins. Eve is a member of both platforms and in no rule. */
export const people = {
  ada: { slack: 'U0ADA', discord: '700000000000000001' },
  grace: { slack: 'U0GRACE', discord: '700000000000000002' },
  eve: { slack: 'U0EVE', discord: '700000000000000003' },
} as const;

const policy = `
people:
  owner: { console: owner }
  ada: { slack: ${people.ada.slack}, discord: "${people.ada.discord}" }
  grace: { slack: ${people.grace.slack}, discord: "${people.grace.discord}" }
ask:
  - { name: team-asks, who: [owner, ada, grace], risk: [read, change], hosts: [all] }
approve:
  - { name: somebody-else, risk: [change], hosts: [all], who: [owner, ada, grace], people: 1, wait: 10m }
`;

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Makes the folders; nothing runs before `start`. `env` is all that the process gets beside what Node needs. */
export function createWhole(env: Env): Whole {
  const dir = mkdtempSync(join(tmpdir(), 'ops-system-'));
  const [config, data, desk, home] = ['config', 'data', 'desk', 'home'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
    string,
  ];
  for (const folder of [config, home, join(desk, 'notes')]) mkdirSync(folder, { recursive: true });
  writeFileSync(join(config, 'policy.yaml'), policy);
  writeFileSync(join(config, 'commands.yaml'), catalogue(desk));
  writeFileSync(join(desk, 'app.env'), settingsFile(env));
  writeFileSync(join(desk, 'inbox'), '');
  spawnSync('mkfifo', [join(desk, 'left'), join(desk, 'right')]);

  let child: ChildProcess | undefined;
  let printed = '';
  const endChild = () => signal(child, 'SIGKILL');
  process.once('exit', endChild);

  /** The process, its whitelist server and the private Redis, which is in a group of its own. */
  async function ended(): Promise<void> {
    await until('the process to end', () => !isAlive(child), patienceMs);
    await until('the private Redis to end', async () => !(await answers(redisSocket(data))), patienceMs);
  }

  return {
    async start() {
      const main = join(root, 'dist', 'src', 'main.js');
      const started = spawn(process.execPath, [main, 'start'], {
        cwd: dir,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...surroundings(home), ...ours(data, config), ...env },
      });
      child = started;
      for (const stream of [started.stdout, started.stderr])
        stream.setEncoding('utf8').on('data', (text: string) => {
          printed += text;
        });
      await until(
        'opsagent to be ready',
        async () => {
          if (started.exitCode !== null) throw new Error(`opsagent ended at its start:\n${printed}`);
          const url = urlOf(data, started.pid);
          return (
            url !== undefined && (await fetch(new URL('/healthz', url)).catch(() => undefined))?.ok === true
          );
        },
        patienceMs,
      );
    },
    async kill() {
      child?.kill('SIGKILL');
      await ended();
    },
    async close() {
      child?.kill('SIGTERM');
      try {
        await ended();
      } finally {
        endChild();
        process.off('exit', endChild);
        rmSync(dir, { recursive: true, force: true, maxRetries: 10 });
      }
    },
    notes: () => readdirSync(join(desk, 'notes')),
    audited: () =>
      filesUnder(join(data, 'audit'))
        .filter((file) => file.endsWith('.jsonl'))
        .flatMap((file) => readFileSync(file, 'utf8').split('\n').filter(Boolean))
        .map((line) => JSON.parse(line) as AuditedEvent),
    reader: (side) => readerOf(join(desk, side)),
    putInInbox: (text) => writeFileSync(join(desk, 'inbox'), text),
    async placesWith(text) {
      const files = filesUnder(data).filter((file) => fileHolds(file, text));
      const keys = await keysWith(redisSocket(data), text);
      return [
        ...files.map((file) => file.slice(data.length + 1)),
        ...keys,
        ...(printed.includes(text) ? ['output'] : []),
      ];
    },
    console: consoleClient(data, () => urlOf(data, child?.pid)),
  };
}

/** The shipped catalogue with its practice note in our folder, and commands that wait or print for a test. */
function catalogue(desk: string): string {
  const shipped = readFileSync(join(root, 'config', 'commands.yaml'), 'utf8');
  const ours = shipped.replaceAll('${TMPDIR:-/tmp}', join(desk, 'notes'));
  if (ours === shipped) throw new Error('practice_change no longer writes to TMPDIR; adapt this');
  const reads = [
    ['read_left', `hostname && cat ${join(desk, 'left')}`],
    ['read_right', `hostname && cat ${join(desk, 'right')}`],
    ['read_inbox', `cat ${join(desk, 'inbox')}`],
    ['read_settings', `cat ${join(desk, 'app.env')}`],
  ];
  const added = reads.map(([name, template]) =>
    [`  - name: ${name}`, `    description: Prints what a test put there`, `    category: practice`]
      .concat(`    command_template: ${template}`, `    risk: read`)
      .join('\n'),
  );
  return `${ours.trimEnd()}\n${added.join('\n')}\n`;
}

/** A file as it lies on many a server: the system's own secrets, which must not come out of a command. */
function settingsFile(env: Env): string {
  return Object.entries(env)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

function surroundings(home: string): Env {
  const { PATH = '', USER = '', LANG = 'C.UTF-8', TMPDIR } = process.env;
  return { PATH, USER, LANG, HOME: home, SHELL: '/bin/sh', ...(TMPDIR ? { TMPDIR } : {}) };
}

function ours(data: string, config: string): Env {
  return { OPSAGENT_DATA_DIR: data, OPSAGENT_CONFIG_DIR: config, UI_PORT: '0', LOG_LEVEL: 'debug' };
}

function urlOf(data: string, pid: number | undefined): string | undefined {
  try {
    const found = JSON.parse(readFileSync(join(data, 'instance.json'), 'utf8')) as {
      pid: number;
      url?: string;
    };
    return found.pid === pid ? found.url : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(child: ChildProcess | undefined): boolean {
  if (child === undefined) return false;
  return (child.exitCode === null && child.signalCode === null) || signal(child, 0);
}

/** To the process and its children of the same group; false when there are none. */
function signal(child: ChildProcess | undefined, name: NodeJS.Signals | 0): boolean {
  if (child?.pid === undefined) return false;
  try {
    return process.kill(-child.pid, name);
  } catch {
    return false;
  }
}

function redisSocket(data: string): string {
  return join(data, 'redis', 'redis.sock');
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const stream = dial(socket, () => {
      stream.destroy();
      resolve(true);
    });
    stream.once('error', () => resolve(false));
  });
}

/** A named pipe can be opened for writing without waiting only while somebody reads it. */
async function readerOf(pipe: string): Promise<(text: string) => void> {
  let fd: number | undefined;
  await until(
    `a command to read ${pipe}`,
    () => {
      try {
        fd = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
        return true;
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENXIO') return false;
        throw error;
      }
    },
    patienceMs,
  );
  const opened = fd;
  if (opened === undefined) throw new Error('the pipe is not open');
  return (text) => {
    writeSync(opened, text);
    closeSync(opened);
  };
}
