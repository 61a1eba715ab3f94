/**
 * A network that can be cut: a TCP port on loopback that passes everything on to another one until told otherwise.
 */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface CuttableNetwork {
  readonly port: number;
  /** Every connection that is open now is gone, on both sides. */
  cut(): void;
  /** Connections that are open now carry nothing any more, and nobody is told; later ones are whole. */
  swallow(): void;
  close(): Promise<void>;
}

export async function startCuttableNetwork(to: number): Promise<CuttableNetwork> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ port: to, host: '127.0.0.1', noDelay: true });
    for (const [from, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('data', (chunk) => other.write(chunk));
      from.on('error', () => {});
      from.once('close', () => {
        sockets.delete(from);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    swallow() {
      for (const socket of sockets) socket.removeAllListeners('data').on('data', () => {});
    },
    async close() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
