/**
 * The port Tools over MCP: the worker's only way to a command. It carries signed requests, sealed states and votes
 * without understanding them; what may run is decided on the other side.
 */
import {
  type CallToolResult,
  type Client,
  type InputRequiredResult,
  type Progress,
  type ProgressCallback,
  ProtocolError,
  SdkError,
  SdkErrorCode,
  type Transport,
} from '@modelcontextprotocol/client';
import type { Problem } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { budgetKey, callIdKey, collectKey, orderKey, requestsKey, votesKey } from '../core/mcp-meta.ts';
import type { Clock, Logger, ToolOutcome, ToolRequest, Tools } from '../core/ports.ts';
import { version } from '../core/version.ts';
import { createConnection } from './tools-connection.ts';
import { outcomeOf } from './tools-outcome.ts';
import { type ChildOptions, WhitelistChild } from './tools-transport.ts';

export interface McpToolsOptions {
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly version?: string;
  /** How long the server may say nothing at all of a call, in ms; it tells every second how a call comes along. */
  readonly callTimeoutMs?: number;
  /** How long a new server may take to answer its first request, in ms. */
  readonly connectTimeoutMs?: number;
  /** How long a stopped call may take to say how it ended, in ms. */
  readonly stopTimeoutMs?: number;
}

/** Starts `opsagent mcp` as a child, when first used; starts it again when it died. */
export function createMcpTools(options: McpToolsOptions & ChildOptions): Tools {
  return mcpToolsOver(() => new WhitelistChild(options), options);
}

/** The same over any transport: a pair in memory, an HTTP handler. */
export function mcpToolsOver(open: () => Transport, options: McpToolsOptions): Tools {
  const { logger, callTimeoutMs = 3_600_000, stopTimeoutMs = 30_000 } = options;
  const connection = createConnection({
    open,
    logger,
    clock: options.clock ?? { now: () => Date.now() },
    version: options.version ?? version,
    connectTimeoutMs: options.connectTimeoutMs ?? 20_000,
  });

  const send = async (
    client: Client,
    request: ToolRequest,
    collect: boolean,
    bounds: {
      timeout: number;
      maxTotalTimeout?: number;
      signal?: AbortSignal;
      onprogress?: ProgressCallback;
    },
  ): Promise<ToolOutcome> => {
    const { tool, args, grant } = request;
    const params = {
      name: tool,
      arguments: { ...args },
      ...(grant ? { requestState: grant.sealed } : {}),
      _meta: metaOf(request, collect),
    };
    const answer: CallToolResult | InputRequiredResult = await client.callTool(params, {
      ...bounds,
      resetTimeoutOnProgress: true,
      allowInputRequired: true,
      // Without a definition of its own the client holds the listed output schema against `input_required` too, which
      // has no output yet, and throws.
      toolDefinition: { name: tool, inputSchema: { type: 'object' } },
    });
    return outcomeOf(answer);
  };

  return {
    async list() {
      const client = await connection.client();
      const { tools } = await client.listTools();
      return tools.map(({ name, description, inputSchema }) => ({
        name,
        description: description ?? '',
        inputSchema: inputSchema as JsonObject,
      }));
    },

    async call(request, signal, onProgress) {
      if (signal.aborted) return stoppedBefore;
      let client: Client;
      try {
        client = await connection.client();
      } catch (error) {
        logger.error({ err: error, callId: request.callId }, 'the whitelist server cannot be reached');
        return { kind: 'unavailable', problem: unreachable };
      }
      try {
        // Asked for in any case: while it comes, a change on many hosts takes as long as it takes. A time-out of the
        // whole call would reach the server as a person's stop.
        const onprogress = ({ message }: Progress) => message && onProgress?.(message);
        return await send(client, request, false, { timeout: callTimeoutMs, signal, onprogress });
      } catch (error) {
        if (!signal.aborted) return failure(error);
      }
      try {
        return await send(client, request, true, { timeout: stopTimeoutMs, maxTotalTimeout: stopTimeoutMs });
      } catch (error) {
        return failure(error);
      }
    },

    async order(order) {
      const notDelivered = {
        ok: false,
        text: 'The whitelist server cannot be reached: nothing was changed.',
      };
      try {
        const client = await connection.client();
        const answer = await client.callTool(
          { name: 'ping', arguments: {}, _meta: { [orderKey]: order } },
          { timeout: stopTimeoutMs, toolDefinition: { name: 'ping', inputSchema: { type: 'object' } } },
        );
        const outcome = outcomeOf(answer);
        if (outcome.kind === 'result') return { ok: !outcome.result.isError, text: outcome.result.text };
        return outcome.kind === 'refused' ? { ok: false, text: outcome.reason } : notDelivered;
      } catch (error) {
        logger.error({ err: error, order: order.statement.order }, 'an order could not be handed over');
        return notDelivered;
      }
    },

    close: () => connection.close(),
  };

  function failure(error: unknown): ToolOutcome {
    if (error instanceof ProtocolError) {
      // The server's own refusal of a malformed call; its text is meant for the caller.
      logger.warn({ err: error }, 'the whitelist server refused a call');
      return { kind: 'result', result: { text: error.message, isError: true, ran: [] } };
    }
    // Nothing was answered: the connection broke (the pipe may say so by itself), or nobody spoke in time.
    logger.warn({ err: error }, 'a call to the whitelist server did not end');
    const silent = error instanceof SdkError && error.code === SdkErrorCode.RequestTimeout;
    return { kind: 'unavailable', problem: silent ? noAnswer : unreachable };
  }
}

function metaOf(request: ToolRequest, collect: boolean): Record<string, unknown> {
  return {
    [callIdKey]: request.callId,
    [requestsKey]: request.requests,
    ...(request.grant ? { [votesKey]: request.grant.votes } : {}),
    ...(request.budget === undefined ? {} : { [budgetKey]: request.budget }),
    ...(collect ? { [collectKey]: true } : {}),
  };
}

const stoppedBefore: ToolOutcome = {
  kind: 'refused',
  reason: 'It was stopped before it began; nothing has run.',
};

const unreachable: Problem = {
  code: 'tools-unavailable',
  message: 'The whitelist server stopped or cannot be started.',
  remedy: 'It is tried again; the log says what is wrong.',
};

const noAnswer: Problem = {
  code: 'tools-unavailable',
  message: 'The whitelist server does not answer.',
  remedy: 'It is tried again; the log says what is wrong.',
};
