/**
 * Composition root of bot and worker: opens the backends, starts what the role asks for, stops it in order.
 */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Directory } from '../../adapters/console/directory.ts';
import type { Console } from '../../adapters/console/index.ts';
import { loadAdapters } from '../../adapters/index.ts';
import { loadDecisionKey } from '../backends/decision-key.ts';
import { openPeople } from '../backends/people.ts';
import { createRedisBoard } from '../backends/redis/board.ts';
import { connect, type RedisAddress } from '../backends/redis/client.ts';
import { type EmbeddedRedis, startEmbeddedRedis } from '../backends/redis/embedded.ts';
import { createOrderRelay } from '../backends/redis/orders.ts';
import { createRedisRunQueue } from '../backends/redis/run-queue.ts';
import { createRedisRunStore, type OnIgnored } from '../backends/redis/run-store.ts';
import { openRequestFiles } from '../backends/request-files.ts';
import { createMcpTools } from '../backends/tools.ts';
import { createApprovalList } from '../bot/approvals.ts';
import { takeClientRequest } from '../bot/client-requests.ts';
import { createInbox } from '../bot/inbox.ts';
import { problemLine } from '../config/problem.ts';
import { type Config, environmentFor } from '../config.ts';
import type { ClientRequest } from '../core/client-request.ts';
import { defaultBudget } from '../core/policy.ts';
import type { ChatAdapter, Clock, Logger, Model, Tools } from '../core/ports.ts';
import { signer } from '../core/signed.ts';
import { version } from '../core/version.ts';
import { createAdvancer } from '../worker/advance.ts';
import { startWorker } from '../worker/worker.ts';
import { recordConfig, startAudit } from './audit.ts';
import { consoleSessionKey, consoleToken } from './console-token.ts';
import { createModel } from './model.ts';
import { orderBy } from './orders.ts';
import { openPolicy } from './policy.ts';
import { watchRequests } from './requests.ts';
import { type Stops, stopsInOrder } from './stops.ts';

export interface Instance {
  readonly console: Console;
  readonly redis: RedisAddress;
  readonly embedded: EmbeddedRedis | undefined;
  readonly model: Model;
  readonly adapters: readonly ChatAdapter[];
  stop(): Promise<void>;
}

export interface InstanceOptions {
  readonly config: Config;
  /** Which halves run here; at least one. */
  readonly bot: boolean;
  readonly worker: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly redact: (text: string) => string;
  readonly env: NodeJS.ProcessEnv;
}

/** Starts it. What had been started is stopped again when a later part throws (OpsError for the expected). */
export async function startInstance(options: InstanceOptions): Promise<Instance> {
  const stops = stopsInOrder(options.logger);
  try {
    return await start(options, stops);
  } catch (error) {
    await stops.run();
    throw error;
  }
}

async function start(options: InstanceOptions, stops: Stops): Promise<Instance> {
  const { config, clock, logger } = options;
  const writer = options.bot && options.worker ? 'start' : options.bot ? 'bot' : 'worker';
  const { redact } = options;
  const audit = await startAudit({ config, writer, clock, logger, redact }, stops);
  await recordConfig(audit, config, config.hosts);

  // A process of its own that takes as long to start as all the rest here: both at once.
  const tools = options.worker ? whitelistServer(options) : undefined;
  if (tools) stops.add('whitelist server', () => tools.close());
  const listed = tools?.list();
  listed?.catch(() => {});

  const embedded = config.redisUrl
    ? undefined
    : await startEmbeddedRedis(config.dataDir, logger, options.env.PATH);
  if (embedded) stops.add('redis', () => embedded.stop());
  const address: RedisAddress = config.redisUrl
    ? { url: config.redisUrl }
    : { socket: embedded?.socket ?? '' };
  const redis = connect(address, logger);
  stops.add('redis connection', async () => redis.disconnect());
  const ignored: OnIgnored = ({ runId, why }) =>
    void audit
      .record({ kind: 'store.ignored', ...(runId ? { runId } : {}), data: { why } })
      .catch((err: unknown) => logger.error({ err }, 'what was ignored in the store could not be audited'));
  const store = createRedisRunStore(redis, logger, ignored);
  const queue = createRedisRunQueue(address, redis, logger, ignored);
  stops.add('queue', () => queue.close());
  const board = createRedisBoard(address, redis, clock, logger);
  stops.add('board', () => board.close());

  const relay = config.redisUrl ? createOrderRelay({ address, redis, logger }) : undefined;

  const policy = openPolicy(config, { audit, clock, logger });
  const ready = { now: false };
  const directory = directoryOf(config, async () => {
    const isUp = (await redis.ping().catch(() => 'down')) === 'PONG';
    return {
      ready: ready.now && isUp,
      version,
      redis: isUp ? 'up' : 'down',
      platforms: adapters.all.map((a) => a.platform),
    };
  });
  const token = consoleToken(config.dataDir, config.console?.token);
  const adapters = await loadAdapters(
    {
      ...config,
      console: {
        host: config.console?.host ?? '127.0.0.1',
        port: config.console?.port ?? 0,
        origins: config.console?.origins ?? [],
        token,
        tokenConfigured: config.console?.token !== undefined,
        sessionKey: consoleSessionKey(config.dataDir),
      },
    },
    { board, directory, clock, logger },
    {
      ...openPeople(config.dataDir, clock, (message) => logger.error({}, message)),
      approvals: createApprovalList({ store, clock, policy: policy.now }),
      audit,
    },
  );
  const model = await createModel(config, logger, options.redact);

  if (tools) {
    const advancer = createAdvancer({
      store,
      queue,
      model,
      tools,
      adapters: new Map(adapters.all.map((a) => [a.platform, a])),
      audit,
      clock,
      logger,
      budget: () => policy.now().budget ?? defaultBudget,
      patienceMs: config.limits.patienceSeconds * 1000,
      name: `${hostname()}.${process.pid}.${randomBytes(3).toString('hex')}`,
    });
    // Started before the first question, so that the first answer does not wait for it.
    await listed;
    const worker = await startWorker({ store, queue, advancer, clock, logger });
    stops.add('worker', () => worker.stop());
    if (relay) stops.add('orders', await relay.serve(tools.order));
  }

  if (options.bot) {
    const sign = signer(loadDecisionKey(config.dataDir).privatePem);
    const inbox = createInbox({
      store,
      queue,
      audit,
      clock,
      policy: policy.now,
      sign,
      order: orderBy(tools, relay),
      commands: () => config.catalogue,
      hosts: () => (config.hosts.length > 0 ? config.hosts : [ownMachine]),
      policyProblems: () => policy.problems().map(problemLine),
    });
    for (const adapter of adapters.all) {
      await adapter.start(inbox);
      stops.add(adapter.platform, () => adapter.stop());
    }
    const parts = { store, queue, audit, clock, policy: policy.now, sign };
    const files = await openRequestFiles(config.dataDir, logger);
    const take = (request: ClientRequest) => takeClientRequest(parts, request);
    const watch = watchRequests({ files, take, clock, logger });
    stops.add('requests of MCP clients', () => watch.stop());
  }
  ready.now = true;
  return {
    console: adapters.console,
    redis: address,
    embedded,
    model,
    adapters: adapters.all,
    stop: () => {
      ready.now = false;
      return stops.run();
    },
  };
}

/** The only host when none is configured; see the whitelist server's composition root. */
const ownMachine = { name: 'local', tags: [] };

function whitelistServer({ env, logger, clock }: InstanceOptions): Tools {
  return createMcpTools({
    command: process.execPath,
    args: [fileURLToPath(new URL('../main.js', import.meta.url)), 'mcp'],
    env: environmentFor('whitelist', env),
    cwd: process.cwd(),
    logger,
    clock,
  });
}

function directoryOf(config: Config, status: Directory['status']): Directory {
  // A bot of its own cannot know that the whitelist server, elsewhere, has only its own machine.
  const embedded = config.role === 'all' && config.hosts.length === 0;
  const hosts = embedded ? [{ name: 'local', tier: 'local', tags: [] }] : config.hosts;
  return { commands: () => config.catalogue, hosts: () => hosts, status };
}
