/**
 * Starts ahead: on each kept connection one shell that has read the login's rc files and the wrapper, and waits for
 * one request, so that a command costs one round trip and its own processes. It ends with its connection.
 */
import { randomBytes } from 'node:crypto';
import type { Client, ClientChannel } from 'ssh2';
import type { Host } from '../../core/command.ts';
import { createFrame, type Frame } from '../frame.ts';
import { aheadLine } from '../remote-line.ts';

/** A shell that has said that it waits. */
export interface Waiting {
  readonly channel: ClientChannel;
  readonly marker: string;
  readonly out: Frame;
  readonly err: Frame;
  /** From now on what comes is for the caller alone, who listens at once. */
  handOver(): void;
}

export interface Ahead {
  /** The shell that waits on this connection with this output limit, if any; it is the caller's then, for one request. */
  take(client: Client, host: Host, maxOutputBytes: number): Promise<Waiting | undefined>;
  /** Starts one where none waits; one with another limit is replaced. */
  open(client: Client, host: Host, maxOutputBytes: number): void;
}

/** A shell that does not come to wait within this is given up, and the connection does without. */
const READY_MS = 20_000;
/** So long a command waits for a shell that is on its way; then a line of its own is as quick. */
const TAKE_MS = 500;

interface Shell {
  readonly key: string;
  readonly ready: Promise<Waiting | undefined>;
  end(): void;
}

export function createAhead(): Ahead {
  const shells = new WeakMap<Client, Shell>();
  /** Connections on which a waiting shell is refused or does not last. */
  const unable = new WeakSet<Client>();

  const start = (client: Client, host: Host, maxOutputBytes: number, key: string): Shell => {
    let channel: ClientChannel | undefined;
    const gone = (): void => {
      unable.add(client);
      if (shells.get(client) === shell) shells.delete(client);
    };
    const ready = begin(client, host, maxOutputBytes, (opened) => {
      channel = opened;
      for (const over of ['exit', 'close']) opened.once(over, () => shells.get(client) === shell && gone());
    });
    const shell: Shell = { key, ready, end: () => channel?.close() };
    void ready.then((waiting) => waiting ?? gone());
    return shell;
  };

  return {
    async take(client, host, maxOutputBytes) {
      const shell = shells.get(client);
      if (shell?.key !== keyOf(host, maxOutputBytes)) return undefined;
      const waiting = await Promise.race([shell.ready, undefinedAfter(TAKE_MS)]);
      // Another may have taken it meanwhile.
      if (waiting === undefined || shells.get(client) !== shell) return undefined;
      shells.delete(client);
      return waiting.channel.writable ? waiting : undefined;
    },
    open(client, host, maxOutputBytes) {
      // A gate takes requests only, and no shell waits behind it.
      if (host.gate || unable.has(client)) return;
      const key = keyOf(host, maxOutputBytes);
      const old = shells.get(client);
      if (old?.key === key) return;
      shells.delete(client);
      old?.end();
      shells.set(client, start(client, host, maxOutputBytes, key));
    },
  };
}

const keyOf = ({ path }: Host, maxOutputBytes: number): string =>
  JSON.stringify([maxOutputBytes, path ?? null]);

function undefinedAfter(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), ms).unref());
}

/** Resolves with nothing when there is no such shell, or it has not come to wait in time. */
function begin(
  client: Client,
  host: Host,
  maxOutputBytes: number,
  opened: (channel: ClientChannel) => void,
): Promise<Waiting | undefined> {
  const marker = randomBytes(16).toString('hex');
  const rendered = aheadLine({
    marker,
    maxOutputBytes,
    ...(host.path === undefined ? {} : { path: host.path }),
  });
  if (!rendered.ok) return Promise.resolve(undefined);
  const { line } = rendered;
  return new Promise((resolve) => {
    try {
      client.exec(line, (error, channel) => {
        if (error) return resolve(undefined);
        opened(channel);
        const out = createFrame(marker, maxOutputBytes);
        const err = createFrame(marker, maxOutputBytes);
        const onOut = (chunk: Buffer): void => {
          out.push(chunk);
          if (out.ready) settle({ channel, marker, out, err, handOver });
        };
        const onErr = (chunk: Buffer): void => err.push(chunk);
        const handOver = (): void => {
          channel.off('data', onOut);
          channel.stderr.off('data', onErr);
        };
        let settled = false;
        const settle = (waiting: Waiting | undefined): void => {
          // Later it is the channel of whoever took it, and output may still come after an exit status.
          if (settled) return;
          settled = true;
          clearTimeout(timer);
          if (waiting === undefined) channel.close();
          resolve(waiting);
        };
        const timer = setTimeout(() => settle(undefined), READY_MS);
        channel.on('data', onOut);
        channel.stderr.on('data', onErr);
        channel.on('error', () => {});
        for (const over of ['exit', 'close']) channel.once(over, () => settle(undefined));
      });
    } catch {
      resolve(undefined);
    }
  });
}
