/**
 * Puts the whitelist server together from what it is given: catalogue, policy, hosts, runner, audit log, data directory.
 * Nothing is opened toward a host before the first command.
 */
import type { McpServerFactory, Transport } from '@modelcontextprotocol/server';
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio';
import type { CommandSpec, Host } from '../core/command.ts';
import { OpsError } from '../core/errors.ts';
import type { Policy } from '../core/policy.ts';
import type { AuditLog, Clock, CommandRunner, Logger } from '../core/ports.ts';
import { version as ownVersion } from '../core/version.ts';
import { visible } from '../core/visible.ts';
import type { Ended, TrustedKeys } from './asked.ts';
import { createCalls } from './calls.ts';
import { createExecute } from './execute.ts';
import { openFreeze } from './freeze.ts';
import { openHostLocks } from './host-lock.ts';
import { type HttpOptions, type HttpServer, serveHttp } from './http.ts';
import { decisionKeyOf } from './identity.ts';
import { createOrders } from './orders.ts';
import { openOutputStore } from './output-store.ts';
import { createLimits } from './quota.ts';
import type { ToolReply } from './reply.ts';
import { openClientRequests } from './requests.ts';
import { createSealer, openSealKey } from './seal.ts';
import { mcpServerFactory } from './server.ts';
import { openSpentStore } from './spent.ts';
import { createTools, type ToolsOptions } from './tools.ts';
import { openWindows } from './windows.ts';

export interface WhitelistServerOptions {
  readonly catalogue: readonly CommandSpec[];
  /** As a function it is read anew at every call, so that a removed person counts for nothing at once. */
  readonly policy: Policy | (() => Policy | Promise<Policy>);
  readonly hosts: readonly Host[];
  readonly hostFacts?: ToolsOptions['hostFacts'];
  readonly defaultHost?: string;
  /** How many hosts of a group are asked at a time. */
  readonly fanOut?: number;
  readonly runner: CommandRunner;
  readonly trustedKeys: TrustedKeys;
  /** Holds keys/, spent/, results/, requests/, outputs/, windows/, locks/ and freeze.json. */
  readonly dataDir: string;
  readonly audit: AuditLog;
  readonly redact: (text: string) => string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly version?: string;
  readonly progressEveryMs?: number;
}

/** Longer than any signed request is good for, so that no call can come back to a record that is gone. */
const keepMs = 30 * 24 * 3600_000;
const tidyEveryMs = 3600_000;

export type HttpAddress = Omit<HttpOptions, 'factory' | 'logger'>;

export interface WhitelistServer {
  /** For an HTTP handler or a test: makes one MCP server for each connection. */
  readonly factory: McpServerFactory;
  /** Serves one client over stdin and stdout. `finished` resolves when it went away and no change runs any more. */
  serve(wire?: Transport): { readonly finished: Promise<void>; close(): Promise<void> };
  /** Serves any number of clients over Streamable HTTP at /mcp. Rejects when the address cannot be listened on. */
  serveHttp(at: HttpAddress): Promise<HttpServer>;
  /** Resolves when no call is under way. */
  idle(): Promise<void>;
}

/** Throws OpsError `config-invalid` for an empty catalogue or inventory and for unusable keys. */
export async function startWhitelistServer(options: WhitelistServerOptions): Promise<WhitelistServer> {
  const { policy, catalogue, hosts, dataDir, audit, clock, logger } = options;
  if (catalogue.length === 0) throw new OpsError('config-invalid', 'The catalogue has no commands.');
  if (hosts.length === 0) throw new OpsError('config-invalid', 'The inventory has no hosts.');
  if (options.defaultHost && !hosts.some((h) => h.name === options.defaultHost))
    throw new OpsError('config-invalid', `The default host ${options.defaultHost} is not in the inventory.`);

  const version = options.version ?? ownVersion;
  const policyNow = typeof policy === 'function' ? policy : () => policy;
  const verify = decisionKeyOf(dataDir);
  const calls = createCalls<ToolReply>();
  const spent = await openSpentStore<Ended>(dataDir);
  const outputs = await openOutputStore({ dataDir, clock });
  const windows = openWindows(dataDir);
  const freeze = openFreeze(dataDir);
  const requests = await openClientRequests(
    dataDir,
    async (callId) => (await spent.kept(callId)) !== undefined,
  );
  const tidy = () => {
    const before = clock.now() - keepMs;
    return Promise.all([outputs.prune(), spent.prune(before), requests.prune(before)]);
  };
  const tidied = (error: unknown) => logger.warn({ err: error }, 'old outputs and results stay');
  await tidy().catch(tidied);
  setInterval(() => void tidy().catch(tidied), tidyEveryMs).unref();
  const execute = createExecute({
    policy: policyNow,
    catalogue,
    limits: createLimits({ dataDir, clock, logger }),
    verify,
    sealer: createSealer(openSealKey(dataDir)),
    spent,
    windows,
    requests,
    freeze,
    locks: openHostLocks(dataDir),
    outputs,
    runner: options.runner,
    trustedKeys: options.trustedKeys,
    audit,
    cleaners: { redact: options.redact, visible },
    clock,
    logger,
  });
  const tools = createTools({
    catalogue,
    hosts,
    policy: policyNow,
    execute,
    outputs,
    requests,
    spent,
    clock,
    version,
    ...(options.defaultHost ? { defaultHost: options.defaultHost } : {}),
    ...(options.fanOut === undefined ? {} : { fanOut: options.fanOut }),
    ...(options.hostFacts ? { hostFacts: options.hostFacts } : {}),
  });
  const { progressEveryMs } = options;
  const factory = mcpServerFactory({
    tools,
    calls,
    orders: createOrders({ policy: policyNow, verify, freeze, windows, audit, clock }),
    verify,
    audit,
    clock,
    logger,
    version,
    ...(progressEveryMs === undefined ? {} : { progressEveryMs }),
  });

  return {
    factory,
    idle: () => calls.idle(),
    serveHttp: (at) => serveHttp({ ...at, factory, logger }),
    serve(wire: Transport = new StdioServerTransport()) {
      const handle = serveStdio(factory, {
        transport: wire,
        onerror: (error) => logger.warn({ err: error }, 'MCP protocol error'),
      });
      const closed = new Promise<void>((resolve) => {
        const before = wire.onclose;
        wire.onclose = () => {
          before?.();
          resolve();
        };
      });
      return { finished: closed.then(() => calls.idle()), close: () => handle.close() };
    },
  };
}
