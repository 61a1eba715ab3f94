/**
 * This machine as a host when none is configured: an SSH server of our own on 127.0.0.1, for one kept key, running
 * commands and nothing else. It exists so that the same SSH code serves this machine as any other.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { timingSafeEqual } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import ssh2, { type AuthContext, type Connection, type ParsedKey, type ServerChannel } from 'ssh2';
import { STANDARD_PATH } from './remote-line.ts';
import { fingerprint } from './ssh/host-key.ts';

export interface Loopback {
  readonly port: number;
  /** `SHA256:…`, to be pinned. */
  readonly hostKeySha256: string;
  readonly clientKeyFile: string;
  readonly user: string;
  /** Ends connections and every process that is still running for them. */
  stop(): Promise<void>;
}

export interface LoopbackOptions {
  /** Holds both keys, made at the first start and kept; mode 0700. */
  readonly dir: string;
  /** The shell that is given each line, as a login shell would be. */
  readonly shell: string;
}

export async function startLoopback({ dir, shell }: LoopbackOptions): Promise<Loopback> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const hostKey = await keptKey(join(dir, 'loopback_host_ed25519'));
  const clientKeyFile = join(dir, 'loopback_client_ed25519');
  const clientKey = (await keptKey(clientKeyFile)).key;
  const { username: user } = userInfo();
  const children = new Set<ChildProcess>();
  const connections = new Set<Connection>();

  const server = new ssh2.Server({ hostKeys: [hostKey.pem], ident: 'opsagent' }, (connection) => {
    connections.add(connection);
    const unauthenticated = setTimeout(() => connection.end(), LOGIN_MS);
    connection.on('error', () => {});
    connection.once('close', () => {
      clearTimeout(unauthenticated);
      connections.delete(connection);
    });
    connection.on('authentication', (context) => {
      if (allowed(context, user, clientKey)) context.accept();
      else context.reject(['publickey']);
    });
    connection.once('ready', () => {
      clearTimeout(unauthenticated);
      // Only `exec` and its signals have a listener: ssh2 refuses shell, pty, env, sftp, agent and forwarding itself.
      connection.on('session', (accept) => {
        const session = accept();
        let child: ChildProcess | undefined;
        session.on('signal', (acceptSignal, _reject, { name }) => {
          endGroup(child, `SIG${name}` as NodeJS.Signals);
          acceptSignal?.();
        });
        session.once('exec', (acceptExec, _reject, { command }) => {
          child = run(shell, command, user, acceptExec());
          const started = child;
          children.add(started);
          started.once('close', () => children.delete(started));
          started.once('error', () => children.delete(started));
        });
      });
    });
  });
  // A listener of our own: ssh2's does not set TCP_NODELAY, which costs 40 ms at each turn.
  const listener = createServer({ noDelay: true }, (socket) => server.injectSocket(socket));
  const port = await listenOnKeptPort(listener, join(dir, 'loopback_port'));

  return {
    port,
    hostKeySha256: fingerprint(hostKey.key.getPublicSSH()),
    clientKeyFile,
    user,
    async stop() {
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
      // The runner hands TERM on to the command's own group, which this server does not know, and sees it ended.
      const running = [...children];
      for (const child of running) endGroup(child, 'SIGTERM');
      const deadline = Date.now() + STOP_MS;
      while (running.some(groupAlive) && Date.now() < deadline) await new Promise((r) => setTimeout(r, 20));
      for (const child of running) endGroup(child, 'SIGKILL');
      for (const connection of connections) connection.end();
      await closed;
    },
  };
}

/**
 * The port is part of what people approve, so a restart takes the same one again. Where another process has it
 * (a second server beside this one), any other will do.
 */
async function listenOnKeptPort(listener: Server, file: string): Promise<number> {
  const kept = Number(await readFile(file, 'utf8').catch(() => '0'));
  const known = Number.isInteger(kept) && kept > 0 && kept < 65_536;
  if (known && (await listens(listener, kept))) return kept;
  if (!(await listens(listener, 0))) throw new Error('no free port on 127.0.0.1');
  const { port } = listener.address() as AddressInfo;
  if (!known) await writeFile(file, `${port}\n`, { mode: 0o600 });
  return port;
}

function listens(listener: Server, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(false) : reject(error);
    listener.once('error', failed);
    listener.listen(port, '127.0.0.1', () => {
      listener.off('error', failed);
      resolve(true);
    });
  });
}

const LOGIN_MS = 10_000;
const STOP_MS = 3_000;

function allowed(context: AuthContext, user: string, clientKey: ParsedKey): boolean {
  if (context.method !== 'publickey' || context.key.algo !== clientKey.type) return false;
  if (!same(Buffer.from(context.username), Buffer.from(user))) return false;
  if (!same(context.key.data, clientKey.getPublicSSH())) return false;
  // Without a signature it is the question whether this key would do.
  if (context.signature === undefined || context.blob === undefined) return true;
  return clientKey.verify(context.blob, context.signature, context.hashAlgo) === true;
}

function same(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}

/** As sshd does: the line as the shell's one argument, a group of its own, a bare environment. */
function run(shell: string, line: string, user: string, channel: ServerChannel): ChildProcess {
  const home = homedir();
  const child = spawn(shell, ['-c', line], {
    cwd: home,
    env: { HOME: home, USER: user, LOGNAME: user, SHELL: shell, PATH: STANDARD_PATH },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  channel.on('error', () => {});
  channel.stderr.on('error', () => {});
  // A shell that is started ahead reads its request there. What is not read is thrown away, so that the channel ends.
  channel.pipe(child.stdin.on('error', () => {}));
  child.stdin.once('close', () => channel.resume());
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  let gone = false;
  channel.once('close', () => {
    gone = true;
    // Nobody reads any more: what still writes gets a broken pipe, as under sshd.
    child.stdin.destroy();
    child.stdout.destroy();
    child.stderr.destroy();
  });
  child.once('error', () => {
    if (gone) return;
    channel.exit(127);
    channel.close();
  });
  child.once('close', (code, signal) => {
    if (gone) return;
    if (signal !== null) channel.exit(signal.slice('SIG'.length));
    else channel.exit(code ?? 255);
    channel.end();
  });
  return child;
}

function endGroup(child: ChildProcess | undefined, signal: NodeJS.Signals): void {
  if (child?.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // It has just ended, or the name is no signal here.
  }
}

function groupAlive(child: ChildProcess): boolean {
  if (child.pid === undefined) return false;
  try {
    return process.kill(-child.pid, 0);
  } catch {
    return false;
  }
}

/** The key in this file, made if there is none; never replaced, so that a restart keeps what is pinned. */
async function keptKey(file: string): Promise<{ readonly pem: Buffer; readonly key: ParsedKey }> {
  let pem: Buffer;
  try {
    pem = await readFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    pem = newKey();
    // Whole or not at all: a start that is killed here must not leave half a key.
    const draft = `${file}.${process.pid}`;
    await writeFile(draft, pem, { mode: 0o600, flag: 'wx' });
    await rename(draft, file);
  }
  const key = privateKey(pem);
  if (!key) throw new TypeError(`${file} does not hold a private key`);
  return { pem, key };
}

const generateEd25519 = () => ssh2.utils.generateKeyPairSync('ed25519').private;

/**
 * A new private key in OpenSSH's form. About one in 180 that ssh2 1.17 writes is one it cannot read: it drops a zero
 * at the end of a key part. Such a key is thrown away.
 */
export function newKey(generate: () => string = generateEd25519): Buffer {
  for (let attempt = 0; attempt < 50; attempt++) {
    const pem = Buffer.from(generate());
    if (privateKey(pem)) return pem;
  }
  throw new Error('no readable SSH key could be made');
}

function privateKey(pem: Buffer): ParsedKey | undefined {
  const parsed: ParsedKey | ParsedKey[] | Error = ssh2.utils.parseKey(pem);
  const key = Array.isArray(parsed) ? parsed[0] : parsed;
  if (key === undefined || key instanceof Error) return undefined;
  const data = Buffer.from('opsagent');
  const signature = key.sign(data);
  return !(signature instanceof Error) && key.verify(data, signature) === true ? key : undefined;
}
