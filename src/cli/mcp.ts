/**
 * `opsagent mcp`: the whitelist server on stdin and stdout, to which nothing but the protocol is written, or with
 * `--http` for clients elsewhere.
 */
import { prepareDataDir } from '../backends/data-dir.ts';
import { ConfigError, loadConfig, readEnvironment } from '../config.ts';
import { processLog } from '../wire/logger.ts';
import { serveWhitelist } from '../wire/whitelist.ts';

export async function mcp({ http = false }: { readonly http?: boolean } = {}): Promise<void> {
  const env = readEnvironment();
  const config = loadConfig('whitelist', env, process.cwd());
  if (http && config.mcp.clients.length === 0) throw new ConfigError([noTokens]);
  prepareDataDir(config.dataDir);
  const { logger, redact } = processLog(config);
  // Our parent may be gone while a change is still seen to its end: then nobody reads what we say.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  const sshAgent = env.SSH_AUTH_SOCK;
  const listening = (url: string) => void process.stderr.write(`opsagent mcp listens on ${url}\n`);
  await serveWhitelist(
    {
      config,
      clock: { now: Date.now },
      logger,
      redact,
      ...(sshAgent ? { sshAgent } : {}),
      ...(http ? { http: listening } : {}),
    },
    stop.signal,
  );
  process.exit(0);
}

const noTokens = {
  where: 'OPSAGENT_MCP_TOKENS',
  what: 'is empty, and over HTTP every client needs a token',
  remedy: 'set it to name=token, with a token such as "openssl rand -hex 24" prints',
};
