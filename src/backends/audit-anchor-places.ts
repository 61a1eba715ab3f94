/**
 * The places that anchors are sent to: a file elsewhere, the syslog of this machine, or one of another machine by
 * RFC 5424 over UDP (RFC 5426) or TCP (RFC 6587, counted). UDP cannot say that nobody listens.
 */
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { open, stat } from 'node:fs/promises';
import { createConnection, isIPv6 } from 'node:net';
import { hostname } from 'node:os';
import { type Anchor, type AnchorPlace, anchorMark } from '../core/anchor.ts';

const withinMs = 2_000;
/** authpriv (10), notice (5). */
const priority = 10 * 8 + 5;

/** Resolves once the place has taken it, as far as the place can say so; rejects otherwise, within two seconds. */
export async function sendAnchor(place: AnchorPlace, anchor: Anchor): Promise<void> {
  switch (place.kind) {
    case 'file':
      return toFile(place.path, anchor);
    case 'syslog':
      return toLogger(place.socket, `${anchorMark} ${JSON.stringify(anchor)}`);
    case 'syslog-udp':
      return toUdp(place, Buffer.from(syslogMessage(anchor)));
    case 'syslog-tcp': {
      const message = Buffer.from(syslogMessage(anchor));
      return toTcp(place, Buffer.concat([Buffer.from(`${message.length} `), message]));
    }
    default:
      return place satisfies never;
  }
}

async function toFile(path: string, anchor: Anchor): Promise<void> {
  // A pipe or device in its place would take our word and keep nothing, or hold us up.
  const there = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (there && !there.isFile()) throw new Error('it is no plain file');
  const handle = await open(path, 'a+', 0o600);
  try {
    const { size } = await handle.stat();
    const last = Buffer.alloc(1);
    if (size > 0) await handle.read(last, 0, 1, size - 1);
    // After a line that a full disk or a crash cut short, ours begins on a new one.
    await handle.appendFile(`${size > 0 && last[0] !== 10 ? '\n' : ''}${JSON.stringify(anchor)}\n`);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

function toLogger(socket: string, message: string): Promise<void> {
  const args = ['--socket-errors=on', '-u', socket, '--rfc5424', '-t', 'opsagent', '-p', 'authpriv.notice'];
  const options = { timeout: withinMs, env: { PATH: '/usr/local/bin:/usr/bin:/bin' } };
  return new Promise((resolve, reject) => {
    execFile('logger', [...args, '--', message], options, (error, _out, said) => {
      if (error) reject(new Error(said.trim() || `logger: ${error.code ?? error.message}`));
      else resolve();
    });
  });
}

interface Address {
  readonly host: string;
  readonly port: number;
}

function toUdp({ host, port }: Address, message: Buffer): Promise<void> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  return new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('it could not be sent in time')), withinMs);
    const done = (error?: Error | null) => {
      clearTimeout(timer);
      if (error) reject(error);
      else resolve();
    };
    socket.once('error', done);
    socket.send(message, port, host, done);
  }).finally(() => socket.close());
}

function toTcp({ host, port }: Address, message: Buffer): Promise<void> {
  const socket = createConnection({ host, port });
  return new Promise<void>((resolve, reject) => {
    socket.setTimeout(withinMs, () => reject(new Error('it did not answer in time')));
    socket.once('error', reject);
    // The receiver closes its side once it has read ours to the end.
    socket.once('close', () => resolve());
    socket.resume();
    socket.end(message);
  }).finally(() => socket.destroy());
}

function syslogMessage(anchor: Anchor): string {
  const host = hostname().replace(/[^\x21-\x7e]/g, '') || '-';
  const header = `<${priority}>1 ${anchor.at} ${host} opsagent ${process.pid} anchor -`;
  return `${header} ${anchorMark} ${JSON.stringify(anchor)}`;
}
