/**
 * `opsagent mcp`: the whitelist server on stdin and stdout. Nothing but the protocol is written to stdout.
 */
import { prepareDataDir } from '../backends/data-dir.ts';
import { loadConfig, readEnvironment } from '../config.ts';
import { processLog } from '../wire/logger.ts';
import { serveWhitelist } from '../wire/whitelist.ts';

export async function mcp(): Promise<void> {
  const env = readEnvironment();
  const config = loadConfig('whitelist', env, process.cwd());
  prepareDataDir(config.dataDir);
  const { logger, redact } = processLog(config);
  // Our parent may be gone while a change is still seen to its end: then nobody reads what we say.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  const sshAgent = env.SSH_AUTH_SOCK;
  await serveWhitelist(
    { config, clock: { now: Date.now }, logger, redact, ...(sshAgent ? { sshAgent } : {}) },
    stop.signal,
  );
  process.exit(0);
}
