/**
 * The in-process stand-in where no Redis is installed: good enough to try everything, keeps nothing over a stop.
 * It listens on a unix socket in the data directory and nowhere else.
 */
import { chmodSync } from 'node:fs';
import { createRedisCommandExecutor, RedisServerState, Resp2Server } from 'js-redis-server/core';

/** Starts it on the socket; the returned function stops it. */
export async function startStandIn(socket: string): Promise<() => Promise<void>> {
  const state = new RedisServerState({ databaseCount: 1 });
  const { server } = new Resp2Server({ server: state, executor: createRedisCommandExecutor() });
  // Not Resp2Server.listen: that one binds a port on every interface.
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socket, resolve);
  });
  chmodSync(socket, 0o700);
  return async () => {
    server.close();
    state.close();
  };
}
