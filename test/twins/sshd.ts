/**
 * A real OpenSSH sshd on a loopback port, as root or as a plain user, with keys, configuration and log of its own.
 * Each login shell asked for has a key of its own, whose forced command hands it the line exactly as sshd would.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import type { Host } from '../../src/core/command.ts';
import { programPath } from '../system-packages.mjs';

export interface SshdOptions {
  /** Key type of the host; default ed25519. */
  readonly hostKeyType?: 'ed25519' | 'ecdsa' | 'rsa';
  /** Another host key, which clients prefer less than ed25519. */
  readonly secondHostKey?: 'rsa';
  readonly maxSessions?: number;
  /** Login shells to make keys for, by name on the PATH. */
  readonly shells?: readonly string[];
  /** Where sshd looks for the keys of the user who logs in, relative to the home; default one file for whoever runs it. */
  readonly authorizedKeysFile?: string;
  /** Addresses to listen on, all on one port, 16 at most (sshd's own limit); default 127.0.0.1. */
  readonly addresses?: readonly string[];
  /** Lines of sshd_config that come before the others, and so win. */
  readonly config?: readonly string[];
}

export interface Sshd {
  readonly dir: string;
  readonly port: number;
  readonly user: string;
  readonly hostKeySha256: string;
  /** The host's public key as known_hosts has it: `type base64`. */
  readonly hostKeyLine: string;
  readonly clientKeyFile: string;
  /** A host for runners, pinned; `over` replaces fields. */
  host(over?: Partial<Host>): Host;
  /** Key file of the login that has this shell, and the home its rc files are read from. */
  login(shell: string): { readonly keyFile: string; readonly home: string };
  /** What sshd has logged so far. */
  log(): string;
  stop(): Promise<void>;
}

/** A user of this machine, for as long as a test runs; the name is `oat`, eight hex digits and a letter. */
export interface LoginUser {
  readonly name: string;
  readonly home: string;
  readonly shellPath: string;
}

/** Starts it and waits until it listens. `stop` ends it and the connections it has. */
export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  const dir = mkdtempSync(join(tmpdir(), 'opsagent-sshd-'));
  const { username: user } = userInfo();
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const hostKeyFile = makeKey(join(dir, 'host'), options.hostKeyType ?? 'ed25519');
  const clientKeyFile = makeKey(join(dir, 'client'));
  const authorized = [readFileSync(`${clientKeyFile}.pub`, 'utf8')];
  const logins = new Map<string, { keyFile: string; home: string }>();
  for (const shell of options.shells ?? []) {
    const home = join(dir, `home-${shell}`);
    mkdirSync(home);
    const keyFile = makeKey(join(dir, `client-${shell}`));
    logins.set(shell, { keyFile, home });
    const command = `cd ${home} && HOME=${home} exec ${shell} -c \\"$SSH_ORIGINAL_COMMAND\\"`;
    authorized.push(`command="${command}" ${readFileSync(`${keyFile}.pub`, 'utf8')}`);
  }
  writeFileSync(join(dir, 'authorized_keys'), authorized.join(''), { mode: 0o600 });
  const port = await freePort();
  writeFileSync(
    join(dir, 'sshd_config'),
    [
      ...(options.config ?? []),
      ...(options.addresses ?? ['127.0.0.1']).map((address) => `ListenAddress ${address}:${port}`),
      `HostKey ${hostKeyFile}`,
      ...(options.secondHostKey === undefined
        ? []
        : [`HostKey ${makeKey(join(dir, 'host2'), options.secondHostKey)}`]),
      `AuthorizedKeysFile ${options.authorizedKeysFile ?? join(dir, 'authorized_keys')}`,
      `PidFile ${join(dir, 'pid')}`,
      'LogLevel VERBOSE',
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      'AllowAgentForwarding yes',
      'AcceptEnv *',
      `MaxSessions ${options.maxSessions ?? 10}`,
      '',
    ].join('\n'),
  );
  let log = '';
  const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', join(dir, 'sshd_config')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  // A suite that fails before its afterAll must not leave it behind.
  const endWithUs = (): void => void child.kill();
  process.once('exit', endWithUs);
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (chunk: Buffer) => {
      log += chunk.toString();
      if ((log.match(/Server listening/g)?.length ?? 0) >= (options.addresses?.length ?? 1)) resolve();
    });
    child.once('exit', () => reject(new Error(`sshd did not start: ${log}`)));
  });
  const [type, encoded] = readFileSync(`${hostKeyFile}.pub`, 'utf8').split(' ');
  const printed = execFileSync('ssh-keygen', ['-lf', `${hostKeyFile}.pub`], { encoding: 'utf8' });
  const hostKeySha256 = printed.split(' ')[1] ?? '';

  return {
    dir,
    port,
    user,
    hostKeySha256,
    hostKeyLine: `${type} ${encoded}`,
    clientKeyFile,
    host: (over = {}) => ({
      name: 'web-1',
      address: '127.0.0.1',
      port,
      user,
      keyFile: clientKeyFile,
      hostKey: { kind: 'fingerprint', sha256: hostKeySha256 },
      tags: [],
      tier: 'test',
      ...over,
    }),
    login(shell) {
      const login = logins.get(shell);
      if (login === undefined) throw new Error(`no login with ${shell}`);
      return login;
    },
    log: () => log,
    async stop() {
      process.off('exit', endWithUs);
      for (const pid of sessionsOf(child.pid)) endQuietly(pid);
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      if (child.exitCode === null && child.signalCode === null) await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Whose run a user belongs to stands in its comment field, so that a live run's users are left alone. */
const COMMENT = 'opsagent test of process ';

/** Makes a user of this machine with that home and login shell, who can log in with a key only. Needs root. */
export function addUser({ name, home, shellPath }: LoginUser): void {
  const options = [
    '-r',
    '-M',
    '-N',
    '-d',
    home,
    '-s',
    shellPath,
    '-p',
    '*',
    '-c',
    `${COMMENT}${process.pid}`,
  ];
  execFileSync(programPath('useradd') ?? '', [...options, name], { stdio: 'pipe' });
}

/** Ends the user's processes and removes the user; the home is the caller's. */
export function removeUser(name: string): void {
  for (const pid of processesOf(name)) endQuietly(pid, 'SIGKILL');
  try {
    // Forced: a process that was just killed may still be on the list.
    execFileSync(programPath('userdel') ?? '', ['-f', name], { stdio: 'pipe' });
  } catch (error) {
    if (passwdLines().some((line) => line.startsWith(`${name}:`))) throw error;
  }
}

/**
 * Removes what a run that was killed has left: its users with their processes, the folder of their homes, and the
 * sshd whose folder is named by the file `sshd` there.
 */
export function removeLeftoverUsers(): void {
  for (const line of passwdLines()) {
    const [name = '', , , , comment = '', home = ''] = line.split(':');
    if (!/^oat[0-9a-f]{8}[a-z]$/.test(name) || !comment.startsWith(COMMENT)) continue;
    if (isAlive(Number(comment.slice(COMMENT.length)))) continue;
    const folder = dirname(home);
    if (existsSync(join(folder, 'sshd'))) removeSshd(readFileSync(join(folder, 'sshd'), 'utf8'));
    removeUser(name);
    if (folder.includes('opsagent-logins-')) rmSync(folder, { recursive: true, force: true });
  }
}

function removeSshd(dir: string): void {
  if (!dir.includes('opsagent-sshd-') || !existsSync(join(dir, 'pid'))) return;
  const pid = readFileSync(join(dir, 'pid'), 'utf8').trim();
  const commandLine = `/proc/${pid}/cmdline`;
  if (existsSync(commandLine) && readFileSync(commandLine, 'utf8').includes(dir))
    endQuietly(Number(pid), 'SIGKILL');
  rmSync(dir, { recursive: true, force: true });
}

const passwdLines = () => readFileSync('/etc/passwd', 'utf8').split('\n');

function processesOf(name: string): readonly number[] {
  try {
    return execFileSync('pgrep', ['-u', name], { encoding: 'utf8', stdio: 'pipe' })
      .split('\n')
      .filter(Boolean)
      .map(Number);
  } catch {
    return [];
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Makes an unencrypted key pair unless `passphrase` is given; returns the private file. */
export function makeKey(file: string, type = 'ed25519', passphrase = ''): string {
  const bits = type === 'rsa' ? ['-b', '2048'] : [];
  if (!existsSync(file))
    execFileSync('ssh-keygen', ['-q', '-t', type, ...bits, '-N', passphrase, '-C', '', '-f', file]);
  return file;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** sshd's children for open connections: they outlive it otherwise. */
function sessionsOf(pid: number | undefined): readonly number[] {
  try {
    return execFileSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' })
      .split('\n')
      .filter(Boolean)
      .map(Number);
  } catch {
    return [];
  }
}

function endQuietly(pid: number, signal?: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended already.
  }
}
