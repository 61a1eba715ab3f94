/**
 * `opsagent hosts trust`: looks at a host's key without logging in, and writes it to the known_hosts file only after
 * a person said yes. A key that differs from a known one is never written.
 */
import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Host } from '../../core/command.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import { type Dialled, dial } from './dial.ts';
import { ALL_ALGORITHMS, algorithmsOf, fingerprint } from './host-key.ts';
import { knownName, lookUpKnown, typeOfKey } from './known-hosts.ts';
import { NO_LOGIN } from './login.ts';
import { createPool } from './pool.ts';
import { createReach } from './reach.ts';
import type { Reached } from './reached.ts';

export interface ShownKey {
  readonly type: string;
  /** `SHA256:…` as ssh-keygen prints it. */
  readonly fingerprint: string;
  /** The known_hosts line. */
  readonly line: string;
}

export type Trusted =
  | ({ readonly kind: 'added' | 'known' } & ShownKey)
  | ({ readonly kind: 'declined' } & ShownKey)
  | { readonly kind: 'failed'; readonly problem: string };

/** What the way to a host behind a jump host takes: that one is logged in to. */
export interface TrustRoute {
  readonly inventory: readonly Host[];
  readonly agent?: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * `file` is made if it is missing, readable by its owner alone. Never authenticates to the host, never rejects for it.
 * Without `route` a host behind a jump host fails.
 */
export async function trustHost(
  host: Host,
  file: string,
  confirm: (key: ShownKey) => Promise<boolean>,
  route?: TrustRoute,
): Promise<Trusted> {
  let text: string;
  try {
    text = await readText(file);
  } catch (error) {
    return { kind: 'failed', problem: `${file} cannot be read (${(error as NodeJS.ErrnoException).code})` };
  }
  const known = lookUpKnown(text, host.address, host.port);
  const knownTypes = known.keys.flatMap(({ type }) => algorithmsOf(type));
  const dialled = await look(host, knownTypes.length > 0 ? knownTypes : ALL_ALGORITHMS, route);
  if (dialled.kind !== 'key-refused') {
    const problem =
      'problem' in dialled ? dialled.problem : `${host.name} accepted a login that was not asked for`;
    return { kind: 'failed', problem };
  }
  const key = dialled.hostKey;
  const type = typeOfKey(key) ?? 'unknown';
  const line = `${knownName(host.address, host.port)} ${type} ${key.toString('base64')}`;
  const shown: ShownKey = { type, fingerprint: fingerprint(key), line };
  if (known.revoked.some((one) => one.key.equals(key))) {
    return {
      kind: 'failed',
      problem: `the key of ${host.name} (${shown.fingerprint}) is marked @revoked in ${file}`,
    };
  }
  if (known.keys.some((one) => one.key.equals(key))) return { kind: 'known', ...shown };
  const other = known.keys.find((one) => one.type === type);
  if (other !== undefined) {
    return {
      kind: 'failed',
      problem:
        `${file} line ${other.line} has another key for ${host.name}: known ${fingerprint(other.key)}, ` +
        `shown ${shown.fingerprint}. Find out why; if the change is right, delete that line and try again`,
    };
  }
  if (!(await confirm(shown))) return { kind: 'declined', ...shown };
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const before = await readText(file);
    const separator = before === '' || before.endsWith('\n') ? '' : '\n';
    await appendFile(file, `${separator}${line}\n`, { mode: 0o600 });
  } catch (error) {
    return {
      kind: 'failed',
      problem: `${file} cannot be written (${(error as NodeJS.ErrnoException).code})`,
    };
  }
  return { kind: 'added', ...shown };
}

/** The verdict is always no, so the handshake ends at the key, before any login. */
async function look(
  host: Host,
  algorithms: readonly string[],
  route: TrustRoute | undefined,
): Promise<Dialled> {
  const pool =
    route &&
    createPool({
      ...route,
      readFile: (path) => readFile(path),
      idleMs: TIMEOUT_MS,
      connectTimeoutMs: TIMEOUT_MS,
    });
  const dialled = await dial(host, {
    algorithms,
    judge: () => ({ ok: false, problem: 'only looked at' }),
    login: NO_LOGIN,
    timeoutMs: TIMEOUT_MS,
    reach: pool?.reach ?? createReach(noTunnel),
  });
  if (dialled.kind === 'ready') dialled.client.end();
  pool?.close();
  return dialled;
}

async function noTunnel(host: Host): Promise<Reached> {
  const problem = `${host.name} is reached through ${host.jump}, which is not gone through here: look at its key from there`;
  return { ok: false, problem };
}

const TIMEOUT_MS = 10_000;

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
