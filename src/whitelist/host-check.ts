/**
 * Looks at a host as a command would find it: tailnet, way there, host key, login. Nothing of the catalogue is run;
 * a login that has a shell is asked for `true`, one with the remote gate for nothing.
 */
import { readFile } from 'node:fs/promises';
import type { Client } from 'ssh2';
import type { Host } from '../core/command.ts';
import type { Clock, Logger } from '../core/ports.ts';
import type { Tailnet } from '../core/tailnet.ts';
import { type ConnectOptions, connect, termsFor } from './ssh/connect.ts';
import { expectedKey } from './ssh/host-key.ts';
import { createPool } from './ssh/pool.ts';
import type { Reach } from './ssh/reached.ts';
import { createSlots } from './ssh/slots.ts';
import { tailnetKeysFrom, tailnetRefusal } from './tailnet-guard.ts';

type Terms = Parameters<typeof connect>[1];
type Step = 'ok' | 'failed' | 'untried';

export interface HostChecked {
  readonly reached: Step;
  readonly key: Step;
  readonly login: Step;
  /** The first thing that is wrong, in a sentence; undefined when all three are ok. */
  readonly problem?: string;
  /** SHA256 fingerprint of the key that was shown and accepted. */
  readonly hostKey?: string;
  readonly ms: number;
}

export interface HostCheckOptions {
  readonly tailnet: Tailnet;
  readonly hosts: readonly Host[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** SSH_AUTH_SOCK, for hosts without a key file. */
  readonly agent?: string;
  /** For each step of a connection; default five seconds. */
  readonly timeoutMs?: number;
}

export interface HostCheck {
  /** Never rejects for what the host does. */
  check(host: Host): Promise<HostChecked>;
  /** The way to a host as a command takes it, for looking at its key. */
  readonly reach: Reach;
  close(): void;
}

export function createHostCheck(options: HostCheckOptions): HostCheck {
  const { tailnet, hosts, clock, timeoutMs = 5_000 } = options;
  const ssh: ConnectOptions = {
    logger: options.logger,
    readFile: (path) => readFile(path),
    connectTimeoutMs: timeoutMs,
    tailnetKeys: tailnetKeysFrom(tailnet),
    ...(options.agent === undefined ? {} : { agent: options.agent }),
  };
  // Only for its way through jump hosts: each check makes a connection of its own.
  const pool = createPool({ ...ssh, clock, idleMs: 60_000, inventory: hosts });
  const handshakes = createSlots(20);
  /** An sshd begins to drop strangers at ten (MaxStartups). */
  const perSshd = createSlots(8);

  const look = async (host: Host): Promise<Omit<HostChecked, 'ms'>> => {
    const refused = await tailnetRefusal(await tailnet.status(), host, { hosts, clock });
    if (refused !== undefined) return { ...untried, problem: refused };
    const expectation = await expectedKey(host, ssh.readFile, ssh.tailnetKeys);
    if (!expectation.ok) {
      const way = await pool.reach(host, timeoutMs);
      if (!way.ok) return { ...untried, reached: 'failed', problem: way.problem };
      way.stream.on('error', () => {}).destroy();
      return { reached: 'ok', key: 'failed', login: 'untried', problem: expectation.problem };
    }
    const read = await termsFor(host, ssh);
    if (!read.ok) return { ...untried, login: 'failed', problem: read.problem };
    const watched = watch(read.terms);
    const opened = await connect(host, watched.terms, pool.reach, handshakes, ssh);
    if (!opened.ok) return { ...stageOf(watched.verdict()), problem: opened.problem };
    const { client, hostKey } = opened;
    const broken = host.gate ? undefined : await runTrue(client, timeoutMs);
    client.end();
    const seen = { reached: 'ok', key: 'ok', hostKey } as const;
    return broken === undefined
      ? { ...seen, login: 'ok' }
      : { ...seen, login: 'failed', problem: `${host.user} can log in to ${host.name}, and ${broken}` };
  };

  return {
    async check(host) {
      const giveBack = await perSshd.take(`${host.address} ${host.port}`);
      const began = clock.now();
      const checked = await look(host);
      giveBack();
      return { ...checked, ms: clock.now() - began };
    },
    reach: pool.reach,
    close: () => pool.close(),
  };
}

const untried = { reached: 'untried', key: 'untried', login: 'untried' } as const;

/** The same terms, telling whether a key was judged at all and how. A pin is judged once for each type of key. */
function watch(terms: Terms): { readonly terms: Terms; verdict(): boolean | undefined } {
  let good: boolean | undefined;
  const judge: Terms['expected']['judge'] = (key) => {
    const verdict = terms.expected.judge(key);
    good = good === true || verdict.ok;
    return verdict;
  };
  return { terms: { ...terms, expected: { ...terms.expected, judge } }, verdict: () => good };
}

/** How far a connection came that failed, by the verdict on its key. */
function stageOf(good: boolean | undefined): Pick<HostChecked, 'reached' | 'key' | 'login'> {
  if (good === undefined) return { ...untried, reached: 'failed' };
  return good
    ? { reached: 'ok', key: 'ok', login: 'failed' }
    : { reached: 'ok', key: 'failed', login: 'untried' };
}

/** What keeps the login from running the simplest of commands; undefined when it runs. */
function runTrue(client: Client, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(
      () => resolve(`\`true\` did not end there within ${timeoutMs / 1000} s`),
      timeoutMs,
    );
    const done = (problem: string | undefined): void => {
      clearTimeout(timer);
      resolve(problem);
    };
    client.once('close', () => done('the connection was closed'));
    client.exec('true', (error, channel) => {
      if (error !== undefined) return done('may run nothing there');
      channel.on('error', () => {}).resume();
      channel.stderr.resume();
      channel.once('exit', (code: number | null) =>
        done(code === 0 ? undefined : `\`true\` failed there (exit ${code}): look at the login shell`),
      );
      channel.once('close', () => done('`true` told no exit code'));
    });
  });
}
