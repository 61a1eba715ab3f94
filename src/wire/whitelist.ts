/**
 * Composition root of the whitelist server: `opsagent mcp`, for our own worker and for any other MCP client.
 */
import { readFile } from 'node:fs/promises';
import type { Config } from '../config.ts';
import type { Host } from '../core/command.ts';
import type { Clock, Logger } from '../core/ports.ts';
import { version } from '../core/version.ts';
import { type Loopback, startLoopback } from '../whitelist/loopback.ts';
import { gateLine } from '../whitelist/remote-gate/request.ts';
import { createSshRunner } from '../whitelist/ssh/runner.ts';
import { trustedKeys } from '../whitelist/ssh/trusted-keys.ts';
import { startWhitelistServer } from '../whitelist/start.ts';
import { guardByTailnet, tailnetKeysFrom } from '../whitelist/tailnet-guard.ts';
import { recordConfig, startAudit } from './audit.ts';
import { openPolicy } from './policy.ts';
import { stopsInOrder } from './stops.ts';
import { tailnetFact, tailnetOf } from './tailnet.ts';

export interface WhitelistOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly redact: (text: string) => string;
  readonly sshAgent?: string;
  /** Over HTTP as the configuration says, instead of stdin and stdout; hears where once it listens. */
  readonly http?: (url: string) => void;
}

/** Serves stdin and stdout, or HTTP, until the client goes away or `signal` fires, and then until no change runs any more. */
export async function serveWhitelist(options: WhitelistOptions, signal: AbortSignal): Promise<void> {
  const { config, clock, logger, redact } = options;
  const stops = stopsInOrder(logger);
  try {
    const audit = await startAudit({ config, writer: 'whitelist', clock, logger, redact }, stops);

    const hosts = config.hosts.length > 0 ? config.hosts : [await ownMachine(config, stops.add)];
    await recordConfig(audit, config, hosts);
    const tailnet = tailnetOf(config, clock);
    const tailnetKeys = tailnetKeysFrom(tailnet);
    const ssh = createSshRunner({
      clock,
      logger,
      ...(options.sshAgent ? { agent: options.sshAgent } : {}),
      inventory: hosts,
      tailnetKeys,
      gateLine,
    });
    const runner = guardByTailnet(ssh, { tailnet, hosts, clock, logger });
    stops.add('ssh', () => runner.close());
    const server = await startWhitelistServer({
      catalogue: config.catalogue,
      policy: openPolicy(config, { audit, clock, logger }).now,
      hosts,
      fanOut: config.limits.fanOut,
      hostFacts: tailnetFact(tailnet, clock),
      runner,
      trustedKeys: (host) => trustedKeys(host, (path) => readFile(path), tailnetKeys),
      dataDir: config.dataDir,
      audit,
      redact,
      clock,
      logger,
      version,
    });
    if (options.http) {
      const listening = await server.serveHttp(config.mcp);
      options.http(
        `http://${config.mcp.host.includes(':') ? `[${config.mcp.host}]` : config.mcp.host}:${listening.port}/mcp`,
      );
      if (!signal.aborted)
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      await listening.close();
      await server.idle();
      return;
    }
    const serving = server.serve();
    // Reads end with the connection; a change that has begun is seen to its end, whoever asked for us to go.
    signal.addEventListener('abort', () => void serving.close(), { once: true });
    await serving.finished;
  } finally {
    await stops.run();
  }
}

/** With no host configured, this machine is one: by SSH like any other, through a server of our own. */
async function ownMachine(
  config: Config,
  onStop: (name: string, stop: () => Promise<void>) => void,
): Promise<Host> {
  const loopback: Loopback = await startLoopback({ dir: `${config.dataDir}/keys`, shell: '/bin/sh' });
  onStop('loopback ssh server', () => loopback.stop());
  return {
    name: 'local',
    address: '127.0.0.1',
    port: loopback.port,
    user: loopback.user,
    keyFile: loopback.clientKeyFile,
    hostKey: { kind: 'fingerprint', sha256: loopback.hostKeySha256 },
    tags: [],
    tier: 'local',
  };
}
