/**
 * CommandRunner over SSH: kept connections, shells started ahead on them, and runs that their host keeps until they
 * are collected.
 */
import { setMaxListeners } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { Host, RenderedCommand } from '../../core/command.ts';
import type { Clock, CommandRunner, Logger } from '../../core/ports.ts';
import { createAhead } from './ahead.ts';
import type { ReadFile, TailnetKeys } from './host-key.ts';
import { createKeeping, type Result } from './keeping.ts';
import { createPool } from './pool.ts';
import { type GateLine, perform, type Request, type SessionDeps } from './session.ts';

export interface SshRunnerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** SSH_AUTH_SOCK, for hosts without a key file. */
  readonly agent?: string;
  /** A connection unused for this long is closed; default two minutes. */
  readonly idleMs?: number;
  readonly connectTimeoutMs?: number;
  /** Reads key files and known_hosts; default the file system. */
  readonly readFile?: ReadFile;
  /** Where jump hosts are looked up by name. */
  readonly inventory?: readonly Host[];
  /** Host keys as the tailnet knows them; without it, hosts whose key is the tailnet's to say are refused. */
  readonly tailnetKeys?: TailnetKeys;
  /** The line for hosts with `gate: true`; without it they are refused. */
  readonly gateLine?: GateLine;
}

/** Nothing is thrown for what a host does. `close` ends every connection; what ran on them is `lost`. */
export function createSshRunner(options: SshRunnerOptions): CommandRunner {
  const { clock } = options;
  const pool = createPool({
    clock,
    logger: options.logger,
    readFile: options.readFile ?? ((path) => readFile(path)),
    ...(options.agent === undefined ? {} : { agent: options.agent }),
    ...(options.inventory === undefined ? {} : { inventory: options.inventory }),
    ...(options.tailnetKeys === undefined ? {} : { tailnetKeys: options.tailnetKeys }),
    idleMs: options.idleMs ?? 120_000,
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
  });

  const { gateLine } = options;
  const deps: SessionDeps = { pool, ahead: createAhead(), clock, ...(gateLine ? { gateLine } : {}) };
  const keeping = createKeeping(deps);

  const requestOf = (
    command: RenderedCommand,
    host: Host,
    signal: AbortSignal,
    onOutput: ((bytes: number) => void) | undefined,
  ): Request => {
    // One signal may stop a whole fan-out; each run takes its listeners off again.
    setMaxListeners(0, signal);
    return { command, host, signal, ...(onOutput === undefined ? {} : { onOutput }) };
  };

  return {
    async run(command, host, signal, onOutput, keepAs) {
      const began = clock.now();
      const request = requestOf(command, host, signal, onOutput);
      const result = await (keepAs === undefined ? once(deps, request) : keeping.run(request, keepAs));
      return { ...result, ms: clock.now() - began };
    },
    async collect(keepAs, command, host, signal, onOutput) {
      const began = clock.now();
      const request = requestOf(command, host, signal, onOutput);
      const result = await keeping.collect(request, keepAs);
      return result && { ...result, ms: clock.now() - began };
    },
    async close() {
      await keeping.close();
      pool.close();
    },
  };
}

async function once(deps: SessionDeps, request: Request): Promise<Result> {
  const performed = await perform(deps, request);
  if (performed.kind === 'result') return performed.result;
  const problem = `${request.host.name} spoke of a record that nobody asked for`;
  return { end: { kind: 'lost', problem }, stdout: '', stderr: '', truncated: false };
}
