/**
 * The server's half of a WebSocket (RFC 6455), as much as Socket Mode needs: text frames, ping, close.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

export interface ServerSocket {
  send(text: string): void;
  /** Says goodbye as a server does; `drop` just goes away. */
  close(): void;
  drop(): void;
}

interface Handlers {
  message(text: string): void;
  closed(): void;
}

/** Answers an upgrade request; `undefined` when it is not one. */
export function acceptWebSocket(
  request: IncomingMessage,
  stream: Duplex,
  handlers: Handlers,
): ServerSocket | undefined {
  const key = request.headers['sec-websocket-key'];
  if (!key) return undefined;
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  stream.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  const write = (opcode: number, payload: Buffer) => {
    if (stream.writable) stream.write(Buffer.concat([header(opcode, payload.length), payload]));
  };

  let pending = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    for (let frame = readFrame(pending); frame; frame = readFrame(pending)) {
      pending = pending.subarray(frame.size);
      if (frame.opcode === 1) handlers.message(frame.payload.toString());
      if (frame.opcode === 9) write(10, frame.payload);
      if (frame.opcode === 8) {
        write(8, frame.payload);
        stream.end();
      }
    }
  });
  // A client that died has closed its half: without ours the socket would stay open.
  stream.on('end', () => stream.end());
  stream.on('error', () => stream.destroy());
  stream.on('close', handlers.closed);

  return {
    send: (text) => write(1, Buffer.from(text)),
    close: () => write(8, Buffer.from([0x03, 0xe8])),
    drop: () => stream.destroy(),
  };
}

function header(opcode: number, length: number): Buffer {
  if (length < 126) return Buffer.from([0x80 | opcode, length]);
  if (length < 65536) return Buffer.from([0x80 | opcode, 126, length >> 8, length & 0xff]);
  const long = Buffer.alloc(10);
  long[0] = 0x80 | opcode;
  long[1] = 127;
  long.writeBigUInt64BE(BigInt(length), 2);
  return long;
}

function readFrame(data: Buffer): { opcode: number; payload: Buffer; size: number } | undefined {
  if (data.length < 2) return undefined;
  const short = (data[1] ?? 0) & 0x7f;
  const extra = short === 126 ? 2 : short === 127 ? 8 : 0;
  const masked = ((data[1] ?? 0) & 0x80) !== 0;
  const start = 2 + extra + (masked ? 4 : 0);
  if (data.length < start) return undefined;
  const length = extra === 2 ? data.readUInt16BE(2) : extra === 8 ? Number(data.readBigUInt64BE(2)) : short;
  if (data.length < start + length) return undefined;
  const payload = Buffer.from(data.subarray(start, start + length));
  if (masked) {
    const mask = data.subarray(start - 4, start);
    for (let i = 0; i < payload.length; i++) payload[i] = (payload[i] ?? 0) ^ (mask[i % 4] ?? 0);
  }
  return { opcode: (data[0] ?? 0) & 0x0f, payload, size: start + length };
}
