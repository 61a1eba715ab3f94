/**
 * A SOCKS5 proxy (RFC 1928) on loopback, without login, as a userspace tailscaled offers one: it knows names of its own
 * and answers as it is told to.
 */
import { createConnection, createServer, type Socket } from 'node:net';
import { listening } from './listening.ts';

export interface SocksProxy {
  readonly port: number;
  /** `host:port` of each request, as it was asked for. */
  readonly asked: readonly string[];
  stop(): Promise<void>;
}

export interface SocksOptions {
  /** Where a name or address leads; what is not listed is connected to as it is. */
  readonly names?: Readonly<Record<string, string>>;
  /** Answers every request with this reply code instead of connecting. */
  readonly reply?: number;
  /** `login`: offers only a login with a password; `silent`: never answers; `closes`: hangs up; `http`: is none. */
  readonly mood?: 'login' | 'silent' | 'closes' | 'http';
}

export async function startSocksProxy(options: SocksOptions = {}): Promise<SocksProxy> {
  const asked: string[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      if (options.mood === 'silent') return;
      if (options.mood === 'closes') return void socket.end();
      if (options.mood === 'http') return void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
      if (options.mood === 'login') return void socket.end(Buffer.from([5, 0xff]));
      socket.write(Buffer.from([5, 0]));
      socket.once('data', (request: Buffer) => {
        const { host, port } = destination(request);
        asked.push(`${host}:${port}`);
        if (options.reply !== undefined) return void socket.end(answer(options.reply));
        connect(socket, options.names?.[host] ?? host, port);
      });
    });
  });
  const { port, stop } = await listening(server);
  return { port, asked, stop };
}

/** What follows the reply comes in the same segment, as it may on a real network. */
function connect(socket: Socket, host: string, port: number): void {
  const to = createConnection({ host, port });
  to.on('error', () => socket.end(answer(5)));
  to.once('data', (first: Buffer) => {
    socket.write(Buffer.concat([answer(0), first]));
    to.pipe(socket);
    socket.pipe(to);
  });
  socket.once('close', () => to.destroy());
}

function destination(request: Buffer): { host: string; port: number } {
  const type = request[3];
  const length = type === 1 ? 4 : type === 4 ? 16 : (request[4] ?? 0);
  const start = type === 3 ? 5 : 4;
  const bytes = request.subarray(start, start + length);
  const host =
    type === 3
      ? bytes.toString('latin1')
      : type === 1
        ? [...bytes].join('.')
        : (bytes.toString('hex').match(/.{4}/g) ?? []).join(':');
  return { host, port: request.readUInt16BE(start + length) };
}

function answer(code: number): Buffer {
  return Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
}
